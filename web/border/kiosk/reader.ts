/**
 * The kiosk's document reader, as its browser sees it: which one there is, what lies on it, and the chip's files, sealed to a room
 * before they go anywhere. In a demonstration it is a simulator (`egide/gateways/kiosk_reader.py`).
 */
import { failure } from '../../kit/api';
import { base64url, seal, type PublicKey } from '../shared/seal';

export interface Reader {
  kind: 'simulator' | 'none';
  /** The two printed lines of what lies on it; empty where nothing does. */
  zone: string[];
}

/** What opens the chip: from the zone below the photo; empty where the reader has read it itself. */
export interface ZoneKey {
  number: string;
  birth: string;
  expiry: string;
}

async function asked<T>(path: string, body?: object): Promise<T> {
  const how = body ? { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {};
  const answer = await fetch(path, how);
  const said: unknown = await answer.json();
  if (!answer.ok) throw failure(said, answer.status);
  return said as T;
}

export function reader(): Promise<Reader> {
  return asked<Reader>('/kiosk/reader');
}

/** Lays a document of the demonstration on the reader, with this portrait. Gives its two printed lines. */
export async function laySpecimen(portrait: Uint8Array): Promise<string[]> {
  return (await asked<{ zone: string[] }>('/kiosk/specimen', { portrait: base64url(portrait) })).zone;
}

/** The chip's files, sealed to the room: what the acts `border.document.read` and `border.control.present` take. */
export async function readChip(room: PublicKey, zone: ZoneKey = { number: '', birth: '', expiry: '' }): Promise<string> {
  const { files } = await asked<{ files: Record<string, string> }>('/kiosk/chip', zone);
  return seal(new TextEncoder().encode(JSON.stringify(files)), room);
}
