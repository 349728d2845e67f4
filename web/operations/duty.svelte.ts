/**
 * One's own shift, and this device saying where it is while the shift runs.
 *
 * Nothing is measured before the shift begins or after it ends: the device's own locating is switched off, not only the sending.
 */
import { act, asFailure, failure, type Problem, type Refusal } from '../kit/api';
import { fixesMessage, type Fix } from '../kit/frames';
import { live } from '../kit/live.svelte';
import type { Text } from '../kit/types';

export interface Shift {
  id: string;
  purpose: string;
  began: string;
  until: string;
}

interface Shown {
  duty: Shift | null;
  people: { id: string; name: string; unit: string; until: string }[];
  longest: string;
  kept: string;
}

/** Fixes kept while the link is away; the oldest go first. */
const HELD = 300;
/** A device that lies still says so this often. */
const STILL_MS = 15_000;

export class Duty {
  shift = $state.raw<Shift | null>(null);
  known = $state(false);
  busy = $state(false);
  error = $state.raw<Refusal | Problem | null>(null);
  /** What is wrong with what this device sends, in the server's words. */
  doubt = $state.raw<Text | null>(null);
  /** The device does not let itself be located. */
  blind = $state(false);

  #watch: number | null = null;
  #again: ReturnType<typeof setInterval> | undefined;
  #last: Fix | null = null;
  #waiting: Fix[] = [];
  #stream: (() => void) | null = null;
  /** The link (by when it opened) on which the stream is open; what is sent before that is nobody's. */
  #open: number | null = null;

  /** Follow one's shift; the returned function stops, and with it the locating. */
  start(): () => void {
    const offs = [
      live.on('position.ended', ({ refusal }) => {
        this.error = failure(refusal);
        void this.refresh();
      }),
      live.on('position.refused', ({ problem }) => (this.doubt = problem.title)),
    ];
    const timer = setInterval(() => {
      if (this.shift && Date.parse(this.shift.until) <= Date.now()) void this.refresh();
    }, 1000);
    void this.refresh();
    return () => {
      for (const off of offs) off();
      clearInterval(timer);
      this.#off();
    };
  }

  async refresh(): Promise<void> {
    try {
      this.#take((await act<Shown>('operations.duty.show')).result);
    } catch {
      this.#off(); // who may not be on duty has no shift, and no card
    }
  }

  async begin(hours: number, purpose: string): Promise<void> {
    await this.#perform('operations.duty.begin', { hours, purpose, informed: true });
  }

  async end(): Promise<void> {
    this.#off();
    await this.#perform('operations.duty.end', {});
  }

  async #perform(name: string, input: object): Promise<void> {
    this.busy = true;
    this.error = null;
    try {
      await act(name, input);
    } catch (failed) {
      this.error = asFailure(failed);
    } finally {
      this.busy = false;
      await this.refresh();
    }
  }

  #take(shown: Shown): void {
    this.shift = shown.duty;
    this.known = true;
    if (this.shift) this.#on();
    else this.#off();
  }

  #on(): void {
    if (this.#stream) return;
    this.doubt = null;
    this.#stream = live.keep('operations.position.stream', {}, (error) => (this.error = asFailure(error)), () => {
      this.#open = live.since;
      this.#flush();
    });
    if (!('geolocation' in navigator)) {
      this.blind = true;
      return;
    }
    this.#watch = navigator.geolocation.watchPosition(
      ({ coords, timestamp }) => {
        this.blind = false;
        this.#send({ lat: coords.latitude, lon: coords.longitude, heading: coords.heading ?? 0, accuracy: coords.accuracy, at: timestamp });
      },
      () => (this.blind = true),
      { enableHighAccuracy: true },
    );
    this.#again = setInterval(() => {
      if (this.#last && Date.now() - this.#last.at >= STILL_MS) this.#send({ ...this.#last, at: Date.now() });
    }, STILL_MS);
  }

  #off(): void {
    this.shift = null;
    if (this.#watch !== null) navigator.geolocation.clearWatch(this.#watch);
    clearInterval(this.#again);
    this.#watch = null;
    this.#last = null;
    this.#waiting = [];
    this.#open = null;
    this.#stream?.();
    this.#stream = null;
  }

  #send(fix: Fix): void {
    this.#last = fix;
    this.#waiting = [...this.#waiting, fix].slice(-HELD);
    this.#flush();
  }

  #flush(): void {
    if (live.state !== 'open' || live.since !== this.#open) return;
    if (this.#waiting.length > 0 && live.send(fixesMessage(this.#waiting))) this.#waiting = [];
  }
}
