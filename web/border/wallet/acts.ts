/** The acts that a wallet asks for: nobody signs in, a consent and its secret are all that it shows. */
import { act } from '../../kit/api';
import type { Text } from '../../kit/types';
import { learnZone } from '../../kit/zone.svelte';
import type { Basis } from '../shared/basis';
import type { PublicKey } from '../shared/seal';

/** A control point as everyone may know it. */
export interface Point {
  id: string;
  title: Text;
  purpose: Text;
  realm: string;
  claims: string[];
  /** "" where no text asks who the traveller is: then no face is looked at. */
  legal_basis: string;
  /** The same in words; not there in what an older page put on this phone. */
  basis?: Basis | null;
  /** The face is looked at only on journeys that leave the area. */
  external_only: boolean;
  face: boolean;
  equal: Text;
}

export interface Consent {
  id: string;
  secret: string;
  /** ISO 8601. */
  until: string;
}

/** What is asked of the traveller, once, and when: the movement and milliseconds since the challenge was shown. */
export type Prompt = ['left' | 'right' | 'up' | 'down' | 'closer', number];

export interface Enrolment {
  enrolment: string;
  key: PublicKey;
  nonce: string;
  issuer: string;
  challenge: Prompt[];
  tokens: number;
  life_s: number;
}

export interface Issued {
  /** Sealed to this wallet; "" where there are none. */
  sealed: string;
  why: string;
  guidance: string[];
  /** The movements of the next attempt; none where none is left. */
  challenge: Prompt[];
}

export interface TrustedKey {
  kid: string;
  role: 'issuer' | 'verifier';
  x: string;
  y: string;
  since: string;
  until: string | null;
}

export interface ErasureProof {
  leaf: string;
  index: number;
  size: number;
  path: string[];
  root: string;
  at: string;
  anchored: string;
}

/** What the traveller was told before agreeing has this version. */
const NOTICE = 1;

/** Every control; with them comes the airport's time zone: a departure is told and typed in it, as on the boarding pass. */
export async function points(): Promise<Point[]> {
  const answer = await fetch('/pass/points.json');
  if (!answer.ok) throw new Error('the control points did not come');
  learnZone(answer.headers.get('egide-zone') ?? '');
  return (await answer.json()) as Point[];
}

export async function agree(chosen: string[], departure: string, age: 'fifteen' | 'with-parent'): Promise<Consent> {
  return (await act<Consent>('border.consent.give', { points: chosen, notice: NOTICE, agreed: true, age, departure })).result;
}

export async function join(enrolment: string): Promise<Enrolment> {
  return (await act<Enrolment>('border.enrol.join', { enrolment })).result;
}

export async function issue(enrolment: string, sealed: string, frames: string[]): Promise<Issued> {
  return (await act<Issued>('border.enrol.issue', { enrolment, sealed, frames })).result;
}

/** Everything stops: gives the receipt of erasure, which only this wallet has. */
export async function end(how: 'withdraw' | 'depart', consent: string, secret: string): Promise<string> {
  const name = how === 'withdraw' ? 'border.consent.withdraw' : 'border.journey.close';
  return (await act<{ receipt: string }>(name, { consent, secret })).result.receipt;
}

export async function proofOf(leaf: string): Promise<ErasureProof> {
  return (await act<ErasureProof>('border.erasure.prove', { leaf })).result;
}

export async function statusList(): Promise<string> {
  return (await act<{ token: string }>('border.status.list')).result.token;
}

/** The keys of issuers and gates of both realms that ever were. */
export async function trustList(): Promise<TrustedKey[]> {
  const lists = await Promise.all(['border.trust.list', 'border.police.trust.list'].map((name) => act<{ keys: TrustedKey[] }>(name)));
  return lists.flatMap((list) => list.result.keys);
}
