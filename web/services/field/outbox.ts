/**
 * What the officer did without network: signed into the device's chain, sealed, sent in batches with its files before it.
 *
 * The platform does each entry once, however often it is asked; what it could not record as it was meant lies on an officer's
 * desk, and is asked after at each contact. Source: docs/decisions/0059.
 */
import { Queue, type Halt, type Listed as In } from '../../kit/store/queue';
import type { Vault } from '../../kit/store/vault';
import type { ProblemBody, Reason, Text } from '../../kit/types';
import { act, later, Lost, Said } from './asking';
import { next, START, type Head, type Link } from './chain';
import { bring, type Kept as File } from './files';

/** What an entry asks for, as `services/outbox_entries.py` reads it. `target`: a file's id, or `entry:<id>` of this device. */
export type Content =
  | { act: 'take'; service: string; version: number; digest: string; form: Record<string, string[]>; who: Record<string, string>; lang: string }
  | { act: 'complement'; target: string; text: string; seen: number }
  | { act: 'attach'; target: string }
  | { act: 'pass'; target: string; text: string; lat?: number; lon?: number; accuracy?: number };

/** Before the id of an entry of this device: what it became. */
export const OF_ENTRY = 'entry:';

export type Why = ProblemBody & { reasons?: Reason[] };

export interface Entry {
  state: 'waiting' | 'done' | 'refused' | 'review';
  what: Text;
  made: string;
  /** The form it was typed into: a service's, or `add`, `pass`. */
  service: string;
  /** What it adds to; empty where it is a file of its own. */
  target: string;
  link: Link;
  files: File[];
  number: string;
  code: string;
  /** Of the file that was there: which of its events this became. */
  event: number;
  why: Why | null;
}
export type Listed = In<Entry>;

export interface Became {
  id: string;
  state: 'recorded' | 'review' | 'refused' | 'waits';
  number?: string;
  code?: string;
  event?: number;
  why?: Why | null;
}

type Placed = { seq: number; id: string; value: Entry };

/** Said of a file that went with its entry and is not here any more. */
const GONE: ProblemBody = {
  code: 'gone',
  title: { fr: 'Parti avec le premier envoi, ce fichier n’est plus sur cet appareil.', en: 'It went with the first sending and is not on this device any more.' },
  do: { fr: 'Joignez-le de nouveau si vous l’avez encore.', en: 'Add it again if you still have it.' },
};

const BATCH = 100;
/** Characters of entries in one batch; the platform takes 8 MiB. */
const BATCH_SIZE = 2_000_000;

/** The lock of who adds to a device's chain. */
const chain = (vault: Vault): string => `chain ${vault.name}`;

/** What the person is given until there is a number. */
export function provisional(id: string): string {
  return `P-${id.slice(0, 4)}-${id.slice(4, 8)}`.toUpperCase();
}

export class Outbox extends Queue<Entry> {
  entries: Listed[] = [];
  stopped: Halt = null;
  protected readonly shown = 30;
  readonly #changed: () => void;

  constructor(vault: Vault, changed: () => void) {
    super(vault);
    this.#changed = changed;
  }

  override async read(): Promise<void> {
    await this.vault.look();
    await super.read();
    this.#changed();
  }

  /** Keeps an act: the next link of the chain, durable with it. Gives its id. */
  async add(content: Content, files: File[], what: Text, service: string, target: string): Promise<string> {
    const id = crypto.randomUUID();
    await navigator.locks.request(chain(this.vault), async () => {
      const [keys, head] = [await this.vault.plain<CryptoKeyPair>('signer'), await this.vault.plain<Head>('chain')];
      if (!keys || !head) throw new Error('no chain on this device');
      const made = new Date().toISOString();
      const named = files.map(({ id: file, sha256 }) => ({ id: file, sha256 }));
      const linked = await next(await this.vault.look(), keys.privateKey, head, id, JSON.stringify({ ...content, files: named, made }));
      const entry: Entry = { state: 'waiting', what, made, service, target, link: linked.link, files, number: '', code: '', event: 0, why: null };
      await this.vault.append(id, entry, { name: 'chain', value: linked.head });
    });
    await this.read();
    this.tell();
    void this.send();
    return id;
  }

  /**
   * All that lies here, signed anew for a platform that came back without this device. What it has after all it knows by the entry's
   * id; what became of an entry before is not asked of who does not know. `bind` keeps it all, or nothing.
   */
  async relink(device: string, keys: CryptoKeyPair, bind: (plain: Record<string, unknown>, entries: Placed[]) => Promise<void>): Promise<void> {
    await this.alone(() => navigator.locks.request(chain(this.vault), async () => {
      await this.read();
      let head: Head = { seq: 0, hash: START };
      const placed: Placed[] = [];
      for (const { seq, id, ...entry } of this.entries) {
        const linked = await next(device, keys.privateKey, head, id, entry.link.body);
        head = linked.head;
        const files = entry.files.map((one) => (entry.state === 'done' && !one.why ? { ...one, why: GONE } : { ...one, sent: false }));
        placed.push({ seq, id, value: { ...entry, state: 'waiting', link: linked.link, files, why: null } });
      }
      await bind({ signer: keys, chain: head }, placed);
    }));
    await this.read();
    this.tell();
  }

  /** What lies on a desk, or has a gap before it: what became of it since. */
  async ask(): Promise<void> {
    const asked = this.entries.filter((one) => one.state === 'review' && one.why?.code !== 'aside');
    if (asked.length > 0) await this.#sync(asked.slice(0, BATCH));
  }

  protected async deliver(waiting: Listed[]): Promise<Halt> {
    const batch: Listed[] = [];
    try {
      let size = 0;
      for (const entry of waiting) {
        size += entry.link.body.length;
        if (batch.length === BATCH || (batch.length > 0 && size > BATCH_SIZE)) break;
        batch.push(await this.#withFiles(entry));
      }
      await this.#sync(batch);
      return null;
    } catch (error) {
      if (error instanceof Said && error.status === 401) return 'signed-out';
      if (error instanceof Lost || later(error) || (error instanceof Said && error.status === 409)) return 'network';
      if (error instanceof Said) {
        // Nothing of it was judged. Without the right to send it waits, and goes when that is given again; the page says why.
        const state = error.status === 403 ? 'waiting' : 'refused';
        await this.settle(...batch.map((entry) => ({ ...entry, state, why: error.body }) as Listed));
        return null;
      }
      throw error;
    }
  }

  protected override async forget(entry: Listed): Promise<void> {
    for (const file of entry.files) await this.vault.forgetFile(file.id);
    await super.forget(entry);
  }

  protected override async settle(...changed: Listed[]): Promise<void> {
    await super.settle(...changed);
    this.#changed();
  }

  /** The draft that an entry was made of is to be filled in again: its files stay. */
  async takeUp(entry: Listed): Promise<void> {
    await super.forget(entry);
    await this.read();
    this.tell();
  }

  async #withFiles(entry: Listed): Promise<Listed> {
    let now = entry;
    for (const file of entry.files) {
      if (file.sent || file.why) continue;
      const brought = await bring(this.vault, `entry:${this.vault.terminal}.${entry.id}`, file);
      now = { ...now, files: now.files.map((one) => (one.id === file.id ? brought : one)) };
      await this.settle(now);
    }
    return now;
  }

  async #sync(batch: Listed[]): Promise<void> {
    const entries = batch.map(({ link, files }) => ({ ...link, without: files.filter((one) => one.why).map((one) => one.id) }));
    const told = await act<{ entries: Became[] }>('services.outbox.sync', { device: this.vault.terminal, entries });
    const by = new Map(told.entries.map((one) => [one.id, one]));
    const settled = batch.flatMap((entry) => {
      const became = by.get(entry.id);
      return became ? [after(entry, became)] : [];
    });
    await this.settle(...settled);
    for (const entry of settled) {
      if (entry.state !== 'done') continue;
      for (const file of entry.files) if (!file.why) await this.vault.forgetFile(file.id);
    }
  }
}

function after(entry: Listed, became: Became): Listed {
  switch (became.state) {
    case 'recorded':
      return { ...entry, state: 'done', number: became.number ?? '', code: became.code ?? entry.code, event: became.event ?? entry.event, why: null };
    case 'waits':
      // Files that the platform no longer has are sent again.
      return { ...entry, state: 'waiting', files: became.why?.code === 'files' ? entry.files.map((one) => ({ ...one, sent: false })) : entry.files, why: null };
    default:
      return { ...entry, state: became.state, why: became.why ?? null };
  }
}
