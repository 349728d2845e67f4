/**
 * Everything that moves, as typed arrays by number: filled straight from the records of the wire, read by the map's layer.
 *
 * Why: ten thousand objects made anew at every tick would take the whole frame; writing numbers in place takes one or two
 * milliseconds. Names are asked for only of what is in view.
 */
import { AGE, GONE, POSITION_BYTES, SCALE, WHOLE, type Frame, type View } from '../kit/frames';

const ROOM = 1024;
/** Numbers beyond this are none of ours. */
const MOST = 1 << 20;
/** Floats of one entity in the layer's buffer: x, y (relative to the anchor), heading, when measured, kind. */
export const FLOATS = 5;
/** When a position turns grey, ms. */
export const STALE_MS = 30_000;
export const KINDS = ['officer', 'vehicle', 'aircraft', 'camera'] as const;
const OTHER = KINDS.length;
/** A place no point can have: those that are there are within one of the anchor. */
export const HIDDEN = 9;

function blank(room: number): Float32Array<ArrayBuffer> {
  const made = new Float32Array(room * FLOATS);
  for (let at = 0; at < made.length; at += FLOATS) {
    made[at] = HIDDEN;
    made[at + 4] = OTHER;
  }
  return made;
}

function mercatorY(lat: number): number {
  const bounded = Math.max(-85.0511, Math.min(85.0511, lat)) * (Math.PI / 180);
  return 0.5 - Math.log(Math.tan(Math.PI / 4 + bounded / 2)) / (2 * Math.PI);
}

export class Moving {
  /** One past the highest number heard of. */
  size = 1;
  /** The layer's buffer; the x of an entity that is not there is `HIDDEN`. */
  points = blank(ROOM);
  /** Web Mercator place that the points are relative to: 32-bit floats would be metres off otherwise. */
  anchor: [number, number] = [0.5, 0.5];
  /** Counts changes, so that a layer knows when to send its buffer again. */
  version = 0;
  /** Called after each change. */
  onchange: (() => void) | null = null;
  /** Seconds in the buffer count from here. */
  readonly epoch = Date.now();

  #lat = new Int32Array(ROOM);
  #lon = new Int32Array(ROOM);
  #here = new Uint8Array(ROOM);
  #at = new Float64Array(ROOM);

  /** Take a positions frame. */
  take(frame: Frame): void {
    const { payload } = frame;
    const count = Math.floor(payload.byteLength / POSITION_BYTES);
    if (payload.byteOffset % 4 !== 0) return;
    const words = new Int32Array(payload.buffer, payload.byteOffset, count * 4);
    if ((frame.flags & WHOLE) !== 0) this.#clear();
    const now = Date.now();
    const seconds = (now - this.epoch) / 1000;
    const [x0, y0] = this.anchor;
    for (let n = 0; n < words.length; n += 4) {
      const number = words[n]!;
      if (number <= 0 || number >= MOST) continue;
      if (number >= this.#here.length) this.#grow(number);
      const last = words[n + 3]!;
      const flags = last >>> 16;
      const to = number * FLOATS;
      if ((flags & GONE) !== 0) {
        this.#here[number] = 0;
        this.points[to] = HIDDEN;
        continue;
      }
      if (number >= this.size) this.size = number + 1;
      const lat = words[n + 1]!;
      const lon = words[n + 2]!;
      const age = flags & AGE;
      this.#lat[number] = lat;
      this.#lon[number] = lon;
      this.#here[number] = 1;
      this.#at[number] = now - age * 1000;
      this.points[to] = lon / (360 * SCALE) + 0.5 - x0;
      this.points[to + 1] = mercatorY(lat / SCALE) - y0;
      this.points[to + 2] = (last & 0xffff) / 100;
      this.points[to + 3] = seconds - age;
    }
    this.version++;
    this.onchange?.();
  }

  /** What an entity is, once its name is known. */
  kind(number: number, kind: string): void {
    if (number >= this.#here.length) this.#grow(number);
    const found = KINDS.indexOf(kind as (typeof KINDS)[number]);
    this.points[number * FLOATS + 4] = found < 0 ? OTHER : found;
    this.version++;
  }

  /** Measure from another place: the view has moved far from the old one. */
  anchorAt(x: number, y: number): void {
    this.anchor = [x, y];
    for (let number = 1; number < this.size; number++) {
      if (!this.#here[number]) continue;
      this.points[number * FLOATS] = this.#lon[number]! / (360 * SCALE) + 0.5 - x;
      this.points[number * FLOATS + 1] = mercatorY(this.#lat[number]! / SCALE) - y;
    }
    this.version++;
  }

  /** The numbers in a view, at most `most` of them, and how many there are. */
  within(view: View, most: number): { numbers: number[]; count: number } {
    const [south, west, north, east] = view.map((degrees) => degrees * SCALE) as View;
    const numbers: number[] = [];
    let count = 0;
    for (let number = 1; number < this.size; number++) {
      if (!this.#here[number]) continue;
      const lat = this.#lat[number]!;
      const lon = this.#lon[number]!;
      if (lat < south || lat > north || (west <= east ? lon < west || lon > east : lon < west && lon > east)) continue;
      if (count++ < most) numbers.push(number);
    }
    return { numbers, count };
  }

  /** How many there are in each of `across` × `across` parts of a view, with the middle of each: for more than can be told apart. */
  crowds(view: View, across: number): { lat: number; lon: number; count: number }[] {
    const [south, west, north, east] = view;
    const found = new Map<number, { lat: number; lon: number; count: number }>();
    for (const number of this.within(view, MOST).numbers) {
      const lat = this.#lat[number]! / SCALE;
      const lon = this.#lon[number]! / SCALE;
      const cell = Math.floor(((lat - south) / (north - south)) * across) * across + Math.floor(((lon - west) / (east - west)) * across);
      const one = found.get(cell) ?? { lat: 0, lon: 0, count: 0 };
      one.lat += lat;
      one.lon += lon;
      one.count++;
      found.set(cell, one);
    }
    return [...found.values()].map((one) => ({ lat: one.lat / one.count, lon: one.lon / one.count, count: one.count }));
  }

  /** One entity's place, heading and when it was measured. */
  one(number: number): { lat: number; lon: number; heading: number; at: number } {
    return {
      lat: this.#lat[number]! / SCALE,
      lon: this.#lon[number]! / SCALE,
      heading: this.points[number * FLOATS + 2]!,
      at: this.#at[number]!,
    };
  }

  #clear(): void {
    this.#here.fill(0);
    for (let number = 0; number < this.size; number++) this.points[number * FLOATS] = HIDDEN;
  }

  #grow(number: number): void {
    let room = this.#here.length;
    while (room <= number) room *= 2;
    const larger = <T extends Int32Array | Uint8Array | Float64Array>(made: T, old: T): T => {
      made.set(old);
      return made;
    };
    this.#lat = larger(new Int32Array(room), this.#lat);
    this.#lon = larger(new Int32Array(room), this.#lon);
    this.#here = larger(new Uint8Array(room), this.#here);
    this.#at = larger(new Float64Array(room), this.#at);
    const points = blank(room);
    points.set(this.points);
    this.points = points;
  }
}
