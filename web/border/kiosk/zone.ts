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

/** What the room saw in a photograph (border/room/reading.py): `why` is empty where the lines are to be believed. */
export interface ZoneSeen {
  lines: string[];
  why: string;
  /** The lines that may be meant instead, the likeliest first. */
  others: string[][];
}

export const NUMBER = 9;

export function settled(seen: ZoneSeen): boolean {
  return seen.lines.length === 2 && seen.why === '';
}

/** The second lines to choose from, the likeliest first; none where there is nothing to choose. */
export function choices(seen: ZoneSeen): string[] {
  if (settled(seen) || seen.others.length === 0) return [];
  return [seen.lines, ...seen.others].flatMap(([, line]) => line ?? []);
}

/** The letters and digits of a document's number; `apart` where the choices differ. */
export function spelt(line: string, among: string[]): { letter: string; apart: boolean }[] {
  return [...line.slice(0, NUMBER)].map((letter, at) => ({ letter, apart: among.some((other) => other[at] !== letter) }));
}

export function isDigit(letter: string): boolean {
  return /^[0-9]$/.test(letter);
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
