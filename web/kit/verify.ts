/**
 * Checks, inside the browser, that an entry is in the ledger and that the ledger's head is signed.
 *
 * What: the inclusion proof of RFC 9162 §2.1.3.2 (SHA-256, leaf prefix 0x00, node prefix 0x01) and the signed note of C2SP
 * (signed-note and tlog-checkpoint), Ed25519, both with WebCrypto only.
 * Why: a proof that only the server checks proves nothing to the reader. What this cannot show is that the key is the right
 * one: its fingerprint is given so that the reader can compare it with the one published elsewhere, and the page remembers
 * the key it saw first.
 */
import type { LedgerHead, LedgerProof, Text } from './types';

export type Verdict = 'good' | 'bad' | 'unknown';

export interface Check {
  verdict: Verdict;
  text: Text;
}

/** One step from the leaf to the root: the neighbour's hash, on which side it stands, and what the two give. */
export interface Step {
  side: 'left' | 'right';
  neighbour: string;
  result: string;
}

export interface Verification {
  /** `good` only when every check that decides is good. */
  verdict: Verdict;
  checks: Check[];
  leafHash: string;
  steps: Step[];
  root: string;
  size: number;
  origin: string;
  /** Eight hexadecimal digits that name the key. */
  keyId: string;
  /** The entry itself, if it is text. */
  leaf: string | null;
}

export interface Checkpoint {
  origin: string;
  size: number;
  root: Uint8Array;
  /** The signed text, with its last newline. */
  text: string;
  signatures: { name: string; keyId: Uint8Array; signature: Uint8Array }[];
}

export interface NoteKey {
  name: string;
  id: Uint8Array;
  publicKey: Uint8Array;
}

const ED25519_ALGORITHM = 0x01;
const KEY_ID_BYTES = 4;
const ED25519_KEY_BYTES = 32;
/** More neighbours than any tree that a number can count. */
const MAX_STEPS = 64;

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

async function sha256(...parts: Uint8Array[]): Promise<Uint8Array<ArrayBuffer>> {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', all));
}

const LEAF = Uint8Array.of(0x00);
const NODE = Uint8Array.of(0x01);

/** The root that a leaf and its neighbours lead to, or null when the path cannot belong to this index and size. */
export async function rootFromPath(
  leafHash: Uint8Array,
  index: number,
  size: number,
  path: Uint8Array[],
): Promise<{ root: Uint8Array; steps: Step[] } | null> {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size)) return null;
  if (index < 0 || index >= size || path.length > MAX_STEPS) return null;
  let fn = index;
  let sn = size - 1;
  let r: Uint8Array = leafHash;
  const steps: Step[] = [];
  for (const p of path) {
    if (sn === 0) return null;
    const left = fn % 2 === 1 || fn === sn;
    r = left ? await sha256(NODE, p, r) : await sha256(NODE, r, p);
    steps.push({ side: left ? 'left' : 'right', neighbour: toHex(p), result: toHex(r) });
    if (left) {
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2);
        sn = Math.floor(sn / 2);
      }
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 ? { root: r, steps } : null;
}

/** Reads a C2SP signed checkpoint; throws a TypeError when it is not one. */
export function parseCheckpoint(note: string): Checkpoint {
  const cut = note.lastIndexOf('\n\n');
  if (cut < 0) throw new TypeError('a signed note has a blank line before its signatures');
  const text = note.slice(0, cut + 1);
  const [origin, size, root] = text.split('\n');
  if (!origin || !size || !root || !/^(0|[1-9]\d*)$/.test(size)) throw new TypeError('not a checkpoint');
  const signatures = note
    .slice(cut + 2)
    .split('\n')
    .filter((line) => line.startsWith('\u2014 '))
    .map((line) => {
      const [, name = '', value = ''] = line.split(' ');
      const bytes = fromBase64(value);
      return { name, keyId: bytes.slice(0, KEY_ID_BYTES), signature: bytes.slice(KEY_ID_BYTES) };
    });
  return { origin, size: Number(size), root: fromBase64(root), text, signatures };
}

/** Reads a C2SP verifier key "name+hex id+base64"; throws a TypeError when it is not a sound Ed25519 one. */
export async function parseKey(vkey: string): Promise<NoteKey> {
  const match = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey);
  const [, name = '', hex = '', value = ''] = match ?? [];
  const bytes = match ? fromBase64(value) : new Uint8Array();
  if (bytes[0] !== ED25519_ALGORITHM || bytes.length !== 1 + ED25519_KEY_BYTES) throw new TypeError('not an Ed25519 key');
  const id = (await sha256(new TextEncoder().encode(`${name}\n`), bytes)).slice(0, KEY_ID_BYTES);
  if (toHex(id) !== hex) throw new TypeError('the name of the key does not match the key');
  return { name, id, publicKey: bytes.slice(1) };
}

/** Whether one of the note's signatures is by this key; `unknown` when the browser cannot check Ed25519. */
export async function checkSignature(checkpoint: Checkpoint, key: NoteKey): Promise<Verdict> {
  const mine = checkpoint.signatures.filter((s) => s.name === key.name && equal(s.keyId, key.id));
  if (mine.length === 0) return 'bad';
  let imported: CryptoKey;
  try {
    imported = await crypto.subtle.importKey('raw', new Uint8Array(key.publicKey), { name: 'Ed25519' }, false, ['verify']);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotSupportedError') return 'unknown';
    return 'bad';
  }
  const text = new TextEncoder().encode(checkpoint.text);
  for (const one of mine) {
    if (await crypto.subtle.verify({ name: 'Ed25519' }, imported, new Uint8Array(one.signature), text)) return 'good';
  }
  return 'bad';
}

/** Whether this device has met this key before: remembers the first one seen for each log. */
function recall(origin: string, vkey: string): 'first' | 'same' | 'changed' {
  const slot = `egide.ledger-key.${origin}`;
  try {
    const seen = localStorage.getItem(slot);
    if (seen === null) {
      localStorage.setItem(slot, vkey);
      return 'first';
    }
    return seen === vkey ? 'same' : 'changed';
  } catch {
    return 'first';
  }
}

function keyCheck(origin: string, vkey: string, id: string): Check {
  const state = recall(origin, vkey);
  if (state === 'changed') {
    return {
      verdict: 'unknown',
      text: {
        fr: `La clé du registre n’est plus celle que cet appareil connaissait. Comparez son empreinte ${id} avec celle que l’autorité publie.`,
        en: `The ledger’s key is not the one this device knew. Compare its fingerprint ${id} with the one the authority publishes.`,
      },
    };
  }
  return {
    verdict: 'good',
    text:
      state === 'same'
        ? {
            fr: `C’est la clé que cet appareil connaît déjà (empreinte ${id}).`,
            en: `It is the key this device already knows (fingerprint ${id}).`,
          }
        : {
            fr: `Première clé vue par cet appareil. Son empreinte est ${id} : comparez-la avec celle que l’autorité publie.`,
            en: `First key seen by this device. Its fingerprint is ${id}: compare it with the one the authority publishes.`,
          },
  };
}

const SIGNATURE: Record<Verdict, Text> = {
  good: { fr: 'La tête du registre est signée par la clé de la plateforme.', en: 'The head of the ledger is signed by the platform’s key.' },
  bad: {
    fr: 'La signature de la tête du registre n’est pas valable.',
    en: 'The signature on the head of the ledger is not valid.',
  },
  unknown: {
    fr: 'Ce navigateur ne sait pas vérifier la signature (Ed25519). Le reste a été vérifié.',
    en: 'This browser cannot check the signature (Ed25519). The rest was checked.',
  },
};

function worst(checks: Check[]): Verdict {
  if (checks.some((c) => c.verdict === 'bad')) return 'bad';
  return checks.some((c) => c.verdict === 'unknown') ? 'unknown' : 'good';
}

function broken(proof: { size: number }, detail: Text): Verification {
  const checks: Check[] = [{ verdict: 'bad', text: detail }];
  return { verdict: 'bad', checks, leafHash: '', steps: [], root: '', size: proof.size, origin: '', keyId: '', leaf: null };
}

const MALFORMED: Text = {
  fr: 'La preuve reçue n’a pas la forme attendue : rien n’est prouvé.',
  en: 'The proof received does not have the expected form: nothing is proved.',
};

/** The text of the entry, when it is text. */
function readable(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Verify that one entry is in the ledger whose signed head comes with it. Never throws. */
export async function verifyProof(proof: LedgerProof): Promise<Verification> {
  try {
    const checkpoint = parseCheckpoint(proof.note);
    const key = await parseKey(proof.vkey);
    const bytes = fromBase64(proof.leaf);
    const leafHash = await sha256(LEAF, bytes);
    const path = await rootFromPath(leafHash, proof.index, checkpoint.size, proof.hashes.map(fromBase64));
    const included = path !== null && proof.size === checkpoint.size && equal(path.root, checkpoint.root);
    const checks: Check[] = [
      {
        verdict: included ? 'good' : 'bad',
        text: included
          ? {
              fr: `L’entrée nº ${proof.index} est bien dans le registre, inchangée : son empreinte et ${path.steps.length} empreintes voisines redonnent exactement la tête signée de ${checkpoint.size} entrées.`,
              en: `Entry no. ${proof.index} is in the ledger, unchanged: its hash and ${path.steps.length} neighbouring hashes give back exactly the signed head of ${checkpoint.size} entries.`,
            }
          : {
              fr: `L’entrée nº ${proof.index} ne mène pas à la tête signée : elle a été changée, ou la preuve n’est pas la sienne.`,
              en: `Entry no. ${proof.index} does not lead to the signed head: it was changed, or this proof is not its own.`,
            },
      },
    ];
    const signature = await checkSignature(checkpoint, key);
    checks.push({ verdict: signature, text: SIGNATURE[signature] }, keyCheck(checkpoint.origin, proof.vkey, toHex(key.id)));
    return {
      verdict: worst(checks),
      checks,
      leafHash: toHex(leafHash),
      steps: path?.steps ?? [],
      root: toHex(checkpoint.root),
      size: checkpoint.size,
      origin: checkpoint.origin,
      keyId: toHex(key.id),
      leaf: readable(bytes),
    };
  } catch (error) {
    console.warn('verify:', error);
    return broken(proof, MALFORMED);
  }
}

/** Verify the signature of the ledger's head alone. Never throws. */
export async function verifyHead(head: LedgerHead): Promise<Verification> {
  try {
    const checkpoint = parseCheckpoint(head.note);
    const key = await parseKey(head.vkey);
    const agrees = checkpoint.size === head.size && equal(checkpoint.root, fromBase64(head.root));
    const signature = await checkSignature(checkpoint, key);
    const checks: Check[] = [{ verdict: signature, text: SIGNATURE[signature] }];
    if (!agrees) checks.push({ verdict: 'bad', text: MALFORMED });
    checks.push(keyCheck(checkpoint.origin, head.vkey, toHex(key.id)));
    return {
      verdict: worst(checks),
      checks,
      leafHash: '',
      steps: [],
      root: toHex(checkpoint.root),
      size: checkpoint.size,
      origin: checkpoint.origin,
      keyId: toHex(key.id),
      leaf: null,
    };
  } catch (error) {
    console.warn('verify:', error);
    return broken(head, MALFORMED);
  }
}

/** What the result means, in one sentence. */
export function verdictText(verdict: Verdict): Text {
  if (verdict === 'good') return { fr: 'Preuve vérifiée dans ce navigateur', en: 'Proof checked in this browser' };
  if (verdict === 'bad') return { fr: 'La preuve ne tient pas', en: 'The proof does not hold' };
  return { fr: 'Preuve vérifiée en partie', en: 'Proof partly checked' };
}
