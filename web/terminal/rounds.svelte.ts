/**
 * The homes that this officer's unit watches: asked for at a contact, kept sealed, shown with what was noted here and not sent yet.
 *
 * What is shown comes from the services by an act of their own (`services.rounds.list`); nothing of it is copied on the platform. A
 * round noted without network waits in the outbox and counts here at once. Where the officer was goes along only if they say so,
 * and only on duty: off duty nothing measures it.
 */
import { act, asFailure, Refusal } from '../kit/api';
import { session } from '../kit/session.svelte';
import type { Text } from '../kit/types';
import type { Pocket } from './pocket.svelte';
import type { Fix } from './positions';

export interface Stop {
  /** By which a round is noted. */
  act: string;
  file: string;
  number: string;
  address: string;
  lat: number | null;
  lon: number | null;
  kind: Text;
  signs: string;
  leave: string;
  back: string;
  /** When somebody passed by last; empty: nobody yet. */
  last: string;
  rounds: number;
}

export interface Seen extends Stop {
  /** A round of this terminal is not sent yet. */
  waits: boolean;
}

const RECORD = 'rounds';
/** The list is an entry of the ledger: contacts that come close together ask for it once. */
const FRESH_MS = 300_000;

/** Milliseconds since 1970; long ago where nobody has passed yet. */
const time = (at: string): number => (at ? Date.parse(at) : 0);

export class Rounds {
  #all = $state.raw<Stop[]>([]);
  readonly #pocket: Pocket;
  #askedAt = 0;

  constructor(pocket: Pocket) {
    this.#pocket = pocket;
  }

  /** The one longest unseen first. */
  readonly stops = $derived.by((): Seen[] => {
    const entries = this.#pocket.outbox?.entries ?? [];
    const found = this.#all.map((stop): Seen => {
      const own = entries.filter((one) => one.act === stop.act && one.input['file'] === stop.file && (one.state === 'waiting' || one.state === 'done'));
      const last = own.reduce((latest, one) => (time(one.made) > time(latest) ? one.made : latest), stop.last);
      return { ...stop, last, waits: own.some((one) => one.state === 'waiting') };
    });
    return found.sort((a, b) => time(a.last) - time(b.last) || a.leave.localeCompare(b.leave));
  });

  async restore(): Promise<void> {
    this.#all = (await this.#pocket.recall<Stop[]>(RECORD)) ?? [];
  }

  /** A contact: the list anew, where this person may have it. */
  async look(): Promise<void> {
    if (!(session.has('officer') || session.has('command')) || Date.now() - this.#askedAt < FRESH_MS) return;
    this.#askedAt = Date.now();
    try {
      this.#all = (await act<{ stops: Stop[] }>('services.rounds.list')).result.stops;
      await this.#pocket.keep(RECORD, this.#all);
    } catch (error) {
      this.#askedAt = 0;
      // Not, or no longer, this person's: nothing of it is left here.
      if (!(asFailure(error) instanceof Refusal)) return;
      this.clear();
      await this.#pocket.keep(RECORD, []);
    }
  }

  clear(): void {
    this.#all = [];
    this.#askedAt = 0;
  }

  /** Somebody passed by: kept on this terminal, sent as soon as it can be. */
  async pass(stop: Stop, text: string, fix: Fix | null): Promise<void> {
    const where = fix ? { lat: fix.lat, lon: fix.lon, accuracy: Math.round(fix.accuracy) } : {};
    const what = { fr: `Passé devant : ${stop.address}`, en: `Passed by: ${stop.address}` };
    await this.#pocket.outbox?.add(stop.act, { file: stop.file, text: text.trim(), ...where }, what);
  }
}
