/**
 * Pictures across a lost link: without the link there is no lease, so they go; they are asked for again when it is back.
 */
import { untrack } from 'svelte';
import { live } from '../kit/live.svelte';
import type { Room } from './room.svelte';

/** For as long as the component that calls it lives. */
export function comeBack(room: Room): void {
  let again: string | null = null;
  let wallAgain: string[] = [];

  async function watched(id: string): Promise<void> {
    await room.refresh();
    const back = room.picture?.sources.find((s) => s.id === id);
    if (back?.deployment && room.selected === id) await room.look(back);
    else await room.watch.close();
  }

  async function walled(ids: string[]): Promise<void> {
    await room.refresh();
    for (const source of room.picture?.sources ?? []) {
      if (room.wall.open && ids.includes(source.id)) await room.wall.add(source, room.orderOf(source));
    }
  }

  $effect(() => {
    const link = live.state;
    untrack(() => {
      if (link === 'lost' || link === 'moving') {
        const id = room.watch.source;
        if (room.watch.cut()) again = id;
        wallAgain = [...wallAgain, ...room.wall.cut()];
      } else if (link === 'open' && again) {
        const id = again;
        again = null;
        void watched(id);
      } else if (link === 'open' && wallAgain.length > 0) {
        void walled(wallAgain.splice(0));
      }
    });
  });
}
