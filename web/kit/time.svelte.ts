/** Time as people say it: a clock that components can follow, ages, exact times and time left. */
import { createSubscriber } from 'svelte/reactivity';
import { lang, locale } from './i18n.svelte';

const TICK_MS = 1000;
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

function sameDay(a: Date, b: Date): boolean {
  return a.toDateString() === b.toDateString();
}

/** "14:05". */
export function hour(at: string | number): string {
  return new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit' }).format(new Date(at));
}

/** "mardi 3 mars 2026 à 14:05:09 UTC+1": for titles and readers. */
export function exact(at: string | number): string {
  return new Intl.DateTimeFormat(locale(), {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  }).format(new Date(at));
}

/** "aujourd’hui à 14:05", "3 mars à 14:05". */
export function moment(at: string | number, from: number = Date.now() + skew): string {
  const then = new Date(at);
  const french = lang() === 'fr';
  const clock = hour(at);
  const today = new Date(from);
  if (sameDay(then, today)) return french ? `aujourd’hui à ${clock}` : `today at ${clock}`;
  const day = 86_400_000;
  if (sameDay(then, new Date(from - day))) return french ? `hier à ${clock}` : `yesterday at ${clock}`;
  if (sameDay(then, new Date(from + day))) return french ? `demain à ${clock}` : `tomorrow at ${clock}`;
  const year = then.getFullYear() === today.getFullYear() ? undefined : 'numeric';
  const date = new Intl.DateTimeFormat(locale(), { day: 'numeric', month: 'long', year }).format(then);
  return french ? `${date} à ${clock}` : `${date} at ${clock}`;
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
  if (Math.abs(age) >= 86_400_000) return moment(at, from);
  if (age < 0) return french ? `dans ${duration(-age)}` : `in ${duration(-age)}`;
  return french ? `il y a ${duration(age)}` : `${duration(age)} ago`;
}

/** The value of an `<input type="datetime-local">` for an instant, in this device's time zone. */
export function toLocalInput(at: string | number | Date): string {
  const then = new Date(at);
  return new Date(then.getTime() - then.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** The instant an `<input type="datetime-local">` means, as ISO 8601 UTC; empty when it is not filled. */
export function fromLocalInput(value: string): string {
  const then = new Date(value);
  return Number.isNaN(then.getTime()) ? '' : then.toISOString().replace(/\.\d{3}Z$/, 'Z');
}
