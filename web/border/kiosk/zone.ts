/**
 * The machine-readable zone of a passport (ICAO Doc 9303-4): what opens its chip, and whether it was read right: each field has a
 * check digit (9303-3 §4.9).
 */
import type { ZoneKey } from './reader';

const LENGTH = 44;
const WEIGHTS = [7, 3, 1];

function value(letter: string): number {
  if (letter === '<') return 0;
  return letter >= 'A' ? letter.charCodeAt(0) - 55 : Number(letter);
}

export function checkDigit(text: string): string {
  return String([...text].reduce((sum, letter, at) => sum + value(letter) * (WEIGHTS[at % 3] ?? 0), 0) % 10);
}

/** What opens the chip, out of the second line as it is printed or typed; null where a check digit says no. */
export function keyOf(line: string): ZoneKey | null {
  const read = line.toUpperCase().replaceAll(/\s/g, '');
  if (read.length !== LENGTH || !/^[A-Z0-9<]+$/.test(read)) return null;
  const fields = [read.slice(0, 10), read.slice(13, 20), read.slice(21, 28)].map((field) => [field.slice(0, -1), field.slice(-1)]);
  if (!fields.every(([text = '', digit]) => checkDigit(text) === digit)) return null;
  const [number = '', birth = '', expiry = ''] = fields.map(([text]) => text ?? '');
  return { number: number.replaceAll('<', ''), birth, expiry };
}
