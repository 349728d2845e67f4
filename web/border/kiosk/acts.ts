/** The acts of a kiosk: it holds a consent for the time of one enrolment, and ciphertext. */
import { act } from '../../kit/api';
import type { PublicKey } from '../shared/seal';

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

/** The lines in a photograph that only the room sees; empty where they could not be read. */
export async function readZone(enrolment: string, picture: string): Promise<string[]> {
  return (await act<{ lines: string[] }>('border.document.zone', { enrolment, picture })).result.lines;
}
