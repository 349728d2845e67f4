/**
 * The wall: up to nine live pictures at once, each its own watch, asked for by its own act, under its own order and lease.
 *
 * All of them share the page's one socket; what it does not take makes a picture skip to its next key frame, on this terminal only.
 */
import type { Order, Source } from './types';
import { Watch } from './watch.svelte';

export const MOST = 9;

export class Wall {
  open = $state(false);
  watches = $state.raw<Watch[]>([]);

  get full(): boolean {
    return this.watches.length >= MOST;
  }

  of(source: string): Watch | null {
    return this.watches.find((watch) => watch.source === source) ?? null;
  }

  /** Ask to see one more; nothing when it is there already, films for nobody, or the wall is full. */
  async add(source: Source, order: Order | null): Promise<void> {
    if (!source.deployment || this.full || this.of(source.id)) return;
    const watch = new Watch();
    const opening = watch.open(source.id, source.deployment, order?.purpose ?? null);
    this.watches = [...this.watches, watch];
    await opening;
  }

  async remove(source: string): Promise<void> {
    const watch = this.of(source);
    this.watches = this.watches.filter((one) => one !== watch);
    await watch?.close();
  }

  /** Give every lease back. */
  async clear(): Promise<void> {
    const { watches } = this;
    this.watches = [];
    await Promise.all(watches.map((watch) => watch.close()));
  }

  /** The live link is lost, and every lease with it; the sources that were on the wall. */
  cut(): string[] {
    const lost = this.watches.filter((watch) => watch.cut()).flatMap((watch) => watch.source ?? []);
    this.watches = this.watches.filter((watch) => !lost.includes(watch.source ?? ''));
    return lost;
  }

  /** The cameras that film on, and for what; the others' pictures are over. */
  follow(deployments: Map<string, string | null>): void {
    for (const watch of this.watches) {
      if (watch.on && watch.source && deployments.get(watch.source) !== watch.deployment) watch.stopped();
    }
  }
}
