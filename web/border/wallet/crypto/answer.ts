/** What the wallet gives back, sealed to the gate's question. As `egide/border/token/answer.py`, where the format is written out. */
import { toBase45 } from './base45';
import { derived, joined, sha256, utf8, type Bytes } from './bytes';
import { encode } from './cbor';
import { signDetached } from './cose';
import type { Question } from './question';

const FOR_PROOF = utf8('EGIDE-BT-1 proof');
const FOR_ANSWER = utf8('EGIDE-BT-1 answer');
const PREFIX = 'EGIDE1A:';
const CURVE = { name: 'ECDH', namedCurve: 'P-256' } as const;

/** The text of the wallet's picture; `secret`: empty where no claim needs it. */
export async function answerText(question: Question, token: Bytes, secret: Bytes, holder: CryptoKey): Promise<string> {
  return PREFIX + toBase45(await sealAnswer(question, token, secret, holder));
}

export async function sealAnswer(question: Question, token: Bytes, secret: Bytes, holder: CryptoKey): Promise<Bytes> {
  const proved = joined(question.nonce, question.gate, await sha256(token));
  const proof = await signDetached(proved, holder, joined(FOR_PROOF, question.digest));
  const own = (await crypto.subtle.generateKey(CURVE, false, ['deriveBits'])) as CryptoKeyPair;
  const point = compressed(new Uint8Array(await crypto.subtle.exportKey('raw', own.publicKey)));
  const gate = await crypto.subtle.importKey('raw', question.point, CURVE, false, []);
  const shared = new Uint8Array(await crypto.subtle.deriveBits({ name: 'ECDH', public: gate }, own.privateKey, 256));
  const bits = await derived(shared, question.nonce, joined(FOR_ANSWER, point, question.point), 28);
  shared.fill(0);
  const key = await crypto.subtle.importKey('raw', bits.slice(0, 16), 'AES-GCM', false, ['encrypt']);
  const how = { name: 'AES-GCM', iv: bits.slice(16), additionalData: question.digest };
  const sealed = await crypto.subtle.encrypt(how, key, encode([token, proof, secret]));
  return joined(Uint8Array.of(1), point, new Uint8Array(sealed));
}

/** SEC 1 §2.3.3: the sign of y, then x. */
function compressed(point: Uint8Array): Bytes {
  return joined(Uint8Array.of(2 + ((point[64] ?? 0) & 1)), point.subarray(1, 33));
}
