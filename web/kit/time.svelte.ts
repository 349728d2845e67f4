/** Time as people say it, on the station's wall (`zone.svelte.ts`): a clock to follow, ages, exact times and time left. */
import { createSubscriber } from 'svelte/reactivity';
import { lang } from './i18n.svelte';
import { dayAt, shown, zoned } from './zone.svelte';

const TICK_MS = 1000;
const DAY_MS = 86_400_000;
/** The HTTP date has whole seconds: a smaller difference says nothing about the device's clock. */
const SKEW_FLOOR_MS = 5000;

let skew = 0;

const follow = createSubscriber((update) => {
  const timer = setInterval(update, TICK_MS);
  return () => clearInterval(timer);
});

/** Milliseconds since 1970 by the server's clock; a component that reads it is drawn again every second. */
export function now(): number {
  follow();
  return Date.now() + skew;
}

/** Learn from a server's `Date` header how wrong this device's clock is. */
export function learnServerTime(header: string | null): void {
  const at = header ? Date.parse(header) : Number.NaN;
  if (Number.isNaN(at)) return;
  const difference = at - Date.now();
  skew = Math.abs(difference) > SKEW_FLOOR_MS ? difference : 0;
}

/** "14:05": where many stand below each other, or beside a time that names its zone. */
export function hour(at: string | number): string {
  return shown(at, { hour: '2-digit', minute: '2-digit' });
}

/** "14:05", with the zone's name where this device's clock differs: until when something lasts. */
export function hourNamed(at: string | number): string {
  return `${hour(at)}${zoned(at)}`;
}

/** "mardi 3 mars 2026 à 14:05:09 UTC+1": for titles and readers. */
export function exact(at: string | number): string {
  return shown(at, {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  });
}

/** "14:05:09"; with its day where it is not today's. */
export function instant(at: string | number, from: number = Date.now() + skew): string {
  const time = { hour: '2-digit', minute: '2-digit', second: '2-digit' } as const;
  return shown(at, dayAt(at) === dayAt(from) ? time : { day: 'numeric', month: 'long', ...time });
}

/** "aujourd’hui à 14:05", "3 mars à 14:05". */
export function moment(at: string | number, from: number = Date.now() + skew): string {
  const french = lang() === 'fr';
  const time = hourNamed(at);
  const then = dayAt(at);
  const today = dayAt(from);
  if (then === today) return french ? `aujourd’hui à ${time}` : `today at ${time}`;
  if (then === next(today, -1)) return french ? `hier à ${time}` : `yesterday at ${time}`;
  if (then === next(today, 1)) return french ? `demain à ${time}` : `tomorrow at ${time}`;
  const year = then.slice(0, 4) === today.slice(0, 4) ? undefined : 'numeric';
  const date = shown(at, { day: 'numeric', month: 'long', year });
  return french ? `${date} à ${time}` : `${date} at ${time}`;
}

/** The day so many days later; days are counted on the calendar, for one of them has 23 hours. */
function next(day: string, days: number): string {
  return new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10);
}

/** "45 s", "12 min", "3 h 05 min", "2 j 4 h". Negative durations count as none. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}\u00a0s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}\u00a0min`;
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  if (hours < 24) return rest ? `${hours}\u00a0h\u00a0${String(rest).padStart(2, '0')}` : `${hours}\u00a0h`;
  const days = Math.floor(hours / 24);
  const unit = lang() === 'fr' ? 'j' : 'd';
  return hours % 24 ? `${days}\u00a0${unit}\u00a0${hours % 24}\u00a0h` : `${days}\u00a0${unit}`;
}

/** "à l’instant", "il y a 2 min", "dans 3 h", or the date when it is more than a day away. */
export function ago(at: string | number, from: number = Date.now() + skew): string {
  const french = lang() === 'fr';
  const age = from - new Date(at).getTime();
  if (Math.abs(age) < 5000) return french ? 'à l’instant' : 'just now';
  if (Math.abs(age) >= DAY_MS) return moment(at, from);
  if (age < 0) return french ? `dans ${duration(-age)}` : `in ${duration(-age)}`;
  return french ? `il y a ${duration(age)}` : `${duration(age)} ago`;
}
