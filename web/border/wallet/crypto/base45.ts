/** Base45 (RFC 9285): bytes in the alphabet of a QR code's alphanumeric mode. As `egide/border/token/base45.py`. */
import type { Bytes } from './bytes';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:';

export function toBase45(data: Uint8Array): string {
  let text = '';
  for (let at = 0; at < data.length; at += 2) {
    const pair = data.subarray(at, at + 2);
    let number = pair.reduce((sum, byte) => sum * 256 + byte, 0);
    for (let place = 0; place <= pair.length; place += 1) {
      text += ALPHABET[number % 45];
      number = Math.floor(number / 45);
    }
  }
  return text;
}

/** @throws RangeError for text that is not base45. */
export function fromBase45(text: string): Bytes {
  const values = [...text].map((letter) => ALPHABET.indexOf(letter));
  if (values.length % 3 === 1 || values.includes(-1)) throw new RangeError('not base45');
  const bytes: number[] = [];
  for (let at = 0; at < values.length; at += 3) {
    const group = values.slice(at, at + 3);
    const number = group.reduce((sum, value, place) => sum + value * 45 ** place, 0);
    const size = group.length - 1;
    if (number >= 256 ** size) throw new RangeError('not base45');
    if (size === 2) bytes.push(number >> 8);
    bytes.push(number & 255);
  }
  return Uint8Array.from(bytes);
}
