/** The acts of a kiosk: it holds a consent for the time of one enrolment, and ciphertext. */
import { act } from '../../kit/api';
import { newKey, open as unseal, seal, type PublicKey } from '../shared/seal';
import type { ZoneSeen } from './zone';

export interface Opened {
  enrolment: string;
  /** The wallet's offer, as a link. */
  offer: string;
  key: PublicKey;
  life_s: number;
}

export interface DocumentRead {
  verdict: 'proved' | 'open' | 'refuted' | 'unreadable';
  findings: { question: string; state: 'ok' | 'failed' | 'not-checkable' }[];
}

export async function open(consent: string, secret: string): Promise<Opened> {
  return (await act<Opened>('border.enrol.open', { consent, secret })).result;
}

export async function read(enrolment: string, chip: string): Promise<DocumentRead> {
  return (await act<DocumentRead>('border.document.read', { enrolment, chip })).result;
}

/**
 * What a photograph shows, and the ones before it: the room alone sees them, puts them together and tells this page alone. The lines
 * are empty where they could not be read.
 */
export async function readZone({ enrolment, key }: Opened, photograph: Uint8Array<ArrayBuffer>): Promise<ZoneSeen> {
  const own = await newKey();
  const picture = await seal(photograph, key);
  const { sealed } = (await act<{ sealed: string }>('border.document.zone', { enrolment, picture, reply: own.publicKey })).result;
  return JSON.parse(new TextDecoder().decode(await unseal(sealed, own))) as ZoneSeen;
}
