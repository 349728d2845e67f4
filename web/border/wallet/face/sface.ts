/**
 * A face brought to the place that SFace was trained on, and its 128 numbers made one long. As `egide/border/face/sface.py`: five
 * points, 112 × 112, by the similarity that fits best (S. Umeyama, 1991), RGB from 0 to 255.
 */
import type { Face } from './yunet';

export const EDGE = 112;
/** Pixels: where eyes, nose and corners of the mouth come to lie. */
const PLACES: [number, number][] = [
  [38.2946, 51.6963],
  [73.5318, 51.5014],
  [56.0252, 71.7366],
  [41.5493, 92.3655],
  [70.7299, 92.2041],
];

interface Similarity {
  /** Turn and scale as one complex number; shift. */
  re: number;
  im: number;
  x: number;
  y: number;
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Least squares with complex numbers: to = a·from + b. @throws RangeError for five points in one place. */
function similarity(points: [number, number][]): Similarity {
  const [fx, fy, tx, ty] = [points, PLACES].flatMap((set) => [mean(set.map(([x]) => x)), mean(set.map(([, y]) => y))]) as [number, number, number, number];
  let [size, re, im] = [0, 0, 0];
  points.forEach(([px, py], i) => {
    const [x, y] = [px - fx, py - fy];
    const [u, v] = [(PLACES[i]?.[0] ?? 0) - tx, (PLACES[i]?.[1] ?? 0) - ty];
    size += x * x + y * y;
    re += x * u + y * v;
    im += x * v - y * u;
  });
  if (!(size >= 1)) throw new RangeError('not a face');
  re /= size;
  im /= size;
  return { re, im, x: tx - (re * fx - im * fy), y: ty - (im * fx + re * fy) };
}

/** The aligned face as SFace's input: RGB planes of 112 × 112, each pixel between its four neighbours. */
export function aligned(pixels: ImageData, face: Face): Float32Array {
  const { re, im, x, y } = similarity(face.points);
  const scale = re * re + im * im;
  const area = EDGE * EDGE;
  const tensor = new Float32Array(3 * area);
  for (let row = 0; row < EDGE; row += 1) {
    for (let column = 0; column < EDGE; column += 1) {
      const [u, v] = [column - x, row - y];
      const from: [number, number] = [(re * u + im * v) / scale, (re * v - im * u) / scale];
      for (let c = 0; c < 3; c += 1) tensor[c * area + row * EDGE + column] = between(pixels, from, c);
    }
  }
  return tensor;
}

/** Bilinear; black outside. */
function between({ data, width, height }: ImageData, [x, y]: [number, number], channel: number): number {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const at = (column: number, row: number): number =>
    column < 0 || row < 0 || column >= width || row >= height ? 0 : (data[4 * (row * width + column) + channel] ?? 0);
  const [right, down] = [x - left, y - top];
  const above = at(left, top) * (1 - right) + at(left + 1, top) * right;
  const below = at(left, top + 1) * (1 - right) + at(left + 1, top + 1) * right;
  return Math.round(above * (1 - down) + below * down);
}

export function ofLengthOne(values: Float32Array): Float32Array {
  const length = Math.hypot(...values);
  return values.map((value) => value / Math.max(length, 1e-9));
}

/** The mean of several embeddings, of length one again: what a template is made of. */
export function averaged(embeddings: Float32Array[]): Float32Array {
  const sum = new Float32Array(embeddings[0]?.length ?? 0);
  for (const one of embeddings) one.forEach((value, i) => (sum[i] = (sum[i] ?? 0) + value));
  return ofLengthOne(sum);
}
