/** The one face of several pictures as 128 numbers: each measured as it is and mirrored, as enrolment does on the server. */
import type { Engine } from './engine';
import { averaged } from './sface';
import type { Face } from './yunet';

/** A second face counts from this share of the first one's height (face/quality.py). */
const SECOND = 0.5;

export type Measured = { embedding: Float32Array } | { why: 'no-face' | 'two-faces' };

export async function measured(engine: Engine, pictures: ImageData[]): Promise<Measured> {
  const made: Float32Array[] = [];
  for (const pixels of pictures) {
    const [face, ...others] = await engine.find(pixels);
    if (!face) return { why: 'no-face' };
    if (others.some((other) => other.box[3] >= SECOND * face.box[3])) return { why: 'two-faces' };
    const [pixels2, face2] = mirrored(pixels, face);
    made.push(await engine.embed(pixels, face), await engine.embed(pixels2, face2));
    pixels2.data.fill(0);
  }
  if (made.length === 0) return { why: 'no-face' };
  const embedding = averaged(made);
  for (const one of made) one.fill(0);
  return { embedding };
}

function mirrored(pixels: ImageData, { box, points, score }: Face): [ImageData, Face] {
  const { width, height, data } = pixels;
  const turned = new ImageData(width, height);
  const from = new Uint32Array(data.buffer, data.byteOffset, width * height);
  const to = new Uint32Array(turned.data.buffer);
  for (let y = 0; y < height; y += 1) for (let x = 0; x < width; x += 1) to[y * width + x] = from[y * width + width - 1 - x] ?? 0;
  // Right becomes left: eyes and corners of the mouth change places.
  const flipped = points.map(([x, y]): [number, number] => [width - 1 - x, y]);
  const order = [1, 0, 2, 4, 3].map((at) => flipped[at] ?? [0, 0]) as Face['points'];
  return [turned, { box: [width - 1 - box[0] - box[2], box[1], box[2], box[3]], points: order, score }];
}
