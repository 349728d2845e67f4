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

/** What measures where this device is; nothing is asked of the device outside `begin` and `end`. */
export interface Locator {
  begin(onfix: (fix: Fix) => void, onblind: () => void): void;
  end(): void;
}

/** Fixes kept while the link is away; the oldest go first. */
const HELD = 300;
/** A device that lies still says so this often. */
const STILL_MS = 15_000;
/** The platform was not reached: what one knew of the shift still holds. */
const LATER = new Set(['unreachable', 'unreadable', 'unavailable', 'too-many']);

/** Every place the device gives, and the last one again while it lies still. */
class EachFix implements Locator {
  #watch: number | null = null;
  #again: ReturnType<typeof setInterval> | undefined;
  #last: Fix | null = null;

  begin(onfix: (fix: Fix) => void, onblind: () => void): void {
    if (!('geolocation' in navigator)) return onblind();
    const told = (fix: Fix) => {
      this.#last = fix;
      onfix(fix);
    };
    this.#watch = navigator.geolocation.watchPosition(
      ({ coords, timestamp }) => told({ lat: coords.latitude, lon: coords.longitude, heading: coords.heading ?? 0, accuracy: coords.accuracy, at: timestamp }),
      onblind,
      { enableHighAccuracy: true },
    );
    this.#again = setInterval(() => {
      if (this.#last && Date.now() - this.#last.at >= STILL_MS) told({ ...this.#last, at: Date.now() });
    }, STILL_MS);
  }

  end(): void {
    if (this.#watch !== null) navigator.geolocation.clearWatch(this.#watch);
    clearInterval(this.#again);
    this.#watch = null;
    this.#last = null;
  }
}

export class Duty {
  shift = $state.raw<Shift | null>(null);
  known = $state(false);
  busy = $state(false);
  error = $state.raw<Refusal | Problem | null>(null);
  /** What is wrong with what this device sends, in the server's words. */
  doubt = $state.raw<Text | null>(null);
  /** The device does not let itself be located. */
  blind = $state(false);
  /** Ended here, and not told yet: the link was away. */
  leaving = $state(false);

  readonly #locator: Locator;
  #waiting: Fix[] = [];
  #stream: (() => void) | null = null;
  /** The link (by when it opened) on which the stream is open; what is sent before that is nobody's. */
  #open: number | null = null;

  constructor(locator: Locator = new EachFix()) {
    this.#locator = locator;
  }

  /** The shift of the last contact: shown; nothing is measured for it until the server says that it runs. */
  recall(shift: Shift | null): void {
    if (this.known) return;
    this.shift = shift && Date.parse(shift.until) > Date.now() ? shift : null;
    this.known = true;
  }

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
      if (!this.shift || Date.parse(this.shift.until) > Date.now()) return;
      this.#off();
      void this.refresh();
    }, 1000);
    void this.refresh();
    return () => {
      for (const off of offs) off();
      clearInterval(timer);
      this.#off();
    };
  }

  async refresh(): Promise<void> {
    if (this.leaving) await this.#leave();
    try {
      const { result } = await act<Shown>('operations.duty.show');
      if (!this.leaving) this.#take(result);
    } catch (failed) {
      if (!LATER.has(asFailure(failed).code)) this.#off(); // who may not be on duty has no shift, and no card
    }
  }

  async begin(hours: number, purpose: string): Promise<void> {
    if (this.leaving) await this.#leave();
    await this.#perform('operations.duty.begin', { hours, purpose, informed: true });
  }

  /** The locating stops now; the platform is told as soon as it can be. */
  async end(): Promise<void> {
    this.#off();
    this.leaving = true;
    this.busy = true;
    this.error = null;
    await this.refresh();
    this.busy = false;
  }

  async #leave(): Promise<void> {
    try {
      await act('operations.duty.end', {});
    } catch (failed) {
      const found = asFailure(failed);
      if (LATER.has(found.code)) return;
      if (found.code !== 'not-found') this.error = found; // ended meanwhile, by its hour or by the command post: as wished
    }
    this.leaving = false;
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
    if (this.shift) this.#on(this.shift);
    else this.#off();
  }

  #on(shift: Shift): void {
    if (this.#stream) return;
    this.doubt = null;
    this.#stream = live.keep('operations.position.stream', { purpose: shift.purpose }, (error) => (this.error = asFailure(error)), () => {
      this.#open = live.since;
      this.#flush();
    });
    this.#locator.begin(
      (fix) => {
        this.blind = false;
        this.#send(fix);
      },
      () => (this.blind = true),
    );
  }

  #off(): void {
    this.shift = null;
    this.#locator.end();
    this.#waiting = [];
    this.#open = null;
    this.#stream?.();
    this.#stream = null;
  }

  #send(fix: Fix): void {
    this.#waiting = [...this.#waiting, fix].slice(-HELD);
    this.#flush();
  }

  #flush(): void {
    if (live.state !== 'open' || live.since !== this.#open) return;
    if (this.#waiting.length > 0 && live.send(fixesMessage(this.#waiting))) this.#waiting = [];
  }
}
