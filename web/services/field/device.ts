/**
 * This device and what it keeps without network: whose it is, until when it opens, and what it does at each contact.
 *
 * A contact renews the lease, sends what waits and takes a new pack. A device that learns it was revoked destroys what it kept; one whose
 * lease is over keeps it sealed until the next contact; one that the platform does not know (it was restored from a backup) is enrolled
 * anew with all that it keeps. The same store as the terminal's: `kit/store/vault.ts`, docs/decisions/0046.
 */
import { Vault, type Shelf } from '../../kit/store/vault';
import { act, Lost, Said } from './asking';
import { pair, START } from './chain';
import { escrow } from './export';
import { Outbox } from './outbox';
import { refresh } from './pack';
import type { Pack } from './carried';
import { say, WORDS } from './words';

interface Lease {
  device: string;
  state: 'active' | 'revoked';
  key: string;
  seconds: number;
  escrow: string;
}
interface Session {
  person: { id: string } | null;
}

export type State = 'starting' | 'none' | 'open' | 'locked' | 'revoked' | 'unable';

const SHELF: Shelf = { name: 'egide-field', outlives: true, files: true };
const LOOK_EVERY_MS = 15_000;
/** A lease younger than this is not asked for again: it is 72 hours, a renewal an entry of the ledger. */
const FRESH_MS = 10 * 60_000;
const ANSWER_MS = 6000;
/** What the officer took along is asked for again at most this often: it is an entry of the ledger. */
const PACK_MS = 15 * 60_000;
const PACK = 'pack';
const LABEL = 'label';

export class Device {
  state: State = 'starting';
  vault: Vault | null = null;
  outbox: Outbox | null = null;
  /** The files and homes that its officer took along; null while nothing opens. */
  pack: Pack | null = null;
  until = 0;
  sealed = 0;
  online = false;
  /** Who is signed in is not whose device this is; or nobody is. */
  stranger: 'nobody' | 'somebody' | null = null;
  /** Whether the browser promised to keep it. */
  lasting = true;
  renewed = false;
  /** The platform had forgotten this device, and has it again. */
  anew = false;
  failure: Said | null = null;

  readonly #changed: () => void;
  #leasedAt = 0;
  #contacting: Promise<void> | null = null;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Opens what is here; never waits for the network. */
  async start(): Promise<void> {
    if (!globalThis.indexedDB?.databases || !crypto.subtle || !('locks' in navigator)) {
      this.#is('unable');
      return;
    }
    setInterval(() => void this.#look(), LOOK_EVERY_MS);
    addEventListener('online', () => void this.contact());
    addEventListener('offline', () => {
      this.online = false;
      this.#changed();
    });
    const person = await Vault.whose(SHELF).catch(() => undefined);
    if (!person) this.#is(person === null ? 'none' : 'unable'); // storage may be switched off
    else await this.#open(person);
    void this.contact();
  }

  /** Enrols this device and fills it; where another tab did meanwhile, opens what is there. */
  async take(label: string): Promise<void> {
    this.failure = null;
    try {
      await navigator.locks.request(`${SHELF.name} taking`, () => this.#take(label));
    } catch (error) {
      if (error instanceof Said) this.failure = error;
      else if (!(error instanceof Lost)) throw error;
    }
    this.#changed();
  }

  async #take(label: string): Promise<void> {
    const there = await Vault.whose(SHELF);
    if (there !== null) {
      await this.#open(there);
      void this.contact();
      return;
    }
    const { person } = await act<Session>('administration.session.show');
    if (person === null) {
      this.stranger = 'nobody';
      return;
    }
    this.lasting = (await navigator.storage?.persist?.()) ?? false;
    const { keys, point } = await pair();
    const lease = await act<Lease>('services.device.enrol', { label, public: point });
    await this.#forget();
    this.vault = await Vault.of(SHELF, person.id);
    await this.vault.keepPlain('signer', keys);
    await this.vault.keepPlain('chain', { seq: 0, hash: START });
    await refresh();
    await this.#lease(lease);
    await this.vault.keep(LABEL, label);
    this.online = true;
    this.stranger = null;
    await this.#carry();
  }

  /** The platform answers: the lease, what waits, the pack. Several calls at once are one. */
  contact(): Promise<void> {
    this.#contacting ??= this.#contact().finally(() => (this.#contacting = null));
    return this.#contacting;
  }

  async #contact(): Promise<void> {
    if (!(await this.#answers()) || this.state === 'unable' || this.state === 'none' || !this.vault) return;
    try {
      const { person } = await act<Session>('administration.session.show');
      this.stranger = person === null ? 'nobody' : person.id === this.vault.person ? null : 'somebody';
      if (this.stranger !== null) {
        if ((await this.#known()) === 'revoked') await this.#gone();
        return;
      }
      if (this.state !== 'open' || Date.now() - this.#leasedAt > FRESH_MS) {
        await this.#lease(await act<Lease>('services.device.renew', { device: this.vault.terminal }));
        if (this.state !== 'open') return; // it was revoked
        this.renewed = (await refresh()) || this.renewed;
        await this.outbox?.ask();
      }
      const before = this.outbox?.waiting.length ?? 0;
      await this.outbox?.send();
      if (before > 0 || Date.now() - Date.parse(this.pack?.at ?? '1970') > PACK_MS) await this.#carry();
      this.failure = null;
    } catch (error) {
      await this.#failed(error);
    } finally {
      this.#changed();
    }
  }

  /** What an answer means for this device; one that was lost means nothing. */
  async #failed(error: unknown): Promise<void> {
    try {
      if (!(error instanceof Said)) throw error;
      await this.#refused(error);
    } catch (next) {
      if (next instanceof Said) this.failure = next;
      else if (!(next instanceof Lost || next instanceof TypeError)) throw next;
    }
  }

  /** What one takes along is asked for after what waited was sent: it is in it then. */
  async #carry(): Promise<void> {
    if (!this.vault || this.state !== 'open') return;
    const pack = await act<Pack>('services.outbox.pack', { device: this.vault.terminal });
    // By this device's clock: how old it is for whoever looks at it here.
    this.pack = { ...pack, at: new Date().toISOString() };
    await this.vault.keep(PACK, this.pack);
  }

  async #answers(): Promise<boolean> {
    try {
      await fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS) });
      this.online = true;
    } catch {
      this.online = false;
    }
    this.#changed();
    return this.online;
  }

  async #known(): Promise<string> {
    return (await act<{ state: string }>('services.device.state', { device: this.vault?.terminal ?? '' })).state;
  }

  async #refused(error: Said): Promise<void> {
    this.failure = error;
    if (error.status === 401) this.stranger = 'nobody';
    if (error.status !== 403 && error.status !== 404) return;
    const known = await this.#known();
    if (known === 'revoked') await this.#gone();
    else if (known === 'unknown' && this.state === 'open') await navigator.locks.request(`${SHELF.name} taking`, () => this.#anew());
    else if (error.status === 403) await this.#lock(); // the right was taken back: the key is not kept until its end
  }

  /** The platform came back from a backup of before this device: it is enrolled anew, and all that lies here goes again. */
  async #anew(): Promise<void> {
    const { vault, outbox } = this;
    if (!vault || !outbox || vault.terminal !== (await vault.look())) return; // another tab was before: the next contact has its name
    const label = (await vault.recall<string>(LABEL)) ?? say(WORDS.labelled);
    const { keys, point } = await pair();
    const lease = await act<Lease>('services.device.enrol', { label, public: point });
    const sealed = (key: Uint8Array<ArrayBuffer>) => escrow(lease.device, lease.escrow, key);
    await outbox.relink(lease.device, keys, (plain, entries) => vault.rebind(lease.device, lease.key, lease.seconds, { plain, entries }, sealed));
    this.#leasedAt = Date.now();
    this.until = vault.until;
    [this.failure, this.anew] = [null, true];
    await outbox.send();
    await this.#carry();
  }

  async #open(person: string): Promise<void> {
    this.vault = await Vault.of(SHELF, person);
    let opening: 'open' | 'locked' | 'none';
    try {
      opening = await this.vault.open();
    } catch (error) {
      console.warn('field store:', error); // what opens no more stays where it is: the next contact may open it
      opening = 'locked';
    }
    this.until = this.vault.until;
    this.lasting = (await navigator.storage?.persisted?.()) ?? false;
    if (opening === 'open') await this.#ready();
    else if (opening === 'locked') this.sealed = await this.vault.waiting();
    this.#is(opening);
  }

  async #ready(): Promise<void> {
    if (!this.vault) return;
    this.outbox ??= new Outbox(this.vault, this.#changed);
    await this.outbox.read();
    this.pack ??= await this.vault.recall<Pack>(PACK);
    this.sealed = 0;
  }

  async #lease(lease: Lease): Promise<void> {
    if (lease.state === 'revoked') return this.#gone();
    const sealed = (key: Uint8Array<ArrayBuffer>) => escrow(lease.device, lease.escrow, key);
    if (!this.vault || !(await this.vault.renew(lease.device, lease.key, lease.seconds, sealed))) return;
    this.#leasedAt = Date.now();
    this.until = this.vault.until;
    await this.#ready();
    this.#is('open');
  }

  async #lock(): Promise<void> {
    await this.vault?.lock();
    this.outbox?.close();
    this.outbox = null;
    this.pack = null;
    this.sealed = (await this.vault?.waiting()) ?? 0;
    this.#is('locked');
  }

  async #gone(): Promise<void> {
    await this.#forget();
    this.#is('revoked');
  }

  /** Gives up what lies here under a key that nobody has any more. */
  async startOver(): Promise<void> {
    await this.#forget();
    this.failure = null;
    this.#is('none');
  }

  async #forget(): Promise<void> {
    this.outbox?.close();
    this.outbox = null;
    this.pack = null;
    await this.vault?.wipe();
    this.vault = null;
  }

  async #look(): Promise<void> {
    if (this.state === 'open' && (await this.vault?.over())) await this.#lock();
    if (document.visibilityState !== 'visible') return;
    const due = this.state === 'locked' || (this.outbox?.waiting.length ?? 0) > 0 || Date.now() - this.#leasedAt > FRESH_MS;
    await (due || !this.online ? this.contact() : this.#answers());
  }

  #is(state: State): void {
    this.state = state;
    this.#changed();
  }
}
