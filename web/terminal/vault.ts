/**
 * What this device keeps, encrypted, and when it may be opened.
 *
 * One store key (AES-256-GCM) seals every record. It exists in memory only; on the device lies its box, sealed twice: under
 * a key of this device (never extractable) and inside it under the lease key, which the server gives at each contact and keeps
 * on the device no longer than the lease. When the lease is over (by a clock that may not go back) the lease key and the
 * picture are deleted at the next look; the outbox stays, sealed, until the server gives the key again, or for good where the
 * terminal was revoked: then the key is nowhere any more. What that guarantees and what not: docs/decisions/0046.
 * Source: W3C Web Cryptography; NIST SP 800-38D.
 */
import { Database, type StoreName } from './database';

const NONCE_BYTES = 12;
/** A clock put back by more than this ends the lease: the device must make contact. */
const CLOCK_SLACK_MS = 120_000;

interface Held {
  key: CryptoKey;
  terminal: string;
  /** By this device's clock, milliseconds since 1970. */
  until: number;
}

interface Sealed {
  iv: Uint8Array<ArrayBuffer>;
  data: ArrayBuffer;
  /** What the value is bound to beside its place. */
  id?: string;
}

/** `none`: nothing was prepared on this device. `locked`: the lease is over. */
export type Opening = 'open' | 'locked' | 'none';

const AES = { name: 'AES-GCM', length: 256 } as const;

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
}

async function seal(key: CryptoKey, plain: BufferSource, bound: string): Promise<Sealed> {
  const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  return { iv, data: await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: bytes(bound) }, key, plain) };
}

async function unseal(key: CryptoKey, sealed: Sealed, bound: string): Promise<ArrayBuffer> {
  return crypto.subtle.decrypt({ name: 'AES-GCM', iv: sealed.iv, additionalData: bytes(bound) }, key, sealed.data);
}

function importKey(raw: BufferSource): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', raw, AES, false, ['encrypt', 'decrypt']);
}

interface Box {
  terminal: string;
  outer: Sealed;
  /** The nonce of what is inside; its ciphertext is what `outer` seals. */
  inner: Uint8Array<ArrayBuffer>;
}

export class Vault {
  readonly person: string;
  readonly #db: Database;
  #store: CryptoKey | null = null;
  #until = 0;
  #terminal = '';

  private constructor(person: string, db: Database) {
    this.person = person;
    this.#db = db;
  }

  static async of(person: string): Promise<Vault> {
    return new Vault(person, await Database.open(person));
  }

  /** This terminal's number; empty before it was registered. */
  get terminal(): string {
    return this.#terminal;
  }

  get until(): number {
    return this.#until;
  }

  get readable(): boolean {
    return this.#store !== null;
  }

  /** Open with the lease that is on the device; what the lease no longer covers is deleted. */
  async open(): Promise<Opening> {
    const box = await this.#db.get<Box>('keys', 'box');
    if (!box) return 'none';
    this.#terminal = box.terminal;
    const held = await this.#db.get<Held>('keys', 'lease');
    if (!held || (await this.#late(held.until))) {
      await this.lock();
      return 'locked';
    }
    return this.#unbox(box, held);
  }

  /** The lease key came: open, or begin a new store. False where this store belongs to another key: it must be wiped. */
  async renew(terminal: string, key: string, seconds: number): Promise<boolean> {
    const lease = await importKey(Uint8Array.from(atob(key), (c) => c.charCodeAt(0)));
    const held: Held = { key: lease, terminal, until: Date.now() + seconds * 1000 };
    const box = (await this.#db.get<Box>('keys', 'box')) ?? (await this.#make(terminal, lease));
    try {
      if (box.terminal !== terminal) return false;
      await this.#unbox(box, held);
    } catch {
      return false;
    }
    this.#terminal = terminal;
    await this.#db.put('keys', Date.now(), 'clock');
    await this.#db.put('keys', held, 'lease');
    return true;
  }

  /** Forget how to open: the lease is over, or the right was taken back. The picture goes, what was not sent stays sealed. */
  async lock(): Promise<void> {
    this.#store = null;
    this.#until = 0;
    await this.#db.delete('keys', 'lease');
    await this.#db.clear('records');
  }

  /** Whether the lease is over by now; the caller then locks. */
  async over(): Promise<boolean> {
    return this.#store !== null && (await this.#late(this.#until));
  }

  async wipe(): Promise<void> {
    this.#store = null;
    this.#db.close();
    await Database.wipe(this.person);
  }

  async keep(name: string, value: unknown): Promise<void> {
    if (!this.#store) return;
    await this.#db.put('records', await this.#sealed('records', name, value), name);
  }

  async recall<T>(name: string): Promise<T | null> {
    const sealed = await this.#db.get<Sealed>('records', name);
    return sealed ? this.#opened<T>('records', name, sealed) : null;
  }

  /** Append to the outbox; the number is its place in the order. */
  async append(id: string, value: unknown): Promise<number> {
    return (await this.#db.put('outbox', { ...(await this.#sealed('outbox', id, value)), id })) as number;
  }

  /** What became of an entry: same place, same id. */
  async settle(seq: number, id: string, value: unknown): Promise<void> {
    await this.#db.put('outbox', { ...(await this.#sealed('outbox', id, value)), id }, seq);
  }

  async forget(seq: number): Promise<void> {
    await this.#db.delete('outbox', seq);
  }

  async entries<T>(): Promise<{ seq: number; id: string; value: T }[]> {
    const rows = await this.#db.all<Sealed>('outbox');
    return Promise.all(
      rows.map(async ([seq, sealed]) => {
        const id = sealed.id ?? '';
        return { seq: seq as number, id, value: await this.#opened<T>('outbox', id, sealed) };
      }),
    );
  }

  /** How many entries there are: can be told while they cannot be read. */
  async waiting(): Promise<number> {
    return (await this.#db.all('outbox')).length;
  }

  async #make(terminal: string, lease: CryptoKey): Promise<Box> {
    const device = await crypto.subtle.generateKey(AES, false, ['encrypt', 'decrypt']);
    const raw = crypto.getRandomValues(new Uint8Array(32));
    const inner = await seal(lease, raw, `box ${terminal}`);
    const box: Box = { terminal, inner: inner.iv, outer: await seal(device, inner.data, `device ${terminal}`) };
    raw.fill(0);
    await this.#db.put('keys', device, 'device');
    await this.#db.put('keys', box, 'box');
    return box;
  }

  async #unbox(box: Box, held: Held): Promise<Opening> {
    const device = await this.#db.get<CryptoKey>('keys', 'device');
    if (!device) throw new Error('no device key');
    const data = await unseal(device, box.outer, `device ${box.terminal}`);
    this.#store = await importKey(await unseal(held.key, { iv: box.inner, data }, `box ${box.terminal}`));
    this.#until = held.until;
    return 'open';
  }

  /** Whether a lease is over, or the clock was put back since the device was last used: that lengthens no lease. */
  async #late(until: number): Promise<boolean> {
    const seen = (await this.#db.get<number>('keys', 'clock')) ?? 0;
    const now = Date.now();
    if (now > seen) await this.#db.put('keys', now, 'clock');
    return now >= until || now < seen - CLOCK_SLACK_MS;
  }

  async #sealed(store: StoreName, name: string, value: unknown): Promise<Sealed> {
    if (!this.#store) throw new Error('the store is locked');
    return seal(this.#store, bytes(JSON.stringify(value)), `${store} ${name}`);
  }

  async #opened<T>(store: StoreName, name: string, sealed: Sealed): Promise<T> {
    if (!this.#store) throw new Error('the store is locked');
    return JSON.parse(new TextDecoder().decode(await unseal(this.#store, sealed, `${store} ${name}`))) as T;
  }
}
