/**
 * What was done on this terminal: each act goes out once, in order, through the act's own door.
 *
 * It bears a `client_id`: the server does it once and answers the same again, so that a lost answer, a killed tab or two tabs do no
 * harm. What the law refuses, and what cannot be done, is kept and shown until the person puts it away. `made_at` is this device's
 * time: shown, never ordered by. Source: `kernel/repeats.py`.
 */
import { act, failure, Problem, Refusal } from '../kit/api';
import { unwritten } from '../kit/store/database';
import { Queue, type Halt, type Listed as In } from '../kit/store/queue';
import type { Vault } from '../kit/store/vault';
import type { ProblemBody, Receipt, RefusalBody, Text } from '../kit/types';

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
export type Listed = In<Entry>;

const DAY_MS = 86_400_000;
/** Past this the server may have forgotten that it did it (it remembers 90 days): the person decides. */
const TOO_OLD_MS = 60 * DAY_MS;
const ANSWER_WITHIN_MS = 20_000;
/** Nothing was done, or nobody knows: asked again later. */
const LATER = new Set(['unreachable', 'unreadable', 'link-lost', 'unavailable', 'uncertain', 'too-many']);

const TOO_OLD: ProblemBody = {
  code: 'too-old',
  title: { fr: 'Trop ancien pour partir seul.', en: 'Too old to be sent by itself.' },
  do: { fr: 'Vérifiez s’il a été fait, puis refaites-le.', en: 'Check whether it was done, then do it again.' },
};

const UNWRITTEN: Record<'full' | 'shut', ProblemBody> = {
  full: {
    code: 'full',
    title: { fr: 'Plus de place sur cet appareil : ceci n’est pas gardé.', en: 'No room left on this device: this is not kept.' },
    do: { fr: 'Sans fermer cette page, envoyez ce qui attend ou libérez de la place, puis recommencez.', en: 'Without closing this page, send what waits or make room, then try again.' },
  },
  shut: {
    code: 'shut',
    title: { fr: 'Le navigateur ne garde plus rien : l’appareil est sans doute plein.', en: 'The browser keeps nothing more: the device is probably full.' },
    do: {
      fr: 'Recopiez ce que vous venez de saisir, faites de la place et relancez le navigateur : ce qui était gardé y est.',
      en: 'Copy what you have just typed, make room and start the browser again: what was kept is there.',
    },
  },
};

function told(error: Refusal | Problem): RefusalBody | ProblemBody {
  return error instanceof Refusal
    ? { code: 'refused', title: error.title, act: error.act, receipt: error.receipt, reasons: error.reasons }
    : { code: error.code, title: error.title, do: error.do };
}

export class Outbox extends Queue<Entry> {
  entries = $state.raw<Listed[]>([]);
  /** Why sending stopped: the network, or that nobody is signed in. */
  stopped = $state<Halt>(null);

  protected readonly shown = 30;
  readonly #onsent: (entry: Listed) => void;

  constructor(vault: Vault, onsent: (entry: Listed) => void) {
    super(vault);
    this.#onsent = onsent;
  }

  /** Kept until the person has seen them. */
  get unsettled(): Listed[] {
    return this.entries.filter((one) => one.state === 'refused' || one.state === 'failed');
  }

  failureOf(entry: Entry): Refusal | Problem | null {
    return entry.why ? failure(entry.why) : null;
  }

  /** Keep an act; it is sent as soon as it can be. Returns when it is durable on the device. @throws Problem where there is no room */
  async add(name: string, input: Record<string, unknown>, what: Text): Promise<void> {
    const entry: Entry = { act: name, input, what, made: new Date().toISOString(), state: 'waiting', receipt: null, why: null };
    await this.vault.append(crypto.randomUUID(), entry).catch((error: unknown) => {
      const why = unwritten(error);
      throw why === null ? error : new Problem(0, UNWRITTEN[why]);
    });
    await this.read();
    this.tell();
    void this.send();
  }

  override async again(entry: Listed): Promise<void> {
    await super.again({ ...entry, why: null });
  }

  /** One by one: what follows may hang on what came before. */
  protected async deliver([entry]: Listed[]): Promise<Halt> {
    if (!entry) return null;
    if (Date.now() - Date.parse(entry.made) > TOO_OLD_MS) {
      await this.settle({ ...entry, state: 'failed', why: TOO_OLD });
      return null;
    }
    try {
      const done = await act(entry.act, { ...entry.input, client_id: entry.id, made_at: entry.made }, AbortSignal.timeout(ANSWER_WITHIN_MS));
      const settled: Listed = { ...entry, state: 'done', receipt: done.receipt };
      await this.settle(settled);
      this.#onsent(settled);
      return null;
    } catch (error) {
      // No answer in time: whether it was done nobody knows, so it is asked again under the same number.
      if (error instanceof DOMException) return 'network';
      if (!(error instanceof Refusal || error instanceof Problem)) throw error;
      if (error.code === 'signed-out') return 'signed-out';
      if (error instanceof Problem && LATER.has(error.code)) return 'network';
      const state = error instanceof Refusal ? 'refused' : 'failed';
      await this.settle({ ...entry, state, receipt: error instanceof Refusal ? error.receipt : null, why: told(error) });
      this.#onsent({ ...entry, state });
      return null;
    }
  }
}
