/**
 * What the phone checks of an erasure, by itself: the issuer's signature on the receipt, the receipt's place in the tree whose root
 * everybody can see, and that every token of the journey is revoked in the list as it is served. As `verify` of
 * `egide/border/erasure.py`. Sources: RFC 9162 §2.1.3; draft-ietf-oauth-status-list.
 */
import { rootFromPath } from '../../../kit/verify';
import { fromBase64url, type PublicKey } from '../../shared/seal';
import type { ErasureProof } from '../acts';
import { fromHex, hex, sha256, utf8 } from './bytes';
import { readCompact } from './keys';

const RECEIPT = 'egide-border-erasure+jwt';
const LIST = 'statuslist+jwt';
/** Bytes of a list unpacked: more than any issuer's. */
const MAX_LIST = 4 * 1024 * 1024;

export type KeyOf = (kid: string) => PublicKey | null;

export interface Erased {
  /** Seconds since 1970. */
  at: number;
  reason: 'departure' | 'withdrawn';
  statuses: number[];
  uri: string;
}

export async function leafOf(receipt: string): Promise<string> {
  return hex(await sha256(Uint8Array.of(0), utf8(receipt)));
}

/** What the receipt says, once everything held. @throws Error where anything does not. */
export async function verifyErasure(receipt: string, proof: ErasureProof, list: string, keyOf: KeyOf): Promise<Erased> {
  const told = (await readCompact<Erased>(receipt, RECEIPT, keyOf)).body;
  const leaf = await sha256(Uint8Array.of(0), utf8(receipt));
  const path = await rootFromPath(leaf, proof.index, proof.size, proof.path.map(fromHex));
  if (path === null || hex(path.root) !== proof.root) throw new Error('the receipt is not in the tree');
  const fields = await listed(list, told.uri, keyOf);
  if (!told.statuses.every((place) => ((fields[place >> 3] ?? 0) >> (place & 7)) & 1)) throw new Error('a token still counts');
  return told;
}

interface StatusToken {
  sub: string;
  exp?: number;
  status_list: { bits: number; lst: string };
}

async function listed(token: string, uri: string, keyOf: KeyOf): Promise<Uint8Array> {
  const { body } = await readCompact<StatusToken>(token, LIST, keyOf);
  if (body.sub !== uri || body.status_list.bits !== 1) throw new Error('another list');
  if (body.exp !== undefined && body.exp * 1000 < Date.now()) throw new Error('a list that has expired');
  return unpacked(fromBase64url(body.status_list.lst));
}

/** zlib (RFC 1950), bounded. */
async function unpacked(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const reader = new Blob([data]).stream().pipeThrough(new DecompressionStream('deflate')).getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    size += next.value.length;
    if (size > MAX_LIST) throw new Error('a list larger than any');
    parts.push(next.value as Uint8Array<ArrayBuffer>);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
