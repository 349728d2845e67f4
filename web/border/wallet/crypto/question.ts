/** What a gate asks in its picture. As `egide/border/token/question.py`, where the format is written out. */
import { base64url, type PublicKey } from '../../shared/seal';
import { fromBase45 } from './base45';
import { sha256, utf8, type Bytes } from './bytes';
import { decode } from './cbor';
import { holds, readSign1 } from './cose';

const FOR_QUESTION = utf8('EGIDE-BT-1 question');
const PREFIX = 'EGIDE1Q:';
const MAX_QUESTION = 512;
const LIFE_S = 120;
const SKEW_S = 60;
/** In the order of their labels, from 1. */
export const CLAIMS = ['journey_id', 'flight', 'doc_ok', 'nationality', 'name', 'face_t', 'doc_hash'] as const;
export type Claim = (typeof CLAIMS)[number];

/** Why a question is not answered. */
export type Why = 'other' | 'verifier' | 'signature' | 'expired';

export class QuestionError extends Error {
  constructor(readonly why: Why) {
    super(why);
  }
}

export interface Question {
  /** The gate's name on the trust list. */
  kid: string;
  gate: Bytes;
  nonce: Bytes;
  /** The key that the answer is sealed to, an uncompressed point. */
  point: Bytes;
  control: string;
  claims: Claim[];
  /** Seconds since 1970. */
  until: number;
  /** SHA-256 of the question as it was read; every answer is bound to it. */
  digest: Bytes;
}

/** The question in a picture's text, of a gate that is on the trust list. @throws QuestionError */
export async function readQuestion(text: string, keyOf: (kid: string) => PublicKey | null, now: number): Promise<Question> {
  let data: Bytes;
  let message: ReturnType<typeof readSign1>;
  try {
    if (!text.startsWith(PREFIX)) throw new Error('a picture of something else');
    data = fromBase45(text.slice(PREFIX.length));
    message = readSign1(data, MAX_QUESTION);
  } catch {
    throw new QuestionError('other');
  }
  const key = keyOf(base64url(message.kid));
  if (!key) throw new QuestionError('verifier');
  if (!(await holds(message, key, FOR_QUESTION))) throw new QuestionError('signature');
  const found = read(message.payload, message.kid, await sha256(data));
  if (now > found.until + SKEW_S) throw new QuestionError('expired');
  if (found.until > now + LIFE_S + SKEW_S) throw new QuestionError('other');
  return found;
}

function read(payload: Bytes, gate: Bytes, digest: Bytes): Question {
  const body = decode(payload);
  if (!(body instanceof Map) || body.size !== 5) throw new QuestionError('other');
  const [nonce, point, control, labels, until] = [1, 2, 3, 4, 5].map((label) => body.get(label));
  if (!(nonce instanceof Uint8Array && nonce.length === 16 && point instanceof Uint8Array && point.length === 65)) throw new QuestionError('other');
  if (typeof control !== 'string' || typeof until !== 'number' || !Array.isArray(labels)) throw new QuestionError('other');
  const claims = labels.map((label) => CLAIMS[Number(label) - 1]);
  if (!claims.every((claim) => claim !== undefined)) throw new QuestionError('other');
  return { kid: base64url(gate), gate, nonce, point, control, claims: claims as Claim[], until, digest };
}
