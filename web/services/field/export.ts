/**
 * The way out for what cannot be sent from this device any more: its queue as a file, encrypted as it lies here.
 *
 * The store's key was sealed for the platform when the pack was taken (`protocols/escrow.py`): its officer, signed in anywhere, brings
 * the file, is given the key, and the same entries go the same way — under the old device's name and signature, so once.
 */
import { Vault, type Sealed } from '../../kit/store/vault';
import { act } from './asking';
import { base64 } from './chain';
import { goesOn, send, type Kept as File_ } from './files';
import type { Became, Entry } from './outbox';

interface Escrow {
  point: string;
  iv: string;
  data: string;
}
type Lying = { key: string; id: string; iv: string; data: string };
interface Exported {
  egide: 'outbox/1';
  device: string;
  escrow: Escrow;
  entries: Lying[];
  files: Lying[];
}

const ECDH = { name: 'ECDH', namedCurve: 'P-256' } as const;
const encoder = new TextEncoder();
const bytes = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** Seals a store's key for the platform's half of the exchange. */
export async function escrow(device: string, point: string, key: Uint8Array<ArrayBuffer>): Promise<Escrow> {
  const theirs = await crypto.subtle.importKey('raw', bytes(point), ECDH, false, []);
  const mine = await crypto.subtle.generateKey(ECDH, false, ['deriveBits']);
  const shared = await crypto.subtle.importKey('raw', await crypto.subtle.deriveBits({ name: 'ECDH', public: theirs }, mine.privateKey, 256), 'HKDF', false, ['deriveKey']);
  const how = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: encoder.encode('egide-escrow/1') };
  const wrapping = await crypto.subtle.deriveKey(how, shared, { name: 'AES-GCM', length: 256 }, false, ['encrypt']);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const data = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: encoder.encode(device) }, wrapping, key);
  return { point: base64(await crypto.subtle.exportKey('raw', mine.publicKey)), iv: base64(iv.buffer), data: base64(data) };
}

function text(lying: [IDBValidKey, Sealed][]): Lying[] {
  return lying.map(([key, one]) => ({ key: String(key), id: one.id ?? '', iv: base64(one.iv.buffer), data: base64(one.data) }));
}

/** The file: everything that lies here, sealed; null where this device has no such key. */
export async function exported(vault: Vault): Promise<Blob | null> {
  const kept = await vault.plain<Escrow>('escrow');
  if (!kept) return null;
  const file: Exported = {
    egide: 'outbox/1', device: vault.terminal, escrow: kept, entries: text(await vault.lying('outbox')), files: text(await vault.lying('files')),
  };
  return new Blob([JSON.stringify(file)], { type: 'application/json' });
}

/** Sends what a file holds; gives how many entries were recorded, and how many not. @throws Said, Lost, SyntaxError */
export async function brought(content: string): Promise<{ recorded: number; other: number }> {
  const file = JSON.parse(content) as Exported;
  if (file.egide !== 'outbox/1') throw new SyntaxError('not an exported queue');
  const { key } = await act<{ key: string }>('services.device.recover', { device: file.device, ...file.escrow });
  const store = bytes(key);
  const open = async (kind: 'outbox' | 'files', name: string, one: Lying) => Vault.opened(store, kind, name, { iv: bytes(one.iv), data: bytes(one.data).buffer });
  const pieces = new Map(file.files.map((one) => [one.key, one]));
  let [recorded, other] = [0, 0];
  for (const lying of file.entries) {
    const entry = JSON.parse(new TextDecoder().decode(await open('outbox', lying.id, lying))) as Entry;
    const without: string[] = [];
    for (const one of entry.files as File_[]) {
      const piece = async (number: number): Promise<ArrayBuffer> => {
        const found = pieces.get(`${one.id}.${number}`);
        if (!found) throw new SyntaxError('a piece is missing');
        return open('files', `${one.id}.${number}`, found);
      };
      try {
        if (entry.state === 'waiting') await send(`entry:${file.device}.${entry.link.id}`, one, piece);
      } catch (error) {
        if (goesOn(error)) throw error;
        without.push(one.id);
      }
    }
    const told = await act<{ entries: Became[] }>('services.outbox.sync', { device: file.device, entries: [{ ...entry.link, without }] });
    if (told.entries[0]?.state === 'recorded') recorded += 1;
    else other += 1;
  }
  return { recorded, other };
}
