/** What lies over the town: perimeters, the camera's footprint and track, positions and marks. */
import type { Feature, FeatureCollection, Geometry } from 'geojson';
import type { AddLayerObject, GeoJSONSource, Map as MapLibre } from 'maplibre-gl';
import type { Theme } from '../../kit/theme.svelte';
import type { Projector } from '../ground';
import { STALE_MS } from '../moving';
import type { Entity, Geofence, Klv, Mark, Polygon } from '../types';
import { token } from './basemap';
import { addMarks, ensureSymbol, sidcOf } from './symbols';

const NOTHING: FeatureCollection = { type: 'FeatureCollection', features: [] };
export const SOURCES = ['perimeters', 'geofences', 'flight', 'entities', 'crowds', 'marks'] as const;
export type OverlayName = (typeof SOURCES)[number];
const FAINT = 0.45;

export interface Flight {
  klv: Klv | null;
  projector: Projector | null;
  track: [number, number][];
  sidc: string;
  name: string;
  /** Where it was, not where it is: drawn faint, and without claiming what its camera sees. */
  stale: boolean;
}

function feature(geometry: Geometry, properties: Record<string, unknown> = {}): Feature {
  return { type: 'Feature', geometry, properties };
}

function collection(features: Feature[]): FeatureCollection {
  return { type: 'FeatureCollection', features };
}

function layers(): AddLayerObject[] {
  const text = {
    'text-font': ['B612'],
    'text-size': 13,
    'text-optional': true,
    'text-offset': [0, 2.9] as [number, number],
    'text-anchor': 'top' as const,
  };
  const halo = { 'text-color': token('--ink'), 'text-halo-color': token('--paper'), 'text-halo-width': 2 };
  return [
    { id: 'perimeter-fill', type: 'fill', source: 'perimeters', paint: { 'fill-color': token('--blue-mark'), 'fill-opacity': 0.07 } },
    {
      id: 'perimeter-line',
      type: 'line',
      source: 'perimeters',
      paint: { 'line-color': token('--blue-mark'), 'line-width': 2.5, 'line-dasharray': [4, 2] },
    },
    {
      id: 'geofence-fill',
      type: 'fill',
      source: 'geofences',
      paint: { 'fill-color': ['case', ['==', ['get', 'kind'], 'no-go'], token('--red-mark'), token('--amber-mark')], 'fill-opacity': 0.12 },
    },
    {
      id: 'geofence-line',
      type: 'line',
      source: 'geofences',
      paint: { 'line-color': ['case', ['==', ['get', 'kind'], 'no-go'], token('--red-mark'), token('--amber-mark')], 'line-width': 2.5 },
    },
    {
      id: 'geofence-name',
      type: 'symbol',
      source: 'geofences',
      filter: ['has', 'name'],
      layout: { 'text-field': ['get', 'name'], ...text, 'text-offset': [0, 0], 'text-anchor': 'center' },
      paint: halo,
    },
    { id: 'footprint-fill', type: 'fill', source: 'flight', filter: ['==', ['get', 'part'], 'footprint'], paint: { 'fill-color': token('--accent'), 'fill-opacity': 0.16 } },
    { id: 'footprint-line', type: 'line', source: 'flight', filter: ['==', ['get', 'part'], 'footprint'], paint: { 'line-color': token('--accent'), 'line-width': 2 } },
    {
      id: 'track-line',
      type: 'line',
      source: 'flight',
      filter: ['==', ['get', 'part'], 'track'],
      layout: { 'line-join': 'round' },
      paint: { 'line-color': token('--ink'), 'line-width': 2, 'line-opacity': 0.75 },
    },
    ...(['entities', 'flight'] as const).flatMap((source): AddLayerObject[] => [
      {
        id: `${source}-heading`,
        type: 'symbol',
        source,
        filter: ['has', 'heading'],
        layout: {
          'icon-image': 'heading',
          'icon-rotate': ['get', 'heading'],
          'icon-rotation-alignment': 'map',
          'icon-allow-overlap': true,
          'icon-ignore-placement': true,
        },
        paint: { 'icon-opacity': ['get', 'opacity'] },
      },
      {
        id: `${source}-symbol`,
        type: 'symbol',
        source,
        filter: ['has', 'icon'],
        layout: { 'icon-image': ['get', 'icon'], 'icon-allow-overlap': true, 'text-field': ['get', 'name'], ...text },
        paint: { ...halo, 'icon-opacity': ['get', 'opacity'], 'text-opacity': ['get', 'opacity'] },
      },
    ]),
    {
      id: 'crowd-count',
      type: 'symbol',
      source: 'crowds',
      layout: { 'text-field': ['to-string', ['get', 'count']], ...text, 'text-size': 18, 'text-offset': [0, 0], 'text-anchor': 'center', 'text-allow-overlap': true },
      paint: { ...halo, 'text-halo-width': 3 },
    },
    {
      id: 'centre-symbol',
      type: 'symbol',
      source: 'flight',
      filter: ['==', ['get', 'part'], 'centre'],
      layout: { 'icon-image': 'centre', 'icon-allow-overlap': true, 'icon-ignore-placement': true },
    },
    {
      id: 'mark-symbol',
      type: 'symbol',
      source: 'marks',
      layout: {
        'icon-image': 'mark',
        'icon-allow-overlap': true,
        'text-field': ['get', 'name'],
        ...text,
        'text-size': 15,
        'text-offset': [0, 1],
      },
      paint: halo,
    },
  ];
}

/** Put the overlays on a style that has just been loaded. */
export function addOverlays(map: MapLibre): void {
  addMarks(map);
  for (const name of SOURCES) {
    if (!map.getSource(name)) map.addSource(name, { type: 'geojson', data: NOTHING });
  }
  for (const layer of layers()) {
    if (!map.getLayer(layer.id)) map.addLayer(layer);
  }
}

/** Give a source its data; nothing happens while a style is being changed. */
export function setOverlay(map: MapLibre, name: OverlayName, data: FeatureCollection): void {
  const source = map.getSource<GeoJSONSource>(name);
  if (source) void source.setData(data);
}

export function perimeters(polygons: Polygon[]): FeatureCollection {
  return collection(polygons.map((p) => feature(p)));
}

/**
 * The flight at the moment of the picture on the screen: footprint, track, the drone, the middle of the picture. One
 * collection, so that its parts move together and the map is drawn once.
 */
export function flight(map: MapLibre, theme: Theme, drone: Flight): FeatureCollection {
  const { klv, projector, track } = drone;
  if (!klv) return NOTHING;
  const features: Feature[] = [];
  const ring = projector?.footprint?.map((p) => [p.lon, p.lat]);
  const first = ring?.[0];
  if (ring && first && !drone.stale) features.push(feature({ type: 'Polygon', coordinates: [[...ring, first]] }, { part: 'footprint' }));
  if (track.length > 1) features.push(feature({ type: 'LineString', coordinates: track }, { part: 'track' }));
  const { lat, lon, heading } = klv.platform ?? {};
  if (lat !== undefined && lon !== undefined) {
    const icon = ensureSymbol(map, drone.sidc, theme);
    const facing = heading === undefined ? {} : { heading };
    features.push(feature({ type: 'Point', coordinates: [lon, lat] }, { part: 'drone', icon, name: drone.name, opacity: drone.stale ? FAINT : 1, ...facing }));
  }
  const { lat: centreLat, lon: centreLon } = klv.center ?? {};
  if (centreLat !== undefined && centreLon !== undefined && !drone.stale) {
    features.push(feature({ type: 'Point', coordinates: [centreLon, centreLat] }, { part: 'centre' }));
  }
  return collection(features);
}

export function entities(map: MapLibre, theme: Theme, all: Entity[]): FeatureCollection {
  const now = Date.now();
  return collection(
    all.map((e) =>
      feature(
        { type: 'Point', coordinates: [e.lon, e.lat] },
        { id: e.id, icon: ensureSymbol(map, sidcOf(e.kind), theme), name: e.name, heading: e.heading, opacity: now - e.at > STALE_MS ? FAINT : 1 },
      ),
    ),
  );
}

/** How many there are about a place. */
export function crowds(all: { lat: number; lon: number; count: number }[]): FeatureCollection {
  return collection(all.map((c) => feature({ type: 'Point', coordinates: [c.lon, c.lat] }, { count: c.count })));
}

/** Fences that stand, and the one being drawn (its corners so far). */
export function geofences(all: Geofence[], drawing: [number, number][]): FeatureCollection {
  const [first] = drawing;
  const made = first ? [feature(drawing.length > 2 ? { type: 'Polygon', coordinates: [[...drawing, first]] } : { type: 'LineString', coordinates: drawing }, { kind: 'drawing' })] : [];
  return collection([...all.map((f) => feature({ type: 'Polygon', coordinates: [f.ring] }, { kind: f.kind, name: f.name })), ...made]);
}

export function marks(all: Mark[]): FeatureCollection {
  return collection(all.map((m) => feature({ type: 'Point', coordinates: [m.lon, m.lat] }, { name: String(m.id) })));
}
