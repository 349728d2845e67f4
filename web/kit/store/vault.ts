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
import { Database, unwritten, type StoreName, type Write } from './database';

const NONCE_BYTES = 12;
/** A clock put back by more than this ends the lease: the device must make contact. */
const CLOCK_SLACK_MS = 120_000;

interface Held {
  key: CryptoKey;
  terminal: string;
  /** By this device's clock, milliseconds since 1970. */
  until: number;
}

export interface Sealed {
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

/** A clock that finds no room keeps nobody from what is here. */
function unlessFull(error: unknown): void {
  if (unwritten(error) === null) throw error;
}

async function lent(terminal: string, key: string, seconds: number): Promise<Held> {
  return { key: await importKey(Uint8Array.from(atob(key), (c) => c.charCodeAt(0))), terminal, until: Date.now() + seconds * 1000 };
}

/** An entry of the outbox, at its place. */
interface Entry {
  seq: number;
  id: string;
  value: unknown;
}

/** What is written with a new name: things that are no secret, entries. */
interface Also {
  plain: Record<string, unknown>;
  entries: Entry[];
}

/** Given a store's key before it is forgotten, seals it for who may open an exported queue. */
type Escrow = (key: Uint8Array<ArrayBuffer>) => Promise<unknown>;

interface Box {
  terminal: string;
  outer: Sealed;
  /** The nonce of what is inside; its ciphertext is what `outer` seals. */
  inner: Uint8Array<ArrayBuffer>;
}

/** Which page keeps it: the name of its databases; whether unfinished things outlive a lease, sealed like what waits; files. */
export interface Shelf {
  name: string;
  outlives: boolean;
  files: boolean;
}

export class Vault {
  readonly person: string;
  readonly #shelf: Shelf;
  readonly #db: Database;
  #store: CryptoKey | null = null;
  #until = 0;
  #terminal = '';

  private constructor(shelf: Shelf, person: string, db: Database) {
    this.#shelf = shelf;
    this.person = person;
    this.#db = db;
  }

  /**
   * Who used this shelf last on this device; null where nothing was prepared. The databases say it themselves: what `localStorage`
   * is told reaches the disk seconds later, and after a kill what waits would be nobody's.
   */
  static async whose(shelf: Shelf): Promise<string | null> {
    let last: { person: string; at: number } | null = null;
    for (const { name } of await indexedDB.databases()) {
      if (!name?.startsWith(`${shelf.name}-`)) continue;
      const db = await Database.open(name, shelf.files);
      const prepared = (await db.get<Box>('keys', 'box')) !== undefined;
      const at = (await db.get<number>('keys', 'clock')) ?? 0;
      db.close();
      if (prepared && (last === null || at > last.at)) last = { person: name.slice(shelf.name.length + 1), at };
    }
    return last?.person ?? null;
  }

  static async of(shelf: Shelf, person: string): Promise<Vault> {
    return new Vault(shelf, person, await Database.open(`${shelf.name}-${person}`, shelf.files));
  }

  /** Of which page's things this is, and whose: a name for locks and channels. */
  get name(): string {
    return `${this.#shelf.name}-${this.person}`;
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
  async renew(terminal: string, key: string, seconds: number, escrow?: Escrow): Promise<boolean> {
    const held = await lent(terminal, key, seconds);
    const box = (await this.#db.get<Box>('keys', 'box')) ?? (await this.#make(terminal, held.key, escrow));
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

  /**
   * The same store for a platform that knows this device no more: under a new name and lease, with what else changes then, or
   * nothing does. What lies here stays readable. @throws Error where nothing opens it any more
   */
  async rebind(terminal: string, key: string, seconds: number, also: Also = { plain: {}, entries: [] }, escrow?: Escrow): Promise<void> {
    const [box, now] = [await this.#db.get<Box>('keys', 'box'), await this.#db.get<Held>('keys', 'lease')];
    if (!box || !now || !this.#store) throw new Error('the store is locked');
    const held = await lent(terminal, key, seconds);
    const writes = await this.#boxed(terminal, held.key, await this.#raw(box, now), escrow);
    for (const [name, value] of Object.entries({ ...also.plain, lease: held, clock: Date.now() })) writes.push({ store: 'keys', value, key: name });
    await this.#db.write([...writes, ...(await this.#settled(also.entries))]);
    this.#terminal = terminal;
    this.#until = held.until;
  }

  /** Under which name it lies here by now: another tab may have bound it anew. */
  async look(): Promise<string> {
    const box = await this.#db.get<Box>('keys', 'box');
    if (box) this.#terminal = box.terminal;
    return this.#terminal;
  }

  /** Forget how to open: the lease is over, or the right was taken back. The picture goes, what was not sent stays sealed. */
  async lock(): Promise<void> {
    this.#store = null;
    this.#until = 0;
    await this.#db.delete('keys', 'lease');
    if (!this.#shelf.outlives) await this.#db.clear('records');
  }

  /** Whether the lease is over by now; the caller then locks. */
  async over(): Promise<boolean> {
    return this.#store !== null && (await this.#late(this.#until));
  }

  async wipe(): Promise<void> {
    this.#store = null;
    this.#db.close();
    await Database.wipe(this.name);
  }

  async keep(name: string, value: unknown): Promise<void> {
    if (!this.#store) return;
    await this.#db.put('records', await this.#sealed('records', name, value), name);
  }

  async recall<T>(name: string): Promise<T | null> {
    const sealed = await this.#db.get<Sealed>('records', name);
    return sealed ? this.#opened<T>('records', name, sealed) : null;
  }

  async drop(name: string): Promise<void> {
    await this.#db.delete('records', name);
  }

  /** Something that is no secret and stays with the keys: what signs, where the chain stands. */
  async plain<T>(name: string): Promise<T | undefined> {
    return this.#db.get<T>('keys', name);
  }

  async keepPlain(name: string, value: unknown): Promise<void> {
    await this.#db.put('keys', value, name);
  }

  /** Append to the outbox; the number is its place in the order. `plain`: written with it, or neither is. */
  async append(id: string, value: unknown, plain?: { name: string; value: unknown }): Promise<number> {
    const writes: Write[] = [{ store: 'outbox', value: { ...(await this.#sealed('outbox', id, value)), id } }];
    if (plain) writes.push({ store: 'keys', value: plain.value, key: plain.name });
    return (await this.#db.write(writes)) as number;
  }

  /** What became of entries: same places, same ids; all in one transaction. */
  async settle(...entries: Entry[]): Promise<void> {
    await this.#db.write(await this.#settled(entries));
  }

  async forget(seq: number): Promise<void> {
    await this.#db.delete('outbox', seq);
  }

  /** One piece of a file. */
  async keepPiece(file: string, number: number, plain: BufferSource): Promise<void> {
    if (!this.#store) throw new Error('the store is locked');
    await this.#db.put('files', await seal(this.#store, plain, `files ${file}.${number}`), `${file}.${number}`);
  }

  async piece(file: string, number: number): Promise<ArrayBuffer> {
    const sealed = await this.#db.get<Sealed>('files', `${file}.${number}`);
    if (!this.#store || !sealed) throw new Error('no such piece, or the store is locked');
    return unseal(this.#store, sealed, `files ${file}.${number}`);
  }

  async forgetFile(file: string): Promise<void> {
    await this.#db.deleteUnder('files', `${file}.`);
  }

  /** What lies here, sealed, as it is: for who must bring it to the platform as a file. Works while nothing opens. */
  async lying(store: 'outbox' | 'files'): Promise<[IDBValidKey, Sealed][]> {
    return this.#db.all<Sealed>(store);
  }

  /** Opens what `lying` gave elsewhere, with the store's key. */
  static async opened(key: BufferSource, store: 'outbox' | 'files', name: string, sealed: Sealed): Promise<ArrayBuffer> {
    return unseal(await importKey(key), sealed, `${store} ${name}`);
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
    return this.#db.count('outbox');
  }

  async #make(terminal: string, lease: CryptoKey, escrow?: Escrow): Promise<Box> {
    const writes = await this.#boxed(terminal, lease, crypto.getRandomValues(new Uint8Array(32)), escrow);
    await this.#db.write(writes);
    return writes[0].value as Box;
  }

  /** A store's key in a box for this lease, under a device key of its own; the key as it came is forgotten. */
  async #boxed(terminal: string, lease: CryptoKey, raw: Uint8Array<ArrayBuffer>, escrow?: Escrow): Promise<[Write, ...Write[]]> {
    const device = await crypto.subtle.generateKey(AES, false, ['encrypt', 'decrypt']);
    const inner = await seal(lease, raw, `box ${terminal}`);
    const box: Box = { terminal, inner: inner.iv, outer: await seal(device, inner.data, `device ${terminal}`) };
    const escrowed: Write[] = escrow ? [{ store: 'keys', value: await escrow(raw), key: 'escrow' }] : [];
    raw.fill(0);
    return [{ store: 'keys', value: box, key: 'box' }, { store: 'keys', value: device, key: 'device' }, ...escrowed];
  }

  async #raw(box: Box, held: Held): Promise<Uint8Array<ArrayBuffer>> {
    const device = await this.#db.get<CryptoKey>('keys', 'device');
    if (!device) throw new Error('no device key');
    const data = await unseal(device, box.outer, `device ${box.terminal}`);
    return new Uint8Array(await unseal(held.key, { iv: box.inner, data }, `box ${box.terminal}`));
  }

  async #unbox(box: Box, held: Held): Promise<Opening> {
    this.#store = await importKey(await this.#raw(box, held));
    this.#until = held.until;
    return 'open';
  }

  #settled(entries: Entry[]): Promise<Write[]> {
    return Promise.all(
      entries.map(async ({ seq, id, value }): Promise<Write> => ({ store: 'outbox', value: { ...(await this.#sealed('outbox', id, value)), id }, key: seq })),
    );
  }

  /** Whether a lease is over, or the clock was put back since the device was last used: that lengthens no lease. */
  async #late(until: number): Promise<boolean> {
    const seen = (await this.#db.get<number>('keys', 'clock')) ?? 0;
    const now = Date.now();
    if (now > seen) await this.#db.put('keys', now, 'clock').catch(unlessFull);
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
