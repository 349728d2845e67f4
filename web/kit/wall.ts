/**
 * What a clock of a time zone says, in plain functions: the consoles use them through `zone.svelte.ts`, the offline pages as they
 * are. A zone is IANA's name; "" is this device's own clock.
 */
const MINUTE_MS = 60_000;

/** A time as it is said in a zone. */
export function said(at: string | number, zone: string, locale: string, how: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat(locale, { ...how, timeZone: zone || undefined }).format(new Date(at));
}

/** "2026-03-03T14:05": what the wall says, as an `<input type="datetime-local">` has it. */
export function onWall(at: string | number, zone: string): string {
  const shown = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone || undefined, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hourCycle: 'h23',
  });
  const { year, month, day, hour, minute } = Object.fromEntries(shown.formatToParts(new Date(at)).map(({ type, value }) => [type, value]));
  return `${year}-${month}-${day}T${hour}:${minute}`;
}

/** Milliseconds that a clock of this zone is ahead of UTC at an instant. */
export function ahead(at: number, zone: string): number {
  return Date.parse(`${onWall(at, zone)}Z`) - Math.floor(at / MINUTE_MS) * MINUTE_MS;
}

/** "heure locale : Paris" where this device's clock says something else at that instant, else nothing. */
export function named(at: string | number, zone: string, french: boolean): string {
  const then = new Date(at).getTime();
  if (!zone || ahead(then, zone) === ahead(then, '')) return '';
  const place = zone.split('/').pop()?.replaceAll('_', ' ') ?? zone;
  return french ? `heure locale : ${place}` : `${place} time`;
}
