/** What the operations console reads from the server, beyond the kit's shared types. */
import type { Named, Order, Permission, Polygon, Purpose, Text } from '../kit/types';

export interface Camera {
  /** The deployment: one source, filming for one mission. */
  id: string;
  source: string;
  state: string;
  started: string | null;
  /** The order it films under. */
  order: string | null;
}

export interface Mission {
  id: string;
  title: string;
  order: Order | null;
  state: string;
  roster: Named[];
  cameras: Camera[];
}

export interface Source {
  id: string;
  name: string;
  kind: string;
  aerial: boolean;
  aircraft: string | null;
  service: string | null;
  tags: string[];
  state: string;
  detail: Text | null;
  /** The camera's present deployment, or null when it is not filming for anyone. */
  deployment: string | null;
  /** Whether this person may see it now, and otherwise why not; null while it is not filming for anyone. */
  can_watch: Permission | null;
}

export interface TownMap {
  pmtiles: string | null;
  /** [longitude, latitude] */
  center?: [number, number];
  zoom?: number;
  attribution?: string;
}

export interface Picture {
  /** Who may be put in a crew, for those who may change one. */
  people?: Named[];
  /** The orders a mission may be opened under, for those who may open one. */
  orders?: Order[];
  /** Purposes by name, where the server gives them: without them an order's code is shown. */
  purposes?: Purpose[];
  missions: Mission[];
  sources: Source[];
  map: TownMap;
  /** Whether a picture can be had over RTSP. */
  rtsp?: boolean;
}

export interface Recording {
  id: string;
  source: string;
  started: string;
  ended: string | null;
  bytes: number;
  state: 'recording' | 'sealed' | 'erased';
  sealed_until: string | null;
  erase_at: string | null;
  codec: string;
}

/** One moment of a drone's telemetry (MISB ST 0601): keys are there only when known. Degrees and metres. */
export interface Klv {
  time?: string;
  mission?: string;
  tail?: string;
  platform?: { heading?: number; pitch?: number; roll?: number; lat?: number; lon?: number; alt?: number; speed?: number };
  sensor?: {
    lat?: number;
    lon?: number;
    alt?: number;
    hfov?: number;
    vfov?: number;
    rel_azimuth?: number;
    rel_elevation?: number;
    rel_roll?: number;
  };
  /** The security marking of the picture (MISB ST 0102): the line to show; `unreadable` says why it could not be read. */
  security?: { marking: string; unreadable?: string };
  slant_range?: number;
  target_width?: number;
  center?: { lat?: number; lon?: number; alt?: number };
  /** [lat, lon] of the image's upper-left, upper-right, lower-right, lower-left. */
  corners?: [number, number][];
}

export interface LatLon {
  lat: number;
  lon: number;
}

/** A place in the image: 0…1 from its left and from its top. */
export interface ImagePoint {
  u: number;
  v: number;
}

/** A place someone marked, in the picture or on the map; it stays on this terminal until a note is made of it. */
export interface Mark extends LatLon {
  id: number;
  at: number;
  from: 'picture' | 'map';
  source: string | null;
  /** The telemetry's time of the picture it was marked in (ISO 8601, UTC); null for a mark on the map. */
  moment: string | null;
  /** The note made of it, once recorded. */
  note: string | null;
}

/** Something with a position of its own: a patrol, a vehicle, a drone. */
export interface Entity extends LatLon {
  number: number;
  id: string;
  name: string;
  kind: string;
  heading: number;
  /** When the position was measured, milliseconds since 1970. */
  at: number;
}

/** A geofence that stands. */
export interface Geofence {
  id: string;
  mission: string;
  name: string;
  kind: 'enter' | 'leave' | 'no-go';
  until: string;
  /** [longitude, latitude] */
  ring: [number, number][];
}

export type { Named, Order, Permission, Polygon, Text };
