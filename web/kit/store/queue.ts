/**
 * What the person did, kept before it is sent: durable on the device first, then sent in order until it is known what became of it.
 *
 * What a page does with it differs (one act at a time; a signed chain in batches): that is `deliver`. What is the same is here: a
 * lock makes tabs take turns, other tabs are told, a lost network is waited out, and what was refused stays until the person puts
 * it away. Source: W3C Web Locks.
 */
import type { Vault } from './vault';

export interface Kept {
  state: string;
}
export type Listed<E extends Kept> = E & { seq: number; id: string };
/** Why the rest must wait; null: all of it is known. */
export type Halt = 'network' | 'signed-out' | null;

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;

export abstract class Queue<E extends Kept> {
  protected readonly vault: Vault;
  readonly #lock: string;
  readonly #channel: BroadcastChannel;
  #wait = FIRST_WAIT_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(vault: Vault) {
    this.vault = vault;
    this.#lock = `outbox ${vault.name}`;
    this.#channel = new BroadcastChannel(this.#lock);
    this.#channel.onmessage = () => void this.read();
  }

  /** What there is, as the page shows it. */
  abstract entries: Listed<E>[];
  abstract stopped: Halt;

  /** Sends what it can of what waits, the first first, and settles it. */
  protected abstract deliver(waiting: Listed<E>[]): Promise<Halt>;

  /** How many that are done stay in the list. */
  protected abstract readonly shown: number;

  get waiting(): Listed<E>[] {
    return this.entries.filter((one) => one.state === 'waiting');
  }

  async read(): Promise<void> {
    if (!this.vault.readable) {
      this.entries = [];
      return;
    }
    this.entries = (await this.vault.entries<E>()).map(({ seq, id, value }) => ({ ...value, seq, id }));
  }

  /** Send all that waits, in order. One tab at a time. */
  async send(): Promise<void> {
    clearTimeout(this.#timer);
    await navigator.locks.request(this.#lock, { ifAvailable: true }, async (lock) => {
      if (!lock) return;
      await this.read();
      while (!this.#closed && this.vault.readable && this.waiting.length > 0) {
        const before = this.waiting.length;
        this.stopped = await this.deliver(this.waiting);
        this.tell();
        if (this.stopped === 'network' || (this.stopped === null && this.waiting.length === before)) this.#later();
        if (this.stopped !== null || this.waiting.length === before) break;
        this.#wait = FIRST_WAIT_MS;
      }
      await this.#tidy();
    });
  }

  /** While no tab sends. */
  protected async alone(work: () => Promise<void>): Promise<void> {
    await navigator.locks.request(this.#lock, work);
  }

  async putAway(entry: Listed<E>): Promise<void> {
    if (entry.state === 'waiting') return;
    await this.forget(entry);
    await this.read();
    this.tell();
  }

  /** Try again what could not be done: under the same number, so never twice. */
  async again(entry: Listed<E>): Promise<void> {
    await this.settle({ ...entry, state: 'waiting' });
    void this.send();
  }

  /** What is on its way ends by itself and tells nobody: its store may be gone. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#channel.close();
  }

  /** The other tabs look again. */
  protected tell(): void {
    if (!this.#closed) this.#channel.postMessage('changed');
  }

  protected async forget(entry: Listed<E>): Promise<void> {
    await this.vault.forget(entry.seq);
  }

  /** What became of these, durable when it returns. */
  protected async settle(...changed: Listed<E>[]): Promise<void> {
    await this.vault.settle(...changed.map(({ seq, id, ...value }) => ({ seq, id, value })));
    const by = new Map(changed.map((one) => [one.seq, one]));
    this.entries = this.entries.map((one) => by.get(one.seq) ?? one);
  }

  #later(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.send(), this.#wait * (0.75 + Math.random() / 2));
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
  }

  async #tidy(): Promise<void> {
    const done = this.entries.filter((one) => one.state === 'done');
    const old = done.slice(0, Math.max(0, done.length - this.shown));
    if (this.#closed || !this.vault.readable || old.length === 0) return;
    for (const entry of old) await this.forget(entry);
    await this.read();
  }
}
