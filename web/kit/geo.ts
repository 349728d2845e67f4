/** Small geometry for perimeters: areas, and reading a typed list of corners. */
import type { Polygon } from './types';

const EARTH_RADIUS_KM = 6371.0088;

/** Area of the outer ring, square kilometres, on the sphere (within 0.5 % for a perimeter of a town's size). */
export function areaKm2(polygon: Polygon | null | undefined): number {
  const ring = polygon?.coordinates[0];
  if (!ring || ring.length < 4) return 0;
  const rad = Math.PI / 180;
  let sum = 0;
  for (let i = 0; i + 1 < ring.length; i++) {
    const [lon1 = 0, lat1 = 0] = ring[i] ?? [];
    const [lon2 = 0, lat2 = 0] = ring[i + 1] ?? [];
    sum += (lon2 - lon1) * rad * (2 + Math.sin(lat1 * rad) + Math.sin(lat2 * rad));
  }
  return Math.abs((sum * EARTH_RADIUS_KM * EARTH_RADIUS_KM) / 2);
}

/** A closed polygon from [longitude, latitude] corners; null with fewer than three or one out of the world. */
export function polygonOf(corners: [number, number][]): Polygon | null {
  const sound = corners.every(([lon, lat]) => Math.abs(lon) <= 180 && Math.abs(lat) <= 90);
  const first = corners[0];
  if (corners.length < 3 || !sound || !first) return null;
  return { type: 'Polygon', coordinates: [[...corners, first]] };
}

/** A square of `side` metres around a point. */
export function squareAround(lon: number, lat: number, side: number): Polygon {
  const dLat = side / 2 / 111_320;
  const dLon = dLat / Math.cos((lat * Math.PI) / 180);
  const ring: number[][] = [
    [lon - dLon, lat - dLat],
    [lon + dLon, lat - dLat],
    [lon + dLon, lat + dLat],
    [lon - dLon, lat + dLat],
    [lon - dLon, lat - dLat],
  ];
  return { type: 'Polygon', coordinates: [ring.map(([x = 0, y = 0]) => [Number(x.toFixed(6)), Number(y.toFixed(6))])] };
}

/** Whether a value read from a file is a GeoJSON polygon, bare or in a feature; gives the bare geometry. */
export function asPolygon(value: unknown): Polygon | null {
  if (typeof value !== 'object' || value === null) return null;
  const read = value as { type?: unknown; geometry?: unknown; features?: unknown; coordinates?: unknown };
  if (read.type === 'Feature') return asPolygon(read.geometry);
  if (read.type === 'FeatureCollection') return Array.isArray(read.features) ? asPolygon(read.features[0]) : null;
  if (read.type !== 'Polygon' || !Array.isArray(read.coordinates)) return null;
  const ring: unknown = read.coordinates[0];
  const sound =
    Array.isArray(ring) &&
    ring.length >= 4 &&
    ring.every((c) => Array.isArray(c) && typeof c[0] === 'number' && typeof c[1] === 'number');
  return sound ? { type: 'Polygon', coordinates: read.coordinates as number[][][] } : null;
}
