/** COSE_Sign1 with ES256 (RFC 9052 §4.2), as `egide/protocols/cose.py` writes and reads it. */
import type { PublicKey } from '../../shared/seal';
import type { Bytes } from './bytes';
import { decode, encode, type Value } from './cbor';
import { sign, verifies } from './keys';

const ALG = 1;
const KID = 4;
const ES256 = -7;

export interface Sign1 {
  protectedHeader: Bytes;
  kid: Bytes;
  payload: Bytes;
  signature: Bytes;
}

function toSign(protectedHeader: Bytes, external: Bytes, payload: Bytes): Bytes {
  return encode(['Signature1', protectedHeader, external, payload]);
}

/** A signature over `payload`, which does not travel with it; `external`: what it is signed for. */
export async function signDetached(payload: Bytes, key: CryptoKey, external: Bytes): Promise<Bytes> {
  const header = encode(new Map<number, Value>([[ALG, ES256]]));
  return encode([header, new Map(), null, await sign(key, toSign(header, external, payload))]);
}

/** Reads a message that names its key; nothing is verified. @throws Error */
export function readSign1(data: Bytes, limit: number): Sign1 {
  const found = decode(data, limit);
  if (!Array.isArray(found) || found.length !== 4) throw new Error('not a signed message');
  const [protectedHeader, open, payload, signature] = found;
  if (!(protectedHeader instanceof Uint8Array) || !(payload instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
    throw new Error('not a signed message');
  }
  const header = decode(protectedHeader);
  const kid = header instanceof Map ? header.get(KID) : null;
  const known = header instanceof Map && header.size === 2 && header.get(ALG) === ES256;
  if (!known || !(kid instanceof Uint8Array) || !(open instanceof Map) || open.size > 0 || signature.length !== 64) {
    throw new Error('signed in a way that is not accepted');
  }
  return { protectedHeader, kid, payload, signature };
}

export function holds(message: Sign1, key: PublicKey, external: Bytes): Promise<boolean> {
  return verifies(key, toSign(message.protectedHeader, external, message.payload), message.signature);
}
