/**
 * Reads the two pictures of a control without a network: `EGIDE1Q:` (a gate's question), `EGIDE1A:` (a wallet's answer). Whatever
 * else a camera sees is left alone. Read in the page: no picture leaves the device for it. As `egide/border/token/qr.py`.
 */
import jsQR from 'jsqr';

export type Kind = 'question' | 'answer';
const PREFIX: Record<Kind, string> = { question: 'EGIDE1Q:', answer: 'EGIDE1A:' };
/** Characters; an answer has 1,000. */
const MAX_TEXT = 2048;

/** What a picture of this kind says, its prefix included; null where there is none. */
export function scanned(pixels: ImageData, kind: Kind): string | null {
  const said = jsQR(pixels.data, pixels.width, pixels.height, { inversionAttempts: 'dontInvert' })?.data;
  return said?.startsWith(PREFIX[kind]) && said.length <= MAX_TEXT ? said : null;
}
