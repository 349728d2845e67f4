/**
 * The chain of what this device did: each entry names the one before and is signed by a key that cannot leave the browser.
 *
 * What is signed is written in `protocols/outbox_chain.py`; both must say the same. Source: W3C Web Cryptography, ECDSA P-256.
 */
export const START = '0'.repeat(64);

/** Where the chain stands: kept with the keys, for a chain that begins anew would be another device's. */
export interface Head {
  seq: number;
  hash: string;
}

/** An entry as it is sent. */
export interface Link {
  id: string;
  seq: number;
  prev: string;
  body: string;
  sig: string;
}

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const encoder = new TextEncoder();

export function hex(bytes: ArrayBuffer | Uint8Array): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function base64(bytes: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}

async function sha256(text: string): Promise<string> {
  return hex(await crypto.subtle.digest('SHA-256', encoder.encode(text)));
}

/** A key pair whose private half the browser gives to nobody, and its public half (uncompressed point, base64). */
export async function pair(): Promise<{ keys: CryptoKeyPair; point: string }> {
  const keys = await crypto.subtle.generateKey(ECDSA, false, ['sign', 'verify']);
  return { keys, point: base64(await crypto.subtle.exportKey('raw', keys.publicKey)) };
}

/** The next entry after `head`, signed, and where the chain stands then. */
export async function next(device: string, key: CryptoKey, head: Head, id: string, body: string): Promise<{ link: Link; head: Head }> {
  const seq = head.seq + 1;
  const signed = `egide-outbox/1\n${device}\n${id}\n${seq}\n${head.hash}\n${await sha256(body)}`;
  const sig = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, encoder.encode(signed));
  return { link: { id, seq, prev: head.hash, body, sig: base64(sig) }, head: { seq, hash: await sha256(signed) } };
}
