/**
 * Sealing to a P-256 key: compact JWE, ECDH-ES and A256GCM, as `egide/border/room/sealed.py` opens and makes it.
 *
 * A gate seals its frames to the room of its control, a tablet opens what a room sealed to it: the platform in between relays
 * ciphertext. Private keys are not extractable and live as long as the page.
 * Source: RFC 7516, RFC 7518 §4.6 (Concat KDF, NIST SP 800-56A).
 */
const CURVE = { name: 'ECDH', namedCurve: 'P-256' } as const;
const CONTENT = 'A256GCM';
const KEY_BITS = 256;
const IV_BYTES = 12;
const TAG_BYTES = 16;

export interface PublicKey {
  kty: string;
  crv: string;
  x: string;
  y: string;
}

interface Header {
  alg: string;
  enc: string;
  epk: PublicKey;
  zip?: string;
  crit?: string[];
}

const text = new TextEncoder();

export function base64url(bytes: Uint8Array): string {
  let binary = '';
  // In pieces: a spread of a whole frame would be more arguments than a call may have.
  for (let at = 0; at < bytes.length; at += 8192) binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** @throws DOMException for text that is not base64url. */
export function fromBase64url(value: string): Uint8Array<ArrayBuffer> {
  const binary = atob(value.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** The content key of one message. One round of the KDF gives 256 bits, which is all of it. */
async function agreed(own: CryptoKey, other: CryptoKey, use: 'encrypt' | 'decrypt'): Promise<CryptoKey> {
  const shared = new Uint8Array(await crypto.subtle.deriveBits({ name: 'ECDH', public: other }, own, KEY_BITS));
  const algorithm = text.encode(CONTENT);
  const about = joined(uint32(algorithm.length), algorithm, uint32(0), uint32(0), uint32(KEY_BITS));
  const key = await crypto.subtle.digest('SHA-256', joined(uint32(1), shared, about));
  return crypto.subtle.importKey('raw', key, 'AES-GCM', false, [use]);
}

function imported({ x, y }: PublicKey): Promise<CryptoKey> {
  return crypto.subtle.importKey('jwk', { kty: 'EC', crv: 'P-256', x, y }, CURVE, true, []);
}

async function shown(key: CryptoKey): Promise<PublicKey> {
  const { x = '', y = '' } = await crypto.subtle.exportKey('jwk', key);
  return { kty: 'EC', crv: 'P-256', x, y };
}

/** `plain` for the holder of `to` alone; `kid`: how that key is called, where its holder must be told (OpenID4VP 1.0 §8.3). */
export async function seal(plain: Uint8Array<ArrayBuffer>, to: PublicKey, kid?: string): Promise<string> {
  const own = (await crypto.subtle.generateKey(CURVE, false, ['deriveBits'])) as CryptoKeyPair;
  const key = await agreed(own.privateKey, await imported(to), 'encrypt');
  const head = base64url(text.encode(JSON.stringify({ alg: 'ECDH-ES', enc: CONTENT, kid, epk: await shown(own.publicKey) })));
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: text.encode(head) }, key, plain));
  const tag = sealed.length - TAG_BYTES;
  return [head, '', base64url(iv), base64url(sealed.subarray(0, tag)), base64url(sealed.subarray(tag))].join('.');
}

/** A key of one's own, to be sealed to. */
export interface Own {
  publicKey: PublicKey;
  privateKey: CryptoKey;
}

export async function newKey(): Promise<Own> {
  const pair = (await crypto.subtle.generateKey(CURVE, false, ['deriveBits'])) as CryptoKeyPair;
  return { publicKey: await shown(pair.publicKey), privateKey: pair.privateKey };
}

/** What was sealed to `own`. @throws Error for anything else. */
export async function open(sealed: string, own: Own): Promise<Uint8Array<ArrayBuffer>> {
  const [head = '', wrapped, iv = '', content = '', tag = '', ...more] = sealed.split('.');
  const header = JSON.parse(new TextDecoder().decode(fromBase64url(head))) as Header;
  if (wrapped !== '' || more.length > 0 || header.alg !== 'ECDH-ES' || header.enc !== CONTENT || header.zip || header.crit) {
    throw new Error('sealed in a way that is not accepted');
  }
  const key = await agreed(own.privateKey, await imported(header.epk), 'decrypt');
  const how = { name: 'AES-GCM', iv: fromBase64url(iv), additionalData: text.encode(head) };
  return new Uint8Array(await crypto.subtle.decrypt(how, key, joined(fromBase64url(content), fromBase64url(tag))));
}
