/** What the officer took along, sealed on this device: their files, and the homes to pass by; and what was added to them since. */
import type { Text } from '../../kit/types';
import type { Listed } from './outbox';

export interface Carried {
  id: string;
  number: string;
  title: Text;
  said: Text;
  place: string;
  events: number;
  report: boolean;
}

export interface Stop {
  file: string;
  number: string;
  address: string;
  kind: Text;
  signs: string;
  leave: string;
  back: string;
  last: string;
  rounds: number;
}

export interface Pack {
  files: Carried[];
  stops: Stop[];
  at: string;
}

/** How many events of a file the officer knows of: those of the pack, and what this device added or will have added. */
export function seenOf(file: Carried, entries: Listed[]): number {
  const own = entries.filter((one) => one.target === file.id);
  const told = Math.max(file.events, ...own.filter((one) => one.state === 'done').map((one) => one.event));
  return told + own.filter((one) => one.state === 'waiting').length;
}

/** The homes with when somebody passed by last, as far as this device knows; the one longest unseen first. */
export function stopsOf(pack: Pack | null, entries: Listed[]): { stop: Stop; last: string; waits: boolean }[] {
  const found = (pack?.stops ?? []).map((stop) => {
    const own = entries.filter((one) => one.target === stop.file && (one.state === 'waiting' || one.state === 'done'));
    const last = own.reduce((latest, one) => (Date.parse(one.made) > Date.parse(latest || '1970') ? one.made : latest), stop.last);
    return { stop, last, waits: own.some((one) => one.state === 'waiting') };
  });
  return found.sort((a, b) => Date.parse(a.last || '1970') - Date.parse(b.last || '1970') || a.stop.leave.localeCompare(b.stop.leave));
}
