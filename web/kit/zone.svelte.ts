/**
 * The clock on the station's wall: an appointment is said and typed in the platform's time zone, never in the device's.
 *
 * It is the zone of the law that applies, in which residents read the same appointment on their pages. Where this device's
 * clock differs at that moment, the zone is named; where it does not, it would only be noise.
 */
import { lang, locale } from './i18n.svelte';

const MINUTE_MS = 60_000;
const state = $state<{ zone: string }>({ zone: '' });

/** Learn the platform's zone (IANA), as the session tells it. */
export function learnZone(zone: string): void {
  state.zone = zone;
}

function parts(at: number, timeZone: string | undefined): Record<string, string> {
  const shown = new Intl.DateTimeFormat('en-GB', {
    timeZone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hourCycle: 'h23',
  });
  return Object.fromEntries(shown.formatToParts(new Date(at)).map(({ type, value }) => [type, value]));
}

/** Milliseconds that a clock of this zone is ahead of UTC at an instant; without a zone, this device's clock. */
function ahead(at: number, zone: string): number {
  const { year, month, day, hour, minute } = parts(at, zone || undefined);
  return Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute)) - Math.floor(at / MINUTE_MS) * MINUTE_MS;
}

/** "heure locale : Paris" where this device's clock says something else at that instant, else nothing. */
export function zoneName(at: string | number = Date.now()): string {
  const then = new Date(at).getTime();
  if (!state.zone || ahead(then, state.zone) === ahead(then, '')) return '';
  const place = state.zone.split('/').pop()?.replaceAll('_', ' ') ?? state.zone;
  return lang() === 'fr' ? `heure locale : ${place}` : `${place} time`;
}

/** "mardi 3 mars 2026 à 14:05", on the station's wall, with the zone's name where the device's clock differs. */
export function appointment(at: string | number): string {
  const timeZone = state.zone || undefined;
  const then = new Date(at);
  const day = new Intl.DateTimeFormat(locale(), { timeZone, weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }).format(then);
  const clock = new Intl.DateTimeFormat(locale(), { timeZone, hour: '2-digit', minute: '2-digit' }).format(then);
  const named = zoneName(at);
  return `${day}${lang() === 'fr' ? ' à ' : ' at '}${clock}${named && ` (${named})`}`;
}

/** The instant that an `<input type="datetime-local">` means on the station's wall, as ISO 8601 UTC; empty when it is not filled. */
export function fromWall(value: string): string {
  const wall = Date.parse(`${value}Z`);
  if (Number.isNaN(wall)) return '';
  // The first guess may lie on the other side of a change of the clock: the second is measured where it fell.
  const guess = wall - ahead(wall, state.zone);
  return new Date(wall - ahead(guess, state.zone)).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
