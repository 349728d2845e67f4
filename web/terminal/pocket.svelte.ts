/**
 * The terminal's own state: whose it is, what it keeps, until when it may be opened, and what it does at each contact.
 *
 * A contact renews the lease, sends the outbox and takes what is new. A terminal that learns it was revoked wipes what it
 * kept; one whose lease is over deletes the picture and keeps the outbox sealed until the next contact; one that the platform
 * does not know (it was restored from a backup) is registered anew with all that it keeps.
 */
import { act, asFailure, Problem, Refusal } from '../kit/api';
import { live } from '../kit/live.svelte';
import { session } from '../kit/session.svelte';
import { Vault, type Shelf } from '../kit/store/vault';
import { now } from '../kit/time.svelte';
import type { Text } from '../kit/types';
import { learnZone, stationZone } from '../kit/zone.svelte';
import type { Room } from '../operations/room.svelte';
import type { Entity, Picture, TownMap } from '../operations/types';
import { Outbox } from './outbox.svelte';
import { keep, kept, whole, type Pieces } from './pieces';

export interface Procedure {
  id: string;
  title: Text;
  revised: string;
  source: Text;
  steps: Text[];
}

interface Lease {
  terminal: string;
  state: 'active' | 'revoked';
  key: string;
  seconds: number;
}

/** What stays readable without network. */
interface Snapshot {
  at: number;
  picture: Picture;
  entities: Entity[];
  /** The station's time zone: not there in what an older page kept. */
  zone?: string;
}

/**
 * `starting`; `none`: nothing prepared here; `open`; `locked`: the lease is over or was refused; `revoked`: wiped just now;
 * `unable`: this browser cannot keep anything.
 */
export type PocketState = 'starting' | 'none' | 'open' | 'locked' | 'revoked' | 'unable';

const LABEL = 'label';
const SHELF: Shelf = { name: 'egide-terminal', outlives: false, files: false };
/** A continuous contact renews the lease this often; a lease is a day, a renewal an entry of the ledger. */
const RENEW_EVERY_MS = 2 * 3600_000;
/** At a new start or a new contact, a lease younger than this is not asked for again. */
const FRESH_MS = 10 * 60_000;
const LOOK_EVERY_MS = 15_000;
/** An answer that takes longer comes from a network one cannot count on. */
const ANSWER_MS = 6000;

export class Pocket {
  state = $state<PocketState>('starting');
  /** When the lease ends, by this device's clock. */
  until = $state(0);
  outbox = $state.raw<Outbox | null>(null);
  /** Entries that cannot be read now: how many wait behind the lock. */
  sealedCount = $state(0);
  procedures = $state.raw<Procedure[]>([]);
  /** The map on this device: bytes there and in all; null before anything is known. */
  map = $state.raw<{ done: number; all: number; whole: boolean } | null>(null);
  list = $state.raw<Pieces | null>(null);
  town = $state.raw<TownMap | null>(null);
  failure = $state<Refusal | Problem | null>(null);
  /** The last time that the platform answered, by the server's clock. */
  contactAt = $state<number | null>(null);
  preparing = $state(false);
  /** The network takes what is sent and nothing comes back: no browser tells that by itself. */
  silent = $state(false);
  /** The platform knows no such terminal, and nothing opens what lies here. */
  forgotten = $state(false);
  /** Of which moment the picture kept here is, by the server's clock. */
  keptAt = $state<number | null>(null);

  #vault: Vault | null = null;
  #leasedAt = 0;
  #contacting: Promise<void> | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Whose terminal this is. */
  person = $state<string | null>(null);

  get terminal(): string {
    return this.#vault?.terminal ?? '';
  }

  /** Open what is here; never waits for the network. Gives the picture that was kept. */
  async start(): Promise<Snapshot | null> {
    const found = await kept().catch(() => null);
    this.town = found?.town ?? null;
    this.list = found?.list ?? null;
    if (this.list) {
      const complete = await whole(this.list);
      this.map = { done: complete ? this.list.bytes : 0, all: this.list.bytes, whole: complete };
    }
    if (!globalThis.indexedDB?.databases || !crypto.subtle || !('locks' in navigator)) {
      this.state = 'unable';
      return null;
    }
    this.#timer ??= setInterval(() => void this.#look(), LOOK_EVERY_MS);
    const person = await Vault.whose(SHELF).catch(() => undefined);
    if (!person) {
      this.state = person === null ? 'none' : 'unable'; // storage may be switched off
      return null;
    }
    this.person = person;
    return this.#open(person);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.outbox?.close();
  }

  /** Register this terminal, and fill it: the lease, the procedures, the map. */
  async prepare(label: string): Promise<void> {
    const person = session.person?.id;
    if (!person || this.preparing) return;
    this.preparing = true;
    this.failure = null;
    try {
      await navigator.storage?.persist?.();
      const lease = (await act<Lease>('operations.terminal.register', { label })).result;
      await this.#forget();
      this.person = person;
      this.#vault = await Vault.of(SHELF, person);
      await this.#take(lease);
      await this.#vault.keep(LABEL, label);
      await Promise.all([this.fetchProcedures(), this.fetchMap()]);
    } catch (error) {
      this.failure = asFailure(error);
    } finally {
      this.preparing = false;
    }
  }

  /** The platform answers: the lease, then what waits. Several calls at once are one. */
  contact(): Promise<void> {
    this.#contacting ??= this.#contact().finally(() => (this.#contacting = null));
    return this.#contacting;
  }

  async fetchProcedures(): Promise<void> {
    this.procedures = (await act<{ procedures: Procedure[] }>('operations.procedure.list')).result.procedures;
    await this.#vault?.keep('procedures', this.procedures);
  }

  async fetchMap(): Promise<void> {
    try {
      this.list = (await keep((done, all) => (this.map = { done, all, whole: false }))) ?? this.list;
      if (this.list) this.map = { done: this.list.bytes, all: this.list.bytes, whole: true };
    } catch (error) {
      // What came stays; the next contact goes on from there.
      console.info('map:', error);
    }
  }

  /** Keep what the room shows: this person's missions only, and nothing of how anything was decided. */
  async keepPicture(room: Room, person: string): Promise<void> {
    const { picture } = room;
    if (!picture || this.state !== 'open') return;
    const missions = picture.missions.filter((mission) => mission.roster.some((one) => one.id === person));
    const wanted = new Set(missions.flatMap((mission) => mission.cameras.map((camera) => camera.source)));
    const sources = picture.sources.filter((source) => wanted.has(source.id)).map((source) => ({ ...source, deployment: null, can_watch: null }));
    const small: Picture = { missions, sources, purposes: picture.purposes ?? [], map: picture.map };
    const at = room.pictureAt ?? now();
    await this.#vault?.keep('picture', { at, picture: small, entities: room.entities, zone: stationZone() } satisfies Snapshot);
    this.keptAt = at;
  }

  /** Keep something sealed for its person, and have it again; nothing while the lease is over. */
  async keep(name: string, value: unknown): Promise<void> {
    if (this.state === 'open') await this.#vault?.keep(name, value);
  }

  async recall<T>(name: string): Promise<T | null> {
    return this.state === 'open' && this.#vault ? this.#vault.recall<T>(name) : null;
  }

  /** Everything this terminal kept for its person, gone from this device. */
  async wipe(): Promise<void> {
    await this.#forget();
    this.procedures = [];
    this.state = 'none';
  }

  async #open(person: string): Promise<Snapshot | null> {
    this.#vault = await Vault.of(SHELF, person);
    let opening;
    try {
      opening = await this.#vault.open();
    } catch (error) {
      // A store that opens no more is worth nothing: it is prepared anew.
      console.warn('terminal store:', error);
      await this.wipe();
      return null;
    }
    this.state = opening;
    this.until = this.#vault.until;
    if (opening === 'locked') this.sealedCount = await this.#vault.waiting();
    if (opening !== 'open') return null;
    await this.#ready();
    this.procedures = (await this.#vault.recall<Procedure[]>('procedures')) ?? [];
    const found = await this.#vault.recall<Snapshot>('picture');
    learnZone(found?.zone ?? '');
    return found;
  }

  async #ready(): Promise<void> {
    if (!this.#vault) return;
    this.outbox ??= new Outbox(this.#vault, () => (this.contactAt = now()));
    await this.outbox.read();
    this.sealedCount = 0;
  }

  async #contact(): Promise<void> {
    if (!(await this.#answers())) return;
    await session.load();
    if (session.error) return;
    this.contactAt = now();
    if (live.state === 'lost') void live.open().catch(() => undefined); // it answers: the link need not wait for its next try
    const person = session.person?.id ?? null;
    if (this.state === 'unable' || this.state === 'starting') return;
    if (person !== null && person !== this.person && this.person !== null) await this.#change(person);
    const { terminal } = this;
    if (!terminal) return;
    if (person === null) {
      await this.#revokedMeanwhile(terminal);
      return;
    }
    try {
      if (this.state !== 'open' || Date.now() - this.#leasedAt > FRESH_MS) {
        await this.#take((await act<Lease>('operations.terminal.lease', { terminal })).result);
      }
      if (this.state !== 'open') return;
      await this.outbox?.send();
      if (this.procedures.length === 0) await this.fetchProcedures();
      if (!this.map?.whole) await this.fetchMap();
    } catch (error) {
      await this.#refused(error).catch((next: unknown) => (this.failure = asFailure(next)));
    }
  }

  /** Whether the platform answers, and in time. */
  async #answers(): Promise<boolean> {
    try {
      await fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS) });
      this.silent = false;
    } catch {
      this.silent = true;
    }
    return !this.silent;
  }

  /** Someone else signed in on this device: what the other kept stays sealed and apart. */
  async #change(person: string): Promise<void> {
    this.outbox?.close();
    this.outbox = null;
    this.procedures = [];
    await this.#vault?.lock();
    this.person = person;
    await this.#open(person);
  }

  async #take(lease: Lease): Promise<void> {
    if (lease.state === 'revoked') return this.#gone();
    if (!this.#vault) return;
    if (!(await this.#vault.renew(lease.terminal, lease.key, lease.seconds))) {
      console.warn('terminal store: it belongs to another key');
      await this.wipe();
      return;
    }
    this.#leasedAt = Date.now();
    this.until = this.#vault.until;
    this.state = 'open';
    this.failure = null;
    this.forgotten = false;
    await this.#ready();
  }

  async #revokedMeanwhile(terminal: string): Promise<void> {
    if ((await this.#known(terminal)) === 'revoked') await this.#gone();
  }

  async #known(terminal: string): Promise<string> {
    return (await act<{ state: string }>('operations.terminal.state', { terminal })).result.state;
  }

  /** The platform came back from a backup of before this terminal: it is registered anew, and what waits goes as it is. */
  async #anew(): Promise<void> {
    const vault = this.#vault;
    if (!vault || (await this.#known(await vault.look())) !== 'unknown') return;
    this.forgotten = this.state !== 'open';
    if (this.forgotten) return;
    const label = (await vault.recall<string>(LABEL)) ?? 'Terminal';
    const lease = (await act<Lease>('operations.terminal.register', { label })).result;
    await vault.rebind(lease.terminal, lease.key, lease.seconds);
    this.#leasedAt = Date.now();
    this.until = vault.until;
    this.failure = null;
    await this.outbox?.send();
  }

  async #refused(error: unknown): Promise<void> {
    const found = asFailure(error);
    if (found instanceof Refusal) {
      // The right to see was taken back: the key is not kept until its end.
      await this.#lock();
      this.failure = found;
    } else if (found.code === 'not-found') {
      this.failure = found;
      await this.#anew();
    } else if (found.code === 'signed-out') {
      await session.load();
      if (!session.error && !session.person && this.terminal) await this.#revokedMeanwhile(this.terminal);
    }
  }

  async #gone(): Promise<void> {
    await this.#forget();
    this.procedures = [];
    this.state = 'revoked';
  }

  async #forget(): Promise<void> {
    this.outbox?.close();
    this.outbox = null;
    await this.#vault?.wipe();
    this.#vault = null;
    this.until = 0;
    this.sealedCount = 0;
    this.person = null;
    this.forgotten = false;
  }

  async #lock(): Promise<void> {
    await this.#vault?.lock();
    this.outbox?.close();
    this.outbox = null;
    this.procedures = [];
    this.until = 0;
    this.sealedCount = (await this.#vault?.waiting()) ?? 0;
    this.state = 'locked';
  }

  async #look(): Promise<void> {
    if (this.state === 'open' && (await this.#vault?.over())) await this.#lock();
    if (document.visibilityState === 'visible' && navigator.onLine && !this.#contacting) await this.#answers();
    if (navigator.onLine && this.#leasedAt > 0 && Date.now() - this.#leasedAt > RENEW_EVERY_MS) await this.contact();
  }
}
