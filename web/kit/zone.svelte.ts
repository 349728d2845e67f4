/**
 * The clock on the station's wall: every time is said and typed in the platform's time zone, never in the device's.
 *
 * It is the zone of the law that applies, in which residents read the same time on their pages, and two officers beside each other
 * the same hour. Where this device's clock differs at that moment, the zone is named; where it does not, it would only be noise.
 */
import { lang, locale } from './i18n.svelte';
import { ahead, named, onWall, said } from './wall';

const state = $state<{ zone: string }>({ zone: '' });

/** Learn the platform's zone (IANA), as the session or the page’s own data tell it. */
export function learnZone(zone: string): void {
  if (zone) state.zone = zone;
}

/** The zone that was learnt, for a page that goes on without network; "" before. */
export function stationZone(): string {
  return state.zone;
}

/** A time on the station's wall, as a page wants it written. */
export function shown(at: string | number, how: Intl.DateTimeFormatOptions): string {
  return said(at, state.zone, locale(), how);
}

/** "2026-03-03": which day it is at the station. */
export function dayAt(at: string | number): string {
  return onWall(at, state.zone).slice(0, 10);
}

/** "heure locale : Paris" where this device's clock says something else at that instant, else nothing. */
export function zoneName(at: string | number = Date.now()): string {
  return named(at, state.zone, lang() === 'fr');
}

/** " (heure locale : Paris)" behind a time, where this device's clock says something else. */
export function zoned(at: string | number): string {
  const name = zoneName(at);
  return name && ` (${name})`;
}

/** "mardi 3 mars 2026 à 14:05", on the station's wall, with the zone's name where the device's clock differs. */
export function appointment(at: string | number): string {
  const day = shown(at, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
  const clock = shown(at, { hour: '2-digit', minute: '2-digit' });
  return `${day}${lang() === 'fr' ? ' à ' : ' at '}${clock}${zoned(at)}`;
}

/** The value of an `<input type="datetime-local">` for an instant, on the station's wall. */
export function toWall(at: string | number): string {
  return onWall(at, state.zone);
}

/** The instant that an `<input type="datetime-local">` means on the station's wall, as ISO 8601 UTC; empty when it is not filled. */
export function fromWall(value: string): string {
  const wall = Date.parse(`${value}Z`);
  if (Number.isNaN(wall)) return '';
  // The first guess may lie on the other side of a change of the clock: the second is measured where it fell.
  const guess = wall - ahead(wall, state.zone);
  return new Date(wall - ahead(guess, state.zone)).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
