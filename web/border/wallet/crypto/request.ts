/**
 * What a gate asks over the network (OpenID4VP 1.0), believed only where it asks the same as the picture that was read.
 *
 * Signed by the same gate, of the same control, for the same claims, with the same nonce and the same key for the answer, on the
 * basis that everyone may know for that control; else it counts as if it had not come. As `egide/border/token/online.py` reads it.
 */
import { base64url, type PublicKey } from '../../shared/seal';
import { same } from './bytes';
import { pointOf, readCompact } from './keys';
import { CLAIMS, type Claim, type Question } from './question';

const TYPE = 'oauth-authz-req+jwt';
const VCT = 'urn:egide:border-token:1';
const CONTROL = 'control';
const FORMAT = 'dc+sd-jwt';
/** The audience of wallets that nobody knows beforehand (OpenID4VP 1.0 §5.8). */
const SELF_ISSUED = 'https://self-issued.me/v2';
const ANSWERS = '/border/answers/';
const MAX_REQUEST = 16_384;
const MAX_AGE_S = 300;
const SKEW_S = 60;

/** A request that asks what the picture asks. */
export interface Request {
  client: string;
  nonce: string;
  state: string;
  /** In the order of the request. */
  claims: Claim[];
  query: string;
  /** The path, on the wallet's own origin, to which the answer is posted. */
  answers: string;
  encryption: PublicKey & { kid?: string };
}

/** What everyone may know of a control point. */
export interface Allowed {
  claims: readonly string[];
  legal_basis: string;
}

interface Query {
  credentials: { id: string; format: string; meta: { vct_values: string[] }; claims: { path: string[]; values?: string[] }[] }[];
  credential_sets?: unknown;
}
interface Told {
  client_id: string;
  aud: string;
  exp: number;
  response_type: string;
  response_mode: string;
  response_uri: string;
  nonce: string;
  state: string;
  dcql_query: Query;
  client_metadata: { jwks: { keys: (PublicKey & { kid?: string; alg?: string })[] }; encrypted_response_enc_values_supported: string[] };
  egide_border: { point: string; legal_basis: string; retention_s: number };
}

/** Where and when it is read. */
export interface Here {
  origin: string;
  /** Seconds since 1970. */
  now: number;
}

/** Where the request behind a picture is: its name is the picture's digest. */
export function pathOf(question: Question): string {
  return `/border/requests/${base64url(question.digest)}`;
}

/** Whether a text asks for it who somebody is: then the basis must be named. */
export function identifies(claims: readonly string[]): boolean {
  return claims.includes('face_t') || claims.includes('name');
}

/** @throws Error for a request that is not the picture's own. */
export async function readRequest(
  token: string,
  question: Question,
  allowed: Allowed,
  keyOf: (kid: string) => PublicKey | null,
  { origin, now }: Here,
): Promise<Request> {
  if (token.length > MAX_REQUEST) throw new Error('a request that is too long');
  const { body } = await readCompact<Told>(token, TYPE, (kid) => (kid === question.kid ? keyOf(kid) : null));
  const { credentials, credential_sets } = body.dcql_query;
  const [asked, ...more] = credentials;
  const [key, ...others] = body.client_metadata.jwks.keys;
  if (!asked || more.length > 0 || credential_sets !== undefined || !key || others.length > 0) throw new Error('more than one thing is asked');
  // Which control a token is for stands in the clear: it is asked for by its value, and nothing is disclosed for it.
  const [place, ...places] = asked.claims.filter(({ path }) => String(path) === CONTROL);
  const claims = asked.claims.filter(({ path }) => String(path) !== CONTROL).map(({ path }) => (path.length === 1 ? path[0] : undefined));
  const holds: [string, boolean][] = [
    ['client', body.client_id === question.kid && body.aud === SELF_ISSUED],
    ['time', body.exp + SKEW_S > now && body.exp <= now + MAX_AGE_S + SKEW_S],
    ['answer', body.response_type === 'vp_token' && body.response_mode === 'direct_post.jwt'],
    ['nonce', body.nonce === base64url(question.nonce) && typeof body.state === 'string'],
    ['key', key.kty === 'EC' && key.crv === 'P-256' && same(pointOf(key), question.point)],
    ['cipher', (key.alg ?? 'ECDH-ES') === 'ECDH-ES' && body.client_metadata.encrypted_response_enc_values_supported.includes('A256GCM')],
    ['kind', asked.format === FORMAT && String(asked.meta.vct_values) === VCT],
    ['claims', sorted(claims) === sorted(question.claims) && question.claims.every((claim) => allowed.claims.includes(claim))],
    ['control', (place?.values ?? []).includes(question.control) && places.length === 0],
    ['point', body.egide_border.point === question.control && body.egide_border.retention_s === 0],
    ['basis', body.egide_border.legal_basis === (identifies(question.claims) ? allowed.legal_basis : '')],
  ];
  const wrong = holds.find(([, held]) => !held);
  if (wrong) throw new Error(`not what the picture asks: ${wrong[0]}`);
  const { kty, crv, x, y, kid } = key;
  return {
    client: body.client_id,
    nonce: body.nonce,
    state: body.state,
    claims: claims as Claim[],
    query: asked.id,
    answers: answersOf(body.response_uri, origin),
    encryption: { kty, crv, x, y, ...(kid === undefined ? {} : { kid }) },
  };
}

function sorted(claims: readonly (string | undefined)[]): string {
  return CLAIMS.filter((claim) => claims.includes(claim)).join() + claims.length;
}

/** Only where this page is served from: an answer leaves for nowhere else. @throws Error */
function answersOf(address: string, origin: string): string {
  const { origin: theirs, pathname, search, hash } = new URL(address);
  if (theirs !== origin || !pathname.startsWith(ANSWERS) || search || hash) throw new Error('not what the picture asks: address');
  return pathname;
}
