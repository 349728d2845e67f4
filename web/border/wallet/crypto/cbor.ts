/**
 * CBOR in its one deterministic form (RFC 8949 §4.2.1), of what border tokens are made of: integers, bytes, text, arrays, maps,
 * true, false, null. What is read must be what would be written: anything longer, unordered or open is refused, as in
 * `egide/protocols/cose.py`.
 */
import { joined, same, utf8, type Bytes } from './bytes';

export type Value = number | string | boolean | null | Bytes | Value[] | Map<number | string, Value>;

const MAX_BYTES = 4096;
const MAX_DEPTH = 8;

export class CborError extends Error {}

export function encode(value: Value): Bytes {
  if (typeof value === 'number') return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (typeof value === 'string') return joined(head(3, utf8(value).length), utf8(value));
  if (typeof value === 'boolean') return Uint8Array.of(value ? 0xf5 : 0xf4);
  if (value === null) return Uint8Array.of(0xf6);
  if (value instanceof Uint8Array) return joined(head(2, value.length), value);
  if (Array.isArray(value)) return joined(head(4, value.length), ...value.map(encode));
  const pairs = [...value].map(([key, inner]): [Bytes, Bytes] => [encode(key), encode(inner)]);
  pairs.sort(([a], [b]) => order(a, b));
  return joined(head(5, pairs.length), ...pairs.flat());
}

/** @throws CborError for all but the one encoding of a value. */
export function decode(data: Uint8Array, limit = MAX_BYTES): Value {
  if (data.length > limit) throw new CborError('too large');
  const reader = new Reader(data);
  const value = reader.value(0);
  if (!reader.done || !same(encode(value), data)) throw new CborError('not the one encoding of a value');
  return value;
}

class Reader {
  #at = 0;
  constructor(private data: Uint8Array) {}

  get done(): boolean {
    return this.#at === this.data.length;
  }

  value(depth: number): Value {
    if (depth > MAX_DEPTH) throw new CborError('too deep');
    const first = this.#take(1)[0] ?? 0;
    const major = first >> 5;
    if (major === 7) return this.#constant(first);
    const number = this.#number(first & 31);
    if (major === 0) return number;
    if (major === 1) return -1 - number;
    if (major === 2) return new Uint8Array(this.#take(number));
    if (major === 3) return this.#text(number);
    if (major === 4) return this.#times(number).map(() => this.value(depth + 1));
    if (major === 5) return this.#map(number, depth);
    throw new CborError('a kind that is not used here');
  }

  #map(pairs: number, depth: number): Map<number | string, Value> {
    const found = new Map<number | string, Value>();
    for (const _ of this.#times(pairs)) {
      const key = this.value(depth + 1);
      if (typeof key !== 'number' && typeof key !== 'string') throw new CborError('a key that is neither number nor text');
      found.set(key, this.value(depth + 1));
    }
    if (found.size !== pairs) throw new CborError('a key twice');
    return found;
  }

  #constant(first: number): boolean | null {
    if (first === 0xf4 || first === 0xf5) return first === 0xf5;
    if (first === 0xf6) return null;
    throw new CborError('a kind that is not used here');
  }

  #text(size: number): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.#take(size));
    } catch {
      throw new CborError('not text');
    }
  }

  #number(info: number): number {
    if (info < 24) return info;
    const size = { 24: 1, 25: 2, 26: 4 }[info];
    if (!size) throw new CborError('a length that is open or beyond reason');
    return this.#take(size).reduce((sum, byte) => sum * 256 + byte, 0);
  }

  /** So many places: never more than there are bytes left. */
  #times(count: number): undefined[] {
    if (count > this.data.length - this.#at) throw new CborError('cut off');
    return Array.from({ length: count });
  }

  #take(size: number): Uint8Array {
    if (size > this.data.length - this.#at) throw new CborError('cut off');
    return this.data.subarray(this.#at, (this.#at += size));
  }
}

function head(major: number, number: number): Bytes {
  const first = major << 5;
  if (number < 24) return Uint8Array.of(first | number);
  if (number < 2 ** 8) return Uint8Array.of(first | 24, number);
  const size = number < 2 ** 16 ? 2 : 4;
  if (number >= 2 ** 32) throw new CborError('a number beyond what is used here');
  const bytes = new Uint8Array(1 + size);
  bytes[0] = first | (size === 2 ? 25 : 26);
  const view = new DataView(bytes.buffer);
  if (size === 2) view.setUint16(1, number);
  else view.setUint32(1, number);
  return bytes;
}

function order(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) {
    const less = (a[i] ?? 0) - (b[i] ?? 0);
    if (less !== 0) return less;
  }
  return a.length - b.length;
}
