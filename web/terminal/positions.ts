/**
 * Where this terminal is: asked of the device only while on duty, and told no more often than it moves.
 *
 * Still: once a minute; walking: every 10 s; in a vehicle: every 2 s (the battery pays for each fix and each message). A
 * battery under 20 % halves the rate. Off duty, or where the platform knows no duty, nothing is told: the place only serves
 * this device (the place of a note).
 */
import { act, Problem, Refusal } from '../kit/api';

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

const REPORT = 'operations.position.report';
const DUTY = 'operations.duty.show';
const STILL_S = 60;
const WALK_S = 10;
const VEHICLE_S = 2;
/** Metres a second. */
const MOVING = 0.5;
const DRIVING = 6;
const LOW_BATTERY = 0.2;

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

export class Positions {
  #last: Fix | null = null;
  #toldAt = 0;
  #watch: number | null = null;
  #battery: number | null = null;
  #onDuty = false;
  readonly #onfix: (fix: Fix) => void;

  constructor(onfix: (fix: Fix) => void) {
    this.#onfix = onfix;
  }

  get on(): boolean {
    return this.#watch !== null;
  }

  /** Whether the person is on duty, and the platform has a word for it: only then is their place told to anybody. */
  async duty(): Promise<boolean> {
    try {
      this.#onDuty = (await act<{ duty: object | null }>(DUTY)).result.duty !== null;
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Refusal)) throw error;
      if (error.code !== 'unreachable') this.#onDuty = false;
    }
    return this.#onDuty;
  }

  /** Begin to ask the device. False where it gives no place. */
  begin(onrefused: () => void): boolean {
    if (!('geolocation' in navigator)) return false;
    if (this.#watch !== null) return true;
    void (navigator as { getBattery?: () => Promise<{ level: number }> }).getBattery?.().then(
      (found) => (this.#battery = found.level),
      () => undefined,
    );
    this.#watch = navigator.geolocation.watchPosition(
      (found) => this.#found(found),
      (error) => {
        if (error.code !== error.PERMISSION_DENIED) return;
        this.end();
        onrefused();
      },
      { enableHighAccuracy: this.#battery === null || this.#battery >= LOW_BATTERY, maximumAge: 5000, timeout: 30_000 },
    );
    return true;
  }

  /** Off duty, the screen off, the note written: nothing is asked of the device any more. */
  end(): void {
    if (this.#watch !== null) navigator.geolocation.clearWatch(this.#watch);
    this.#watch = null;
    this.#last = null;
  }

  #found({ coords, timestamp }: GeolocationPosition): void {
    const fix: Fix = { lat: coords.latitude, lon: coords.longitude, accuracy: coords.accuracy, speed: coords.speed, heading: coords.heading, at: timestamp };
    if (fix.speed === null && this.#last) fix.speed = speedBetween(this.#last, fix);
    this.#last = fix;
    this.#onfix(fix);
    if (Date.now() - this.#toldAt >= interval(fix.speed, this.#battery) * 1000) void this.#tell(fix);
  }

  async #tell({ lat, lon, accuracy, heading, at }: Fix): Promise<void> {
    if (!this.#onDuty) return;
    this.#toldAt = Date.now();
    try {
      await act(REPORT, { fixes: [{ lat, lon, accuracy, heading: heading ?? 0, at: Math.round(at) }] });
    } catch (error) {
      // A place that could not be told is old by the time it could be: the next one is told instead.
      if (error instanceof Refusal) this.#onDuty = false;
    }
  }
}
