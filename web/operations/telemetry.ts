/**
 * The telemetry of one stream, kept by its presentation time so that what is drawn belongs to the picture on the screen.
 *
 * Telemetry and pictures travel in the same stream but a picture takes longer to decode: the newest telemetry is not that
 * of the picture one sees.
 */
import { metresBetween } from './ground';
import type { Klv } from './types';

/** About ten seconds at 12 messages a second. */
const KEPT = 128;
/** Telemetry further than this from a picture (microseconds) says nothing about it. */
const APART_US = 2_000_000;
/** A new point of the track is drawn when the drone has moved by this much, metres. */
const STEP_M = 2;
const TRACK_POINTS = 600;

export class Telemetry {
  /** Where the drone has been: [longitude, latitude], oldest first. */
  track: [number, number][] = [];
  #kept: { pts: number; klv: Klv }[] = [];

  add(pts: number, klv: Klv): void {
    const last = this.#kept.at(-1);
    // The stream's clock went back (a file that starts again): what came before belongs to another time.
    if (last && pts < last.pts - APART_US) this.#kept = [];
    this.#kept.push({ pts, klv });
    if (last && pts < last.pts) this.#kept.sort((a, b) => a.pts - b.pts);
    if (this.#kept.length > KEPT) this.#kept.shift();
  }

  /** The telemetry closest to a picture; null when there is none near it. */
  at(pts: number): Klv | null {
    let best: { pts: number; klv: Klv } | null = null;
    for (const one of this.#kept) {
      if (!best || Math.abs(one.pts - pts) <= Math.abs(best.pts - pts)) best = one;
    }
    return best && Math.abs(best.pts - pts) <= APART_US ? best.klv : null;
  }

  /** Lengthen the track by the position of the picture that is on the screen. */
  follow(klv: Klv): void {
    const { lat, lon } = klv.platform ?? {};
    if (lat === undefined || lon === undefined) return;
    const last = this.track.at(-1);
    const moved = last ? metresBetween({ lat: last[1], lon: last[0] }, { lat, lon }) : Number.POSITIVE_INFINITY;
    if (moved < STEP_M) return;
    // A jump is another flight, not a line across the town.
    if (last && moved > STEP_M * 500) this.track = [];
    this.track = [...this.track.slice(1 - TRACK_POINTS), [lon, lat]];
  }

  clear(): void {
    this.#kept = [];
    this.track = [];
  }
}
