/** The acts of a kiosk: it holds a consent for the time of one enrolment, and ciphertext. */
import { act } from '../../kit/api';
import { newKey, open as unseal, seal, type PublicKey } from '../shared/seal';

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

/** The lines in a photograph, which the room alone sees and tells this page alone; empty where they could not be read. */
export async function readZone({ enrolment, key }: Opened, photograph: Uint8Array<ArrayBuffer>): Promise<string[]> {
  const own = await newKey();
  const picture = await seal(photograph, key);
  const { sealed } = (await act<{ sealed: string }>('border.document.zone', { enrolment, picture, reply: own.publicKey })).result;
  return (JSON.parse(new TextDecoder().decode(await unseal(sealed, own))) as { lines: string[] }).lines;
}
