/**
 * The town's map, whole on this device: pieces of the archive, each checked against its SHA-256 as it comes and kept under
 * it, so that a broken transfer goes on where it stopped and a new map brings only what changed. The map reads from the pieces
 * and, for those that are not there yet, from the network.
 * Source: PMTiles specification version 3; RFC 9110 §14.
 */
import type { RangeResponse, Source } from 'pmtiles';
import { act } from '../kit/api';
import type { TownMap } from '../operations/types';

export interface Pieces {
  pmtiles: string | null;
  bytes: number;
  piece: number;
  sha256: string[];
}

const CACHE = 'egide-map-pieces';
const LIST = '/map/pieces';
const TOWN = '/map/town';
/** Pieces kept in memory while the map is moved about. */
const IN_HAND = 4;

function place(digest: string): string {
  return `/map/pieces/${digest}`;
}

function hex(data: ArrayBuffer): string {
  return [...new Uint8Array(data)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function json(value: unknown): Response {
  return new Response(JSON.stringify(value), { headers: { 'content-type': 'application/json' } });
}

/** The list, and where the map opens, as they were kept; null where nothing was. */
export async function kept(): Promise<{ list: Pieces; town: TownMap } | null> {
  if (!('caches' in globalThis)) return null;
  const cache = await caches.open(CACHE);
  const [list, town] = await Promise.all([cache.match(LIST), cache.match(TOWN)]);
  return list && town ? { list: (await list.json()) as Pieces, town: (await town.json()) as TownMap } : null;
}

export async function whole(list: Pieces): Promise<boolean> {
  const cache = await caches.open(CACHE);
  const there = new Set((await cache.keys()).map((request) => new URL(request.url).pathname));
  return list.sha256.every((digest) => there.has(place(digest)));
}

async function fetched(list: Pieces, index: number): Promise<ArrayBuffer> {
  const from = index * list.piece;
  const to = Math.min(list.bytes, from + list.piece) - 1;
  const answer = await fetch(list.pmtiles ?? '', { headers: { range: `bytes=${from}-${to}` }, cache: 'no-store' });
  if (answer.status !== 206) throw new Error(`the map answered ${answer.status}`);
  const data = await answer.arrayBuffer();
  if (hex(await crypto.subtle.digest('SHA-256', data)) !== list.sha256[index]) throw new Error('a piece of the map is not what was announced');
  return data;
}

/**
 * Keep the whole map. `progress` hears bytes done and bytes in all; null when this platform has no map.
 *
 * @throws when the network goes, or a piece is not what was announced: what came stays, another call goes on.
 */
export async function keep(progress: (done: number, all: number) => void): Promise<Pieces | null> {
  const list = (await act<Pieces>('operations.map.pieces')).result;
  if (!list.pmtiles) return null;
  const cache = await caches.open(CACHE);
  const there = new Set((await cache.keys()).map((request) => new URL(request.url).pathname));
  let done = 0;
  for (const [index, digest] of list.sha256.entries()) {
    if (!there.has(place(digest))) await cache.put(place(digest), new Response(await fetched(list, index)));
    done = Math.min(list.bytes, done + list.piece);
    progress(done, list.bytes);
  }
  const named = new Set(list.sha256.map(place));
  for (const old of there) if (!named.has(old)) await cache.delete(old);
  await cache.put(TOWN, json((await act<{ map: TownMap }>('operations.map.show')).result.map));
  await cache.put(LIST, json(list));
  // The map's style in every colour and language: the worker keeps what passes through it.
  const styles = ['day', 'night', 'red-night'].flatMap((theme) => ['fr', 'en'].map((lang) => `/map/style.json?theme=${theme}&lang=${lang}`));
  await Promise.all(styles.map((address) => fetch(address)));
  return list;
}

/** The archive as the map's reader asks for it. */
export class KeptArchive implements Source {
  readonly #list: Pieces;
  readonly #hand = new Map<number, Promise<ArrayBuffer>>();

  constructor(list: Pieces) {
    this.#list = list;
  }

  getKey(): string {
    return location.origin + (this.#list.pmtiles ?? '');
  }

  async getBytes(offset: number, length: number): Promise<RangeResponse> {
    const { piece, bytes } = this.#list;
    const end = Math.min(bytes, offset + length);
    const out = new Uint8Array(Math.max(0, end - offset));
    for (let index = Math.floor(offset / piece); index * piece < end; index += 1) {
      const data = new Uint8Array(await this.#piece(index));
      const from = Math.max(offset, index * piece);
      const to = Math.min(end, index * piece + data.length);
      out.set(data.subarray(from - index * piece, to - index * piece), from - offset);
    }
    return { data: out.buffer };
  }

  #piece(index: number): Promise<ArrayBuffer> {
    const held = this.#hand.get(index);
    if (held) return held;
    const coming = this.#read(index);
    this.#hand.set(index, coming);
    coming.catch(() => this.#hand.delete(index));
    const oldest = this.#hand.keys().next().value;
    if (this.#hand.size > IN_HAND && oldest !== undefined) this.#hand.delete(oldest);
    return coming;
  }

  async #read(index: number): Promise<ArrayBuffer> {
    const found = await (await caches.open(CACHE)).match(place(this.#list.sha256[index] ?? ''));
    return found ? found.arrayBuffer() : fetched(this.#list, index);
  }
}
