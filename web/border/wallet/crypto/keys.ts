/**
 * P-256 keys: the wallet's own, which no script can read out (WebCrypto, not extractable), and those of gates and issuers.
 *
 * A key that signs (ECDSA) is used for nothing else. Source: RFC 7518 §3.4, RFC 7638; W3C Web Cryptography API.
 */
import { base64url, fromBase64url, type PublicKey } from '../../shared/seal';
import { joined, utf8, type Bytes } from './bytes';

const SIGNING = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const ES256 = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** A key pair of one token. The private half cannot leave the browser's own store. */
export interface SigningKey {
  privateKey: CryptoKey;
  publicKey: PublicKey;
}

export async function newSigningKey(): Promise<SigningKey> {
  const pair = (await crypto.subtle.generateKey(SIGNING, false, ['sign', 'verify'])) as CryptoKeyPair;
  const { x = '', y = '' } = await crypto.subtle.exportKey('jwk', pair.publicKey);
  return { privateKey: pair.privateKey, publicKey: { kty: 'EC', crv: 'P-256', x, y } };
}

export async function sign(key: CryptoKey, data: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.sign(ES256, key, data));
}

export async function verifies(key: PublicKey, data: Bytes, signature: Bytes): Promise<boolean> {
  const { x, y } = key;
  const imported = await crypto.subtle.importKey('jwk', { kty: 'EC', crv: 'P-256', x, y }, SIGNING, false, ['verify']);
  return crypto.subtle.verify(ES256, imported, signature, data);
}

/** A signed token in its compact form (RFC 7515). */
export async function compact(header: object, body: object, key: CryptoKey): Promise<string> {
  const parts = [{ alg: 'ES256', ...header }, body].map((part) => base64url(utf8(JSON.stringify(part))));
  const signed = parts.join('.');
  return `${signed}.${base64url(await sign(key, utf8(signed)))}`;
}

export interface Read<T> {
  header: { alg?: string; typ?: string; kid?: string; [name: string]: unknown };
  body: T;
}

/** What a compact token says, once `keyOf` gave the key its header names and the signature holds. @throws Error */
export async function readCompact<T>(token: string, type: string, keyOf: (kid: string) => PublicKey | null): Promise<Read<T>> {
  const [head = '', body = '', signature = '', ...more] = token.split('.');
  const header = JSON.parse(new TextDecoder().decode(fromBase64url(head))) as Read<T>['header'];
  const key = keyOf(header.kid ?? '');
  if (more.length > 0 || header.alg !== 'ES256' || header.typ !== type || !key) throw new Error('not signed by anybody who is trusted');
  if (!(await verifies(key, utf8(`${head}.${body}`), fromBase64url(signature)))) throw new Error('the signature does not hold');
  return { header, body: JSON.parse(new TextDecoder().decode(fromBase64url(body))) as T };
}

/** The uncompressed point of a key, 65 bytes. */
export function pointOf({ x, y }: PublicKey): Bytes {
  return joined(Uint8Array.of(4), fromBase64url(x), fromBase64url(y));
}
