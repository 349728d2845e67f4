/**
 * What the person did, kept before it is sent: each act goes out once, in order, through the act's own door.
 *
 * An entry is durable before anything is sent. It bears a `client_id`: the server does it once and answers the same again, so
 * that a lost answer, a killed tab or two tabs do no harm; a lock makes tabs take turns anyway. What the law refuses, and what
 * cannot be done, is kept and shown until the person puts it away. `made_at` is this device's time: shown, never ordered by.
 * Source: W3C Web Locks; `kernel/repeats.py`.
 */
import { act, failure, Problem, Refusal } from '../kit/api';
import type { ProblemBody, Receipt, RefusalBody, Text } from '../kit/types';
import type { Vault } from './vault';

export type EntryState = 'waiting' | 'done' | 'refused' | 'failed';

export interface Entry {
  act: string;
  /** Without client_id and made_at: they are put in when it is sent. */
  input: Record<string, unknown>;
  /** What it is, in words. */
  what: Text;
  made: string;
  state: EntryState;
  receipt: Receipt | null;
  why: RefusalBody | ProblemBody | null;
}

export interface Listed extends Entry {
  seq: number;
  id: string;
}

/** Sent acts that stay in the list, with their receipts. */
const SHOWN_DONE = 30;
const DAY_MS = 86_400_000;
/** Past this the server may have forgotten that it did it (it remembers 90 days): the person decides. */
const TOO_OLD_MS = 60 * DAY_MS;
const ANSWER_WITHIN_MS = 20_000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
/** Nothing was done, or nobody knows: asked again later. */
const LATER = new Set(['unreachable', 'unreadable', 'link-lost', 'unavailable', 'uncertain', 'too-many']);

const TOO_OLD: ProblemBody = {
  code: 'too-old',
  title: { fr: 'Trop ancien pour partir seul.', en: 'Too old to be sent by itself.' },
  do: { fr: 'Vérifiez s’il a été fait, puis refaites-le.', en: 'Check whether it was done, then do it again.' },
};

function told(error: Refusal | Problem): RefusalBody | ProblemBody {
  return error instanceof Refusal
    ? { code: 'refused', title: error.title, act: error.act, receipt: error.receipt, reasons: error.reasons }
    : { code: error.code, title: error.title, do: error.do };
}

export class Outbox {
  entries = $state.raw<Listed[]>([]);
  /** Why sending stopped: the network, or that nobody is signed in. */
  stopped = $state<'network' | 'signed-out' | null>(null);

  readonly #vault: Vault;
  readonly #onsent: (entry: Listed) => void;
  readonly #channel: BroadcastChannel;
  #wait = FIRST_WAIT_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(vault: Vault, onsent: (entry: Listed) => void) {
    this.#vault = vault;
    this.#onsent = onsent;
    this.#channel = new BroadcastChannel(`egide-outbox-${vault.person}`);
    this.#channel.onmessage = () => void this.read();
  }

  get waiting(): Listed[] {
    return this.entries.filter((one) => one.state === 'waiting');
  }

  /** Kept until the person has seen them. */
  get unsettled(): Listed[] {
    return this.entries.filter((one) => one.state === 'refused' || one.state === 'failed');
  }

  failureOf(entry: Entry): Refusal | Problem | null {
    return entry.why ? failure(entry.why) : null;
  }

  async read(): Promise<void> {
    if (!this.#vault.readable) {
      this.entries = [];
      return;
    }
    this.entries = (await this.#vault.entries<Entry>()).map(({ seq, id, value }) => ({ ...value, seq, id }));
  }

  /** Keep an act; it is sent as soon as it can be. Returns when it is durable on the device. */
  async add(name: string, input: Record<string, unknown>, what: Text): Promise<void> {
    const entry: Entry = { act: name, input, what, made: new Date().toISOString(), state: 'waiting', receipt: null, why: null };
    await this.#vault.append(crypto.randomUUID(), entry);
    await this.read();
    this.#channel.postMessage('changed');
    void this.send();
  }

  async putAway(entry: Listed): Promise<void> {
    if (entry.state === 'waiting') return;
    await this.#vault.forget(entry.seq);
    await this.read();
    this.#channel.postMessage('changed');
  }

  /** Try again what could not be done: under the same number, so never twice. */
  async again(entry: Listed): Promise<void> {
    const { seq, id, ...value } = entry;
    await this.#vault.settle(seq, id, { ...value, state: 'waiting', why: null } satisfies Entry);
    await this.read();
    void this.send();
  }

  /** Send all that waits, in order. One tab at a time. */
  async send(): Promise<void> {
    clearTimeout(this.#timer);
    await navigator.locks.request(`egide-outbox-${this.#vault.person}`, { ifAvailable: true }, async (lock) => {
      if (!lock) return;
      await this.read();
      for (let next = this.waiting[0]; next && this.#vault.readable; next = this.waiting[0]) {
        if (!(await this.#one(next))) break;
        await this.read();
        this.#channel.postMessage('changed');
      }
      await this.#tidy();
    });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#channel.close();
  }

  /** False when the rest must wait. */
  async #one(entry: Listed): Promise<boolean> {
    const { seq, id, ...value } = entry;
    if (Date.now() - Date.parse(entry.made) > TOO_OLD_MS) {
      await this.#vault.settle(seq, id, { ...value, state: 'failed', why: TOO_OLD } satisfies Entry);
      return true;
    }
    try {
      const done = await act(entry.act, { ...entry.input, client_id: id, made_at: entry.made }, AbortSignal.timeout(ANSWER_WITHIN_MS));
      await this.#vault.settle(seq, id, { ...value, state: 'done', receipt: done.receipt } satisfies Entry);
      this.stopped = null;
      this.#wait = FIRST_WAIT_MS;
      this.#onsent({ ...entry, state: 'done', receipt: done.receipt });
      return true;
    } catch (error) {
      if (error instanceof DOMException) {
        // No answer in time: whether it was done nobody knows, so it is asked again under the same number.
        this.stopped = 'network';
        this.#later();
        return false;
      }
      if (!(error instanceof Refusal || error instanceof Problem)) throw error;
      if (error.code === 'signed-out') {
        this.stopped = 'signed-out';
        return false;
      }
      if (error instanceof Problem && LATER.has(error.code)) {
        this.stopped = 'network';
        this.#later();
        return false;
      }
      const state = error instanceof Refusal ? 'refused' : 'failed';
      await this.#vault.settle(seq, id, { ...value, state, receipt: error instanceof Refusal ? error.receipt : null, why: told(error) } satisfies Entry);
      this.#onsent({ ...entry, state });
      return true;
    }
  }

  #later(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.send(), this.#wait * (0.75 + Math.random() / 2));
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
  }

  async #tidy(): Promise<void> {
    const done = this.entries.filter((one) => one.state === 'done');
    const old = done.slice(0, Math.max(0, done.length - SHOWN_DONE));
    if (!this.#vault.readable || old.length === 0) return;
    for (const entry of old) await this.#vault.forget(entry.seq);
    await this.read();
  }
}
