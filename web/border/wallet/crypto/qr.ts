/** Pictures that the wallet and the kiosk draw; black on white by day and by night, or no reader would find them. */
import encodeQR from 'qr';
import { fromBase45, toBase45 } from './base45';
import { decode, encode } from './cbor';

/** Modules of white around, ISO/IEC 18004 §9.1. */
const QUIET = 4;
const CONSENT = 'EGIDE1C:';
const RECEIPT = 'EGIDE1R:';

export interface Drawn {
  side: number;
  /** An SVG path of the dark modules, one unit each. */
  path: string;
}

export function drawn(text: string, correction: 'low' | 'medium' = 'low'): Drawn {
  const rows = encodeQR(text, 'raw', { ecc: correction, border: QUIET });
  let path = '';
  rows.forEach((row, y) => {
    row.forEach((dark, x) => {
      if (dark) path += `M${x} ${y}h1v1h-1z`;
    });
  });
  return { side: rows.length, path };
}

/** What the phone shows to the kiosk: which consent, and that it is this traveller's. */
export function consentText(consent: string, secret: string): string {
  return CONSENT + toBase45(encode([consent, secret]));
}

/** @throws Error for a picture of something else. */
export function consentOf(text: string): { consent: string; secret: string } {
  const found = text.startsWith(CONSENT) ? decode(fromBase45(text.slice(CONSENT.length))) : null;
  if (!Array.isArray(found) || found.length !== 2 || !found.every((one) => typeof one === 'string')) throw new Error('a picture of something else');
  const [consent = '', secret = ''] = found as string[];
  return { consent, secret };
}

/** The receipt in a gate's picture; null for a picture of something else. */
export function receiptOf(text: string): string | null {
  if (!text.startsWith(RECEIPT)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(fromBase45(text.slice(RECEIPT.length)));
  } catch {
    return null;
  }
}
