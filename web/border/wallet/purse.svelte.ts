/**
 * What this device holds: the consent, the tokens, what was asked and when, proofs of erasure. Sealed at rest.
 *
 * Each token's key lives in the browser's own store and cannot be read out, nor can the key that seals everything else: who copies
 * the disk has ciphertext. Nothing of it is in addresses or `localStorage`. When a journey ends, keys and secrets are deleted, and
 * with them whatever was sealed by them. Source: W3C Web Cryptography API, Indexed Database API 3; NIST SP 800-38D.
 */
import { Database } from '../../kit/store/database';
import type { Text } from '../../kit/types';
import { fromBase64url } from '../shared/seal';
import type { Consent, ErasureProof, Point, TrustedKey } from './acts';
import { random, utf8, type Bytes } from './crypto/bytes';
import type { PublicKey } from '../shared/seal';
import type { SigningKey } from './crypto/keys';
import type { Claim } from './crypto/question';

const NAME = 'egide-pass';
const IV_BYTES = 12;

export interface Journey extends Consent {
  points: string[];
  flight: string;
  /** ISO 8601. */
  departure: string;
  given: number;
}

/** One token, in both forms; its key is in the store under `number`. */
export interface Token {
  number: number;
  control: string;
  credential: string;
  /** base64url */
  cwt: string;
  /** base64url: what turns the face template of this token. */
  secret: string;
  /** When it was shown, ms since 1970; null: not yet. */
  shown: number | null;
}

/** That something was asked, by whom, and what was answered. */
export interface Asked {
  at: number;
  point: string;
  title: Text;
  kid: string;
  claims: Claim[];
  answered: boolean;
  /** The gate's own receipt, where it was read, and whether its signature held. */
  receipt: { jwt: string; outcome: string; valid: boolean; at: number } | null;
  nonce: string;
}

/** A journey that ended: its receipt of erasure and, once there is one, the proof. */
export interface Erasure {
  at: number;
  how: 'withdraw' | 'depart';
  receipt: string;
  proof: ErasureProof | null;
  /** What this phone found when it checked. */
  checked: { at: number; holds: boolean; tokens: number; anchored: string } | null;
}

/** Public things kept for a gate without network. */
export interface Known {
  at: number;
  points: Point[];
  keys: TrustedKey[];
}

interface Sealed {
  iv: Bytes;
  data: ArrayBuffer;
}

export class Purse {
  state = $state<'starting' | 'open' | 'unable'>('starting');
  journey = $state.raw<Journey | null>(null);
  tokens = $state.raw<Token[]>([]);
  asked = $state.raw<Asked[]>([]);
  erasures = $state.raw<Erasure[]>([]);
  known = $state.raw<Known | null>(null);

  #db: Database | null = null;
  #key: CryptoKey | null = null;

  /** Opens what is here; never waits for the network. */
  async start(): Promise<void> {
    try {
      this.#db = await Database.open(NAME, false);
      this.#key = (await this.#db.get<CryptoKey>('keys', 'device')) ?? (await this.#newKey(this.#db));
      this.journey = await this.#read<Journey>('journey');
      this.tokens = (await this.#read<Token[]>('tokens')) ?? [];
      this.asked = (await this.#read<Asked[]>('asked')) ?? [];
      this.erasures = (await this.#read<Erasure[]>('erasures')) ?? [];
      this.known = await this.#read<Known>('known');
      this.state = 'open';
    } catch (error) {
      // A browser in a private window may refuse to keep anything.
      console.info('purse:', error);
      this.state = 'unable';
    }
  }

  async agreed(journey: Journey): Promise<void> {
    await navigator.storage?.persist?.();
    this.journey = await this.#write('journey', journey);
  }

  /** Keeps what was issued: the keys first, so that no token is there without its key. */
  async take(tokens: Token[], keys: SigningKey[]): Promise<void> {
    for (const [at, token] of tokens.entries()) await this.#db?.put('keys', keys[at]?.privateKey, `token-${token.number}`);
    this.tokens = await this.#write('tokens', tokens);
  }

  /** The token for a control: its own, else a spare. */
  tokenFor(control: string): Token | null {
    const left = this.tokens.filter((token) => token.shown === null);
    return left.find((token) => token.control === control) ?? left.find((token) => token.control === 'spare') ?? null;
  }

  async keyOf(token: Token): Promise<CryptoKey> {
    const key = await this.#db?.get<CryptoKey>('keys', `token-${token.number}`);
    if (!key) throw new Error('the key of this token is gone');
    return key;
  }

  /** What another window of this wallet did meanwhile: a token that was shown there is shown here too. */
  async refresh(): Promise<void> {
    this.journey = await this.#read<Journey>('journey');
    this.tokens = (await this.#read<Token[]>('tokens')) ?? [];
  }

  /** @throws Error where it was shown before, by whichever window. */
  async spend(token: Token): Promise<void> {
    this.tokens = await this.#change<Token>('tokens', (kept) => {
      if (!kept.some((one) => one.cwt === token.cwt && one.shown === null)) throw new Error('this token was shown');
      return kept.map((one) => (one.cwt === token.cwt ? { ...one, shown: Date.now() } : one));
    });
  }

  async remember(asked: Asked): Promise<void> {
    this.asked = await this.#change<Asked>('asked', (kept) => [asked, ...kept]);
  }

  /** A gate's receipt beside what was asked by that gate. */
  async receive(receipt: NonNullable<Asked['receipt']>, nonce: string): Promise<boolean> {
    const mine = this.asked.find((one) => one.receipt === null && one.answered);
    if (!mine) return false;
    this.asked = await this.#change<Asked>('asked', (kept) => kept.map((one) => (one.at === mine.at ? { ...one, receipt, nonce } : one)));
    return true;
  }

  /** The journey is over: consent, tokens, their keys and secrets are gone from this device; the proof stays. */
  async forget(erasure: Erasure | null): Promise<void> {
    const db = this.#db;
    if (!db) return;
    const prove = async (proof: Erasure): Promise<void> => {
      this.erasures = await this.#change<Erasure>('erasures', (kept) => [proof, ...kept]);
    };
    // A phone that is full: what goes makes room for the proof.
    const full = erasure ? await prove(erasure).then(() => false, () => true) : false;
    await db.deleteUnder('keys', 'token-');
    await db.delete('records', 'tokens');
    await db.delete('records', 'journey');
    this.tokens = [];
    this.journey = null;
    if (erasure && full) await prove(erasure);
  }

  async proved(erasure: Erasure, found: Pick<Erasure, 'proof' | 'checked'>): Promise<void> {
    this.erasures = await this.#change<Erasure>('erasures', (kept) => kept.map((one) => (one.receipt === erasure.receipt ? { ...one, ...found } : one)));
  }

  /** What is public and needed without network. */
  async learn(known: Known): Promise<void> {
    this.known = await this.#write('known', known);
  }

  /** The key of a gate or an issuer that is trusted now; null where there is none. */
  trusted(kid: string, role: TrustedKey['role']): (PublicKey & { since: string }) | null {
    const now = new Date().toISOString();
    const found = this.known?.keys.find((key) => key.kid === kid && key.role === role && key.since <= now && (!key.until || key.until > now));
    return found ? { kty: 'EC', crv: 'P-256', x: found.x, y: found.y, since: found.since } : null;
  }

  point(id: string): Point | null {
    return this.known?.points.find((point) => point.id === id) ?? null;
  }

  /** Everything that this device kept, gone. */
  async wipe(): Promise<void> {
    this.#db?.close();
    await Database.wipe(NAME);
    this.journey = null;
    [this.tokens, this.asked, this.erasures, this.known] = [[], [], [], null];
    await this.start();
  }

  async #newKey(db: Database): Promise<CryptoKey> {
    const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
    await db.put('keys', key, 'device');
    return key;
  }

  async #write<T>(name: string, value: T): Promise<T> {
    if (!this.#db || !this.#key) throw new Error('nothing can be kept here');
    const iv = random(IV_BYTES);
    const data = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: utf8(name) }, this.#key, utf8(JSON.stringify(value)));
    await this.#db.put('records', { iv, data } satisfies Sealed, name);
    return value;
  }

  /** Writes what becomes of a list as it is now: another window may have written it since it was read. */
  #change<T>(name: string, become: (kept: T[]) => T[]): Promise<T[]> {
    return navigator.locks.request(NAME, async () => this.#write(name, become((await this.#read<T[]>(name)) ?? [])));
  }

  async #read<T>(name: string): Promise<T | null> {
    const sealed = await this.#db?.get<Sealed>('records', name);
    if (!sealed || !this.#key) return null;
    const plain = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: sealed.iv, additionalData: utf8(name) }, this.#key, sealed.data);
    return JSON.parse(new TextDecoder().decode(plain)) as T;
  }
}

/** A token's form for pictures. */
export function cwtOf(token: Token): Bytes {
  return fromBase64url(token.cwt);
}
