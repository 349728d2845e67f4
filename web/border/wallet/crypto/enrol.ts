/** What a wallet asks of an issuer: one key, one proof and one secret for each token. As `egide/border/room/issuing.py` reads it. */
import { base64url, fromBase64url, newKey, open, seal, type Own, type PublicKey } from '../../shared/seal';
import { joined, random, utf8, type Bytes } from './bytes';
import { compact, newSigningKey, type SigningKey } from './keys';
import { protect, SECRET_BYTES } from './template';

const PROOF_TYPE = 'openid4vci-proof+jwt';
const PREFIX = 'openid-credential-offer://';
const GRANT = 'urn:ietf:params:oauth:grant-type:pre-authorized_code';

export interface Asking {
  keys: SigningKey[];
  secrets: Bytes[];
  /** The face as this device measured it, turned by each secret: what a token must hold. */
  templates: Int8Array<ArrayBuffer>[];
  /** What only this wallet opens: the tokens come sealed to it. */
  own: Own;
  sealed: string;
}

export interface Made {
  control: string;
  credential: string;
  cwt: string;
}

/** To whom it is asked: the room's key, and what a proof must answer. */
export interface Room {
  key: PublicKey;
  issuer: string;
  nonce: string;
  tokens: number;
}

/** Draws keys and secrets, proves the keys for this issuer and nonce, turns the face by each secret, and seals all to the room. */
export async function ask({ key: room, issuer, nonce, tokens }: Room, embedding: Float32Array, flight: string, now: number): Promise<Asking> {
  const own = await newKey();
  const keys = await Promise.all(Array.from({ length: tokens }, newSigningKey));
  const secrets = keys.map(() => random(SECRET_BYTES));
  const proofs = await Promise.all(
    keys.map((key) => compact({ typ: PROOF_TYPE, jwk: key.publicKey }, { aud: issuer, iat: now, nonce }, key.privateKey)),
  );
  const templates = await Promise.all(secrets.map((secret) => protect(embedding, secret)));
  const told = {
    wallet: own.publicKey,
    proofs,
    secrets: secrets.map(base64url),
    flight,
    templates: templates.map((one) => base64url(new Uint8Array(one.buffer))),
  };
  return { keys, secrets, templates, own, sealed: await seal(utf8(JSON.stringify(told)), room) };
}

export async function opened(sealed: string, own: Own): Promise<Made[]> {
  return JSON.parse(new TextDecoder().decode(await open(sealed, own))) as Made[];
}

/** A frame for the room: when it was taken (ms since the challenge was shown), then the picture. */
export function sealFrame(atMs: number, picture: Bytes, room: PublicKey): Promise<string> {
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, Math.max(0, Math.round(atMs)));
  return seal(joined(head, picture), room);
}

/** The enrolment that an offer stands for: the link in the kiosk's picture, or its code alone; null where it is neither. */
export function enrolmentOf(text: string): string | null {
  const said = text.trim();
  if (/^[A-Za-z0-9_-]{16,128}$/.test(said)) return said;
  if (!said.startsWith(PREFIX)) return null;
  try {
    const offer = JSON.parse(new URLSearchParams(said.slice(said.indexOf('?') + 1)).get('credential_offer') ?? '') as {
      grants?: Record<string, { 'pre-authorized_code'?: string }>;
    };
    return offer.grants?.[GRANT]?.['pre-authorized_code'] ?? null;
  } catch {
    return null;
  }
}

/** Whether the template in each token is the one that this phone computed for it, and none is missing. */
export function holdsOwn(made: Made[], asking: Asking): boolean {
  const own = made.every((token, n) => {
    const template = templateOf(token.credential);
    const mine = asking.templates[n];
    return template === null || (mine !== undefined && template === base64url(new Uint8Array(mine.buffer)));
  });
  return own && made.length === asking.keys.length;
}

/** The template that a token discloses, where it has one. */
function templateOf(credential: string): string | null {
  for (const part of credential.split('~').slice(1).filter(Boolean)) {
    const [, name, value] = JSON.parse(new TextDecoder().decode(fromBase64url(part))) as [string, string, unknown];
    if (name === 'face_t' && typeof value === 'string') return value;
  }
  return null;
}
