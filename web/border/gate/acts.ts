/** The acts of a gate, and which realm's they are: consent's (facilitation) or the law's (border police). */
import { act, live, type Text } from '../../kit';
import type { Basis } from '../shared/basis';
import { fromBase64url, type PublicKey } from '../shared/seal';

export type Realm = 'facilitation' | 'border-police';
export type Move = 'left' | 'right' | 'up' | 'down' | 'closer';

const ACTS: Record<Realm, string> = { facilitation: 'border', 'border-police': 'border.police' };

export function named(realm: Realm, name: string): string {
  return `${ACTS[realm]}.${name}`;
}

/** Which gate this is. Nothing in it is about a traveller: it stands in the page's address. */
export interface Place {
  realm: Realm;
  point: string;
  /** Of the gate's key. */
  gate: string;
  /** The journeys that pass here leave the Schengen area. */
  external: boolean;
}

export interface Opened {
  control: string;
  /** Signed by the gate: its issuer is who asks (OpenID4VP). */
  request: string;
  picture: string;
  key: PublicKey;
  title: Text;
  purpose: Text;
  claims: string[];
  legal_basis: string;
  /** The same in words; null where no text asks who the traveller is. */
  basis: Basis | null;
  equal: Text;
  face: boolean;
  document: boolean;
  frames: number;
  /** The first movement and when it is asked for, ms since the first frame; empty where none is. The room asks for the other. */
  challenge: [Move, number][];
  life_s: number;
}

export interface Presented {
  result: 'pass' | 'unsure' | 'refused' | 'officer';
  why: string;
  guidance: string[];
  receipt: string;
  tries_left: number;
  /** Of the next attempt, as `Opened` has it: movements are drawn anew each time. */
  challenge: [Move, number][];
}

export interface Given {
  answer: string;
  offline: boolean;
  frames: string[];
  chip: string;
}

/** The movement that is asked for, and from when on, ms since the first frame; `over`: nothing more needs to be seen. */
export interface Asked {
  move: Move;
  at_ms: number;
  over: boolean;
}

export interface TrustedKey {
  kid: string;
  role: 'issuer' | 'verifier';
  since: string;
  until: string | null;
}

/** Over the live link, on which a wallet's answer by network and an officer's decision come back. */
export async function opened(place: Place): Promise<Opened> {
  const { realm, ...asking } = place;
  return (await live.act<Opened>(named(realm, 'control.open'), asking)).result;
}

/** The link by which another wallet with a network answers (OpenID4VP 1.0 §5.10). */
export function invitation(open: Opened): string {
  const [, body = ''] = open.request.split('.');
  const { client_id } = JSON.parse(new TextDecoder().decode(fromBase64url(body))) as { client_id: string };
  const request_uri = `${location.origin}/border/requests/${open.control}`;
  return `openid4vp://?${new URLSearchParams({ client_id, request_uri })}`;
}

export async function presented(realm: Realm, control: string, given: Given): Promise<Presented> {
  return (await act<Presented>(named(realm, 'control.present'), { control, ...given })).result;
}

/** More frames of the movements, as they were taken: the room says what it asks for now. */
export async function watched(realm: Realm, control: string, { answer, offline }: Given, frames: string[]): Promise<Asked> {
  return (await act<Asked>(named(realm, 'control.watch'), { control, answer, offline, frames })).result;
}

/** Why a control ends here: a person is wanted, the camera is gone, the token does not count; or the traveller left. */
export type Leaving = 'asked' | 'camera' | 'refused' | 'left';

/** It is over where the traveller left; else an officer is called, and told why. */
export async function rejected(realm: Realm, control: string, why: Leaving): Promise<void> {
  await act(named(realm, 'control.reject'), { control, officer: why !== 'left', why });
}

/** The gates' keys of a realm that are trusted now. */
export async function gates(realm: Realm): Promise<TrustedKey[]> {
  const { result } = await act<{ keys: TrustedKey[] }>(named(realm, 'trust.list'));
  return result.keys.filter((key) => key.role === 'verifier' && key.until === null);
}
