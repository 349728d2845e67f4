/**
 * Where this device is: asked of it while a note is written, and while one is on duty; told no more often than it moves.
 *
 * Still: once a minute; walking: every 10 s; in a vehicle: every 2 s (the battery pays for each fix and each message). A
 * battery under 20 % halves the rate. Whether anything may be told, and the wire, is the shift's (`operations/duty.svelte.ts`):
 * off duty the place serves this device only.
 */
import type { Fix as Told } from '../kit/frames';
import type { Locator } from '../operations/duty.svelte';

export interface Fix {
  lat: number;
  lon: number;
  /** Metres. */
  accuracy: number;
  /** Metres a second; null where the device cannot tell. */
  speed: number | null;
  heading: number | null;
  /** Milliseconds since 1970, the device's time. */
  at: number;
}

const STILL_S = 60;
const WALK_S = 10;
const VEHICLE_S = 2;
/** Metres a second. */
const MOVING = 0.5;
const DRIVING = 6;
const LOW_BATTERY = 0.2;
/** A device that lies still gives no new fix: this often the last is looked at again. */
const LOOK_EVERY_MS = 5000;

/** Seconds between two reports. */
export function interval(speed: number | null, battery: number | null): number {
  const pace = speed === null || speed < MOVING ? STILL_S : speed < DRIVING ? WALK_S : VEHICLE_S;
  return battery !== null && battery < LOW_BATTERY ? pace * 2 : pace;
}

/** Speed from two fixes, where the device gives none and they lie further apart than they are uncertain. */
export function speedBetween(before: Fix, after: Fix): number | null {
  const seconds = (after.at - before.at) / 1000;
  if (seconds <= 0) return null;
  const north = (after.lat - before.lat) * 111_195;
  const east = (after.lon - before.lon) * 111_195 * Math.cos((after.lat * Math.PI) / 180);
  const apart = Math.hypot(north, east);
  return apart < Math.max(before.accuracy, after.accuracy) ? 0 : apart / seconds;
}

interface Shift {
  onfix: (fix: Told) => void;
  onblind: () => void;
  /** When it began, by this device's clock. */
  began: number;
  told: Fix | null;
  toldAt: number;
  timer: ReturnType<typeof setInterval>;
}

export class Positions implements Locator {
  #last: Fix | null = null;
  #watch: number | null = null;
  #battery: number | null = null;
  #shift: Shift | null = null;
  /** Said when the device gives no place, to who writes a note; null: nobody does. */
  #note: (() => void) | null = null;
  readonly #onfix: (fix: Fix) => void;

  constructor(onfix: (fix: Fix) => void) {
    this.#onfix = onfix;
  }

  /** On duty: the place at the rate of the movement. */
  begin(onfix: (fix: Told) => void, onblind: () => void): void {
    this.end();
    this.#stop(); // what was found for a note before the shift is not told
    this.#shift = { onfix, onblind, began: Date.now(), told: null, toldAt: 0, timer: setInterval(() => this.#tell(), LOOK_EVERY_MS) };
    this.#on();
  }

  /** Off duty. */
  end(): void {
    clearInterval(this.#shift?.timer);
    this.#shift = null;
    this.#offIfIdle();
  }

  /** For the place of a note. */
  look(onblind: () => void): void {
    this.#note = onblind;
    this.#on();
  }

  unlook(): void {
    this.#note = null;
    this.#offIfIdle();
  }

  #blind(): void {
    this.#shift?.onblind();
    this.#note?.();
  }

  #on(): void {
    if (!('geolocation' in navigator)) return this.#blind();
    if (this.#watch !== null) return;
    void (navigator as { getBattery?: () => Promise<{ level: number }> }).getBattery?.().then(
      (found) => (this.#battery = found.level),
      () => undefined,
    );
    this.#watch = navigator.geolocation.watchPosition(
      (found) => this.#found(found),
      (error) => error.code === error.PERMISSION_DENIED && this.#blind(),
      { enableHighAccuracy: this.#battery === null || this.#battery >= LOW_BATTERY, maximumAge: 0, timeout: 30_000 },
    );
  }

  #offIfIdle(): void {
    if (!this.#shift && !this.#note) this.#stop();
  }

  #stop(): void {
    if (this.#watch !== null) navigator.geolocation.clearWatch(this.#watch);
    this.#watch = null;
    this.#last = null;
  }

  #found({ coords, timestamp }: GeolocationPosition): void {
    const fix: Fix = { lat: coords.latitude, lon: coords.longitude, accuracy: coords.accuracy, speed: coords.speed, heading: coords.heading, at: timestamp };
    if (fix.speed === null && this.#last) fix.speed = speedBetween(this.#last, fix);
    this.#last = fix;
    this.#onfix(fix);
    this.#tell();
  }

  #tell(): void {
    const [shift, fix] = [this.#shift, this.#last];
    if (!shift || !fix || Date.now() - shift.toldAt < interval(fix.speed, this.#battery) * 1000) return;
    shift.toldAt = Date.now();
    // Said again, a place is that of now: the device lies where it lay. The first one may carry the time of a moment before.
    const at = shift.told === fix ? shift.toldAt : Math.max(fix.at, shift.began);
    shift.told = fix;
    shift.onfix({ lat: fix.lat, lon: fix.lon, accuracy: fix.accuracy, heading: fix.heading ?? 0, at });
  }
}
