/**
 * The pictures that a gate and a wallet show each other: QR codes drawn and read in the page, so that none leaves the device.
 *
 *     EGIDE1Q: a gate's question · EGIDE1A: a wallet's answer · EGIDE1R: a receipt, which only the wallet keeps
 *
 * Bytes are in base45, a QR code's alphanumeric mode. As `egide/border/token/qr.py`; whatever else a camera sees is left alone.
 */
import encodeQR from 'qr';
import decodeQR from 'qr/decode.js';
import { fromBase45, toBase45 } from '../wallet/crypto/base45';

export type Kind = 'question' | 'answer' | 'receipt';
const PREFIX: Record<Kind, string> = { question: 'EGIDE1Q:', answer: 'EGIDE1A:', receipt: 'EGIDE1R:' };
/** An answer is dense and held close; the others are read at an arm's length. */
const CORRECTION = { question: 'medium', answer: 'low', receipt: 'medium' } as const;
/** Modules of white around, ISO/IEC 18004 §9.1. */
const QUIET = 4;
/** Characters; an answer has 1,000. */
const MAX_TEXT = 2048;

/** The picture of these bytes as an image's address; it has no size of its own. */
export function drawn(data: Uint8Array, kind: Kind): string {
  const svg = encodeQR(PREFIX[kind] + toBase45(data), 'svg', { ecc: CORRECTION[kind], encoding: 'alphanumeric', border: QUIET });
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

/** The picture of a link. */
export function drawnLink(link: string): string {
  return `data:image/svg+xml,${encodeURIComponent(encodeQR(link, 'svg', { ecc: 'medium', border: QUIET }))}`;
}

/** What a picture of this kind in these pixels says; null where there is none. */
export function scanned(pixels: ImageData, kind: Kind): Uint8Array<ArrayBuffer> | null {
  let said: string;
  try {
    said = decodeQR(pixels);
  } catch {
    // No code in this frame: the usual case.
    return null;
  }
  if (!said.startsWith(PREFIX[kind]) || said.length > MAX_TEXT) return null;
  try {
    return fromBase45(said.slice(PREFIX[kind].length));
  } catch {
    return null;
  }
}
