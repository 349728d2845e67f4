/** A request as the form holds it, what is missing in it, and the act's input. */
import { areaKm2, asPolygon, fromWall, polygonOf, toWall, type Order, type Polygon } from '../kit';

export interface Draft {
  title: string;
  purpose: string;
  service: string;
  necessity: string;
  lessIntrusive: string;
  equipment: string;
  /** A code of the order: given, exempt-urgency, exempt-aim. */
  informed: Information;
  exemption: string;
  place: string;
  perimeter: Polygon | null;
  cap: string;
  starts: string;
  ends: string;
  eventEnds: string;
  reference: string;
  file: File | null;
}

export type Fault = 'eMissing' | 'eCap' | 'eOrder' | 'eLong' | 'ePerimeter' | 'eFile';
export type Faults = Partial<Record<keyof Draft, Fault>>;

const HOUR_MS = 3_600_000;
/** Three months at most (CSI L242-5, IV), counted generously here: the law pack decides to the second. */
const LONGEST_MS = 93 * 24 * HOUR_MS;
/** Bytes of a scanned order. */
export const LARGEST_FILE = 8 * 1024 * 1024;
export const INFORMATION = ['given', 'exempt-urgency', 'exempt-aim'] as const;
export type Information = (typeof INFORMATION)[number];
export const SERVICES = ['police', 'gendarmerie', 'army', 'customs'] as const;

/** An empty request, from the next full hour for four hours. */
export function blank(now: number): Draft {
  const start = Math.ceil(now / HOUR_MS) * HOUR_MS;
  return {
    title: '',
    purpose: '',
    service: 'police',
    necessity: '',
    lessIntrusive: '',
    equipment: '',
    informed: 'given',
    exemption: '',
    place: '',
    perimeter: null,
    cap: '1',
    starts: toWall(start),
    ends: toWall(start + 4 * HOUR_MS),
    eventEnds: '',
    reference: '',
    file: null,
  };
}

/** What keeps this request from being sent; empty when nothing does. */
export function faults(draft: Draft, paper: boolean, gathering: boolean): Faults {
  const found: Faults = {};
  for (const key of ['title', 'purpose', 'service', 'necessity', 'lessIntrusive', 'equipment', 'place', 'starts', 'ends'] as const) {
    if (!draft[key].trim()) found[key] = 'eMissing';
  }
  if (draft.informed !== 'given' && !draft.exemption.trim()) found.exemption = 'eMissing';
  if (!/^([1-9]\d?|100)$/.test(draft.cap.trim())) found.cap = 'eCap';
  if (areaKm2(draft.perimeter) <= 0) found.perimeter = 'ePerimeter';
  const length = Date.parse(fromWall(draft.ends)) - Date.parse(fromWall(draft.starts));
  if (!found.ends && length <= 0) found.ends = 'eOrder';
  if (!found.ends && length > LONGEST_MS) found.ends = 'eLong';
  if (gathering && !draft.eventEnds) found.eventEnds = 'eMissing';
  if (paper && !draft.reference.trim()) found.reference = 'eMissing';
  if (paper && (!draft.file || draft.file.size === 0 || draft.file.size > LARGEST_FILE)) found.file = 'eFile';
  return found;
}

/** The input of `orders.draft`. */
export function input(draft: Draft, gathering: boolean): object {
  return {
    title: draft.title.trim(),
    purpose: draft.purpose,
    place: draft.place.trim(),
    perimeter: draft.perimeter,
    cap: Number(draft.cap),
    starts: fromWall(draft.starts),
    ends: fromWall(draft.ends),
    service: draft.service,
    necessity: draft.necessity.trim(),
    less_intrusive: draft.lessIntrusive.trim(),
    equipment: draft.equipment.trim(),
    public_information: draft.informed,
    information_exemption: draft.informed === 'given' ? '' : draft.exemption.trim(),
    event_ends: gathering && draft.eventEnds ? fromWall(draft.eventEnds) : null,
    renewal_of: null,
  };
}

/** A file's bytes as base64. */
export async function base64(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const CHUNK = 0x8000;
  let text = '';
  for (let at = 0; at < bytes.length; at += CHUNK) text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(text);
}

/** A perimeter typed as corners ("latitude, longitude" a line) or pasted as GeoJSON; null when it is neither. */
export function readPerimeter(text: string): Polygon | null {
  const trimmed = text.trim();
  if (trimmed.startsWith('{')) {
    try {
      return asPolygon(JSON.parse(trimmed));
    } catch {
      return null;
    }
  }
  const corners: [number, number][] = [];
  for (const line of trimmed.split('\n').filter((l) => l.trim())) {
    // "48,85 2,35" and "48.85, 2.35" are both how people write it.
    const numbers = line.includes('.') ? line.split(/[,;\s]+/) : line.replaceAll(',', '.').split(/[;\s]+/);
    const [lat, lon] = numbers.filter((n) => n).map(Number);
    if (lat === undefined || lon === undefined || Number.isNaN(lat) || Number.isNaN(lon)) return null;
    corners.push([lon, lat]);
  }
  return polygonOf(corners);
}

/** Corners as text, "latitude, longitude" a line. */
export function writePerimeter(polygon: Polygon | null): string {
  const ring = polygon?.coordinates[0] ?? [];
  return ring
    .slice(0, -1)
    .map(([lon = 0, lat = 0]) => `${lat.toFixed(5)}, ${lon.toFixed(5)}`)
    .join('\n');
}

export type Group = 'toSign' | 'running' | 'coming' | 'past';

/** Where an order stands for the person who reads the list. */
export function groupOf(order: Order, now: number): Group {
  if (['ended', 'revoked', 'expired', 'altered'].includes(order.state) || Date.parse(order.ends) <= now) return 'past';
  if (order.state === 'draft') return 'toSign';
  return Date.parse(order.starts) > now ? 'coming' : 'running';
}
