/** The geofences of one's missions, the crossings nobody has acknowledged, and the one being drawn. */
import { announce } from '../kit/announce';
import { act, asFailure, type Problem, type Refusal } from '../kit/api';
import { live, type Crossing } from '../kit/live.svelte';
import type { Geofence, LatLon } from './types';

export class Fences {
  all = $state.raw<Geofence[]>([]);
  crossings = $state.raw<Crossing[]>([]);
  /** Corners so far, [longitude, latitude]; null while none is drawn. */
  drawing = $state.raw<[number, number][] | null>(null);
  error = $state.raw<Refusal | Problem | null>(null);
  busy = $state(false);

  /** Follow them; `words` says a crossing for those who do not see it. */
  start(words: (crossing: Crossing) => string): () => void {
    const offs = [
      live.on('crossing', ({ crossing }) => {
        const known = this.crossings.some((one) => one.id === crossing.id);
        this.crossings = [...(crossing.acknowledged ? [] : [crossing]), ...this.crossings.filter((one) => one.id !== crossing.id)];
        if (!known && !crossing.acknowledged) announce(words(crossing));
      }),
      live.on('geofences', () => void this.refresh()),
      // Who is not in the field is refused, and simply has no geofences.
      live.keep('operations.geofence.list', {}, undefined, (result) => this.#take(result)),
    ];
    return () => {
      for (const off of offs) off();
    };
  }

  async refresh(): Promise<void> {
    try {
      this.#take((await live.act('operations.geofence.list')).result);
    } catch (failed) {
      this.error = asFailure(failed);
    }
  }

  #take(result: unknown): void {
    const told = result as { geofences: Geofence[]; crossings: Crossing[] };
    this.all = told.geofences;
    this.crossings = told.crossings;
  }

  /** A press on the map while one is drawn is its next corner; false while none is. */
  corner(at: LatLon): boolean {
    if (!this.drawing) return false;
    this.drawing = [...this.drawing, [at.lon, at.lat]];
    return true;
  }

  async draw(input: object): Promise<boolean> {
    return this.#perform('operations.geofence.draw', input);
  }

  async remove(geofence: string): Promise<boolean> {
    return this.#perform('operations.geofence.remove', { geofence });
  }

  async acknowledge(crossing: string): Promise<boolean> {
    return this.#perform('operations.geofence.acknowledge', { crossing });
  }

  async #perform(name: string, input: object): Promise<boolean> {
    this.busy = true;
    this.error = null;
    try {
      await act(name, input);
      await this.refresh();
      return true;
    } catch (failed) {
      this.error = asFailure(failed);
      return false;
    } finally {
      this.busy = false;
    }
  }
}
