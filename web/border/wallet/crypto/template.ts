/**
 * The face template of a token, turned by the token's secret: number for number what `egide/border/face/template.py` makes, where
 * the profile is written out and the reasons stand. Both are held against the same vectors.
 */
import { derived, utf8, type Bytes } from './bytes';

const SIZE = 128;
const NORMALS = (SIZE * (SIZE + 1)) / 2;
const FULL = 127;
export const SECRET_BYTES = 16;
const TWO_32 = 2 ** 32;

/** The template of an embedding (128 numbers) under a secret (16 bytes). */
export async function protect(embedding: Float32Array, secret: Bytes): Promise<Int8Array<ArrayBuffer>> {
  const turned = await rotate(embedding, secret);
  const largest = turned.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const template = Int8Array.from(turned, (value) => Math.floor(value * (FULL / largest) + 0.5));
  turned.fill(0);
  return template;
}

/** Steps 1 to 5. @throws RangeError for anything but 128 numbers, not all zero, and 16 bytes. */
async function rotate(embedding: Float32Array, secret: Bytes): Promise<Float64Array> {
  if (embedding.length !== SIZE || secret.length !== SECRET_BYTES) throw new RangeError('not an embedding and its secret');
  if (!embedding.every(Number.isFinite) || embedding.every((value) => value === 0)) throw new RangeError('no face was measured');
  const turned = Float64Array.from(embedding);
  const numbers = await normals(secret);
  const signs = new Float64Array(SIZE);
  let at = 0;
  for (let k = 0; k < SIZE - 1; k += 1) {
    const mirror = numbers.subarray(at, at + SIZE - k);
    at += SIZE - k;
    const rest = turned.subarray(k);
    const first = mirror[0] ?? 0;
    const sign = first >= 0 ? 1 : -1;
    mirror[0] = first + sign * Math.sqrt(dot(mirror, mirror));
    const share = (2 * dot(mirror, rest)) / dot(mirror, mirror);
    rest.forEach((value, i) => (rest[i] = value - (mirror[i] ?? 0) * share));
    signs[k] = -sign;
  }
  signs[SIZE - 1] = (numbers[at] ?? 0) >= 0 ? 1 : -1;
  numbers.fill(0);
  return turned.map((value, i) => value * (signs[i] ?? 0));
}

async function normals(secret: Bytes): Promise<Float64Array> {
  const raw = await derived(secret, utf8('EGIDE-BT-1'), utf8('face-rotation'), 32);
  const key = await crypto.subtle.importKey('raw', raw, 'AES-CTR', false, ['encrypt']);
  raw.fill(0);
  const counter = { name: 'AES-CTR', counter: new Uint8Array(16), length: 128 };
  const words = new DataView(await crypto.subtle.encrypt(counter, key, new Uint8Array(4 * NORMALS)));
  const found = new Float64Array(NORMALS);
  for (let i = 0; i < NORMALS; i += 2) {
    const radius = Math.sqrt(-2 * Math.log((words.getUint32(4 * i) + 1) / TWO_32));
    const angle = words.getUint32(4 * i + 4) * ((2 * Math.PI) / TWO_32);
    found[i] = radius * Math.cos(angle);
    found[i + 1] = radius * Math.sin(angle);
  }
  return found;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}
