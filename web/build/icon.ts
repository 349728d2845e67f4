/**
 * The terminal's icons as PNG, drawn at build time from our own mark (`public/favicon.svg`): phones take no SVG for a home
 * screen, and a picture in the repository could not be read in review.
 *
 * Source: PNG (ISO/IEC 15948), RGBA of 8 bits, one zlib stream.
 */
import { crc32, deflateSync } from 'node:zlib';

type Point = [number, number];
type Colour = [number, number, number];

const GROUND: Colour = [11, 79, 88];
const MARK: Colour = [255, 255, 255];
/** Samples a pixel, in each direction. */
const FINE = 4;
const STROKE = 2.5;
/** Of the mark's 32 units: what a launcher may cut away stays free (a circle of 80 % is always shown). */
const SAFE = 0.8;

function curve(from: Point, a: Point, b: Point, to: Point, steps = 24): Point[] {
  return Array.from({ length: steps }, (_, i) => {
    const t = (i + 1) / steps;
    const s = 1 - t;
    const at = (k: 0 | 1) => s ** 3 * from[k] + 3 * s * s * t * a[k] + 3 * s * t * t * b[k] + t ** 3 * to[k];
    return [at(0), at(1)];
  });
}

/** The shield: `M16 2 4 6v9c0 7.3 5 12.6 12 15 7-2.4 12-7.7 12-15V6z`. */
const SHIELD: Point[] = [
  [16, 2],
  [4, 6],
  [4, 15],
  ...curve([4, 15], [4, 22.3], [9, 27.6], [16, 30]),
  ...curve([16, 30], [23, 27.6], [28, 22.3], [28, 15]),
  [28, 6],
];
/** The letter: `M21 11h-9v10h9M12 16h7`. */
const LETTER: [Point, Point][] = [
  [[21, 11], [12, 11]],
  [[12, 11], [12, 21]],
  [[12, 21], [21, 21]],
  [[12, 16], [19, 16]],
];

function inside([x, y]: Point): boolean {
  let odd = false;
  SHIELD.forEach(([x1, y1], i) => {
    const [x2, y2] = SHIELD[(i + 1) % SHIELD.length] ?? [x1, y1];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) odd = !odd;
  });
  return odd;
}

function onLetter([x, y]: Point): boolean {
  return LETTER.some(([[x1, y1], [x2, y2]]) => {
    const along = Math.min(1, Math.max(0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2)));
    return Math.hypot(x - x1 - along * (x2 - x1), y - y1 - along * (y2 - y1)) <= STROKE / 2;
  });
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'ascii'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

/** A square icon; `whole`: the ground fills it, for launchers that cut their own shape. */
export function icon(size: number, whole: boolean): Buffer {
  const scale = whole ? 32 / SAFE : 32;
  const rows = Buffer.alloc(size * (size * 4 + 1));
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) {
      let ground = 0;
      let mark = 0;
      for (let i = 0; i < FINE * FINE; i += 1) {
        const at = (n: number, fine: number) => ((n + (fine + 0.5) / FINE) / size - 0.5) * scale + 16;
        const point: Point = [at(column, i % FINE), at(row, Math.floor(i / FINE))];
        if (!whole && !inside(point)) continue;
        ground += 1;
        if (onLetter(point)) mark += 1;
      }
      const place = row * (size * 4 + 1) + 1 + column * 4;
      const share = ground === 0 ? 0 : mark / ground;
      for (const k of [0, 1, 2] as const) rows[place + k] = Math.round(GROUND[k] * (1 - share) + MARK[k] * share);
      rows[place + 3] = Math.round((ground / (FINE * FINE)) * 255);
    }
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(size, 0);
  head.writeUInt32BE(size, 4);
  head.set([8, 6, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))]);
}
