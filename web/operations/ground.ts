/**
 * From a place in the picture to a place on the ground, and back.
 *
 * What: a `Projector` made of one moment of telemetry. With the four corners it is the projective map (homography) that
 * sends the image's corners to theirs on the ground; without them, the ray of the camera's pose cut with a flat ground.
 * Why: a click in the video must be a point on the map that another officer can go to, or nothing at all: a point above
 * the horizon, or outside what is known, is `null` and never a guess.
 * Source: P. Heckbert, "Fundamentals of Texture Mapping and Image Warping" (1989), §2.2.3; MISB ST 0601 items 5-7, 13-20,
 * 82-89 (angles in degrees: yaw, pitch, roll of the platform, then azimuth, elevation, roll of the sensor).
 */
import type { ImagePoint, Klv, LatLon } from './types';

export interface Projector {
  /** How it knows: the corners that the drone sent, or the pose of its camera over flat ground. */
  method: 'corners' | 'pose';
  toGround(u: number, v: number): LatLon | null;
  toImage(lat: number, lon: number): ImagePoint | null;
  /** The image's corners on the ground, upper left first and clockwise; null when one of them sees the sky. */
  footprint: LatLon[] | null;
}

const RADIAN = Math.PI / 180;
/** Below this the quadrilateral is a line, or the ray is level: nothing can be said. */
const FLAT = 1e-9;
/** A ray that meets the ground further than this (metres) is the horizon. */
const HORIZON_M = 50_000;

/** Metres in one degree of latitude and of longitude, on the WGS84 ellipsoid. */
export function degreeLengths(lat: number): { lat: number; lon: number } {
  const f = lat * RADIAN;
  return {
    lat: 111_132.954 - 559.822 * Math.cos(2 * f) + 1.175 * Math.cos(4 * f),
    lon: 111_412.84 * Math.cos(f) - 93.5 * Math.cos(3 * f) + 0.118 * Math.cos(5 * f),
  };
}

/** Metres between two places less than some tens of kilometres apart. */
export function metresBetween(a: LatLon, b: LatLon): number {
  const size = degreeLengths((a.lat + b.lat) / 2);
  return Math.hypot((b.lat - a.lat) * size.lat, (b.lon - a.lon) * size.lon);
}

type Matrix = [number, number, number, number, number, number, number, number, number];

/** The map from the unit square to a quadrilateral, corners in the order (0,0) (1,0) (1,1) (0,1). */
function squareTo(q: readonly { x: number; y: number }[]): Matrix | null {
  const [p0, p1, p2, p3] = q;
  if (!p0 || !p1 || !p2 || !p3) return null;
  const dx1 = p1.x - p2.x;
  const dx2 = p3.x - p2.x;
  const sx = p0.x - p1.x + p2.x - p3.x;
  const dy1 = p1.y - p2.y;
  const dy2 = p3.y - p2.y;
  const sy = p0.y - p1.y + p2.y - p3.y;
  const den = dx1 * dy2 - dx2 * dy1;
  if (Math.abs(den) < FLAT) return null;
  const g = (sx * dy2 - dx2 * sy) / den;
  const h = (dx1 * sy - sx * dy1) / den;
  // A corner behind the camera is no image of the ground.
  if (1 + g <= FLAT || 1 + h <= FLAT || 1 + g + h <= FLAT) return null;
  return [p1.x - p0.x + g * p1.x, p3.x - p0.x + h * p3.x, p0.x, p1.y - p0.y + g * p1.y, p3.y - p0.y + h * p3.y, p0.y, g, h, 1];
}

/** The adjugate: the inverse but for a factor, which a projective map does not feel. */
function adjugate([a, b, c, d, e, f, g, h, i]: Matrix): Matrix {
  return [e * i - f * h, c * h - b * i, b * f - c * e, f * g - d * i, a * i - c * g, c * d - a * f, d * h - e * g, b * g - a * h, a * e - b * d];
}

function apply([a, b, c, d, e, f, g, h, i]: Matrix, x: number, y: number): { x: number; y: number; w: number } {
  const w = g * x + h * y + i;
  return { x: (a * x + b * y + c) / w, y: (d * x + e * y + f) / w, w };
}

function fromCorners(corners: readonly [number, number][]): Projector | null {
  if (corners.length !== 4 || corners.some((c) => !Number.isFinite(c[0]) || !Number.isFinite(c[1]))) return null;
  const footprint = corners.map(([lat, lon]) => ({ lat, lon }));
  const lat0 = footprint.reduce((sum, c) => sum + c.lat, 0) / 4;
  const lon0 = footprint.reduce((sum, c) => sum + c.lon, 0) / 4;
  const size = degreeLengths(lat0);
  const forward = squareTo(footprint.map((c) => ({ x: (c.lon - lon0) * size.lon, y: (c.lat - lat0) * size.lat })));
  if (!forward) return null;
  const back = adjugate(forward);
  return {
    method: 'corners',
    footprint,
    toGround(u, v) {
      const at = apply(forward, u, v);
      return at.w > FLAT ? { lat: lat0 + at.y / size.lat, lon: lon0 + at.x / size.lon } : null;
    },
    toImage(lat, lon) {
      const at = apply(back, (lon - lon0) * size.lon, (lat - lat0) * size.lat);
      const seen = Number.isFinite(at.x) && Number.isFinite(at.y) && forward[6] * at.x + forward[7] * at.y + 1 > FLAT;
      return seen ? { u: at.x, v: at.y } : null;
    },
  };
}

type Vector = [number, number, number];

/** Body to north-east-down: yaw, then pitch (nose up), then roll (right wing down), in degrees. */
function rotation(yaw: number, pitch: number, roll: number): Matrix {
  const [cy, sy] = [Math.cos(yaw * RADIAN), Math.sin(yaw * RADIAN)];
  const [cp, sp] = [Math.cos(pitch * RADIAN), Math.sin(pitch * RADIAN)];
  const [cr, sr] = [Math.cos(roll * RADIAN), Math.sin(roll * RADIAN)];
  return [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr, sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr, -sp, cp * sr, cp * cr];
}

function times(m: Matrix, [x, y, z]: Vector): Vector {
  return [m[0] * x + m[1] * y + m[2] * z, m[3] * x + m[4] * y + m[5] * z, m[6] * x + m[7] * y + m[8] * z];
}

function transpose([a, b, c, d, e, f, g, h, i]: Matrix): Matrix {
  return [a, d, g, b, e, h, c, f, i];
}

/** The height of the flat ground, metres: what the drone says, else what its slant range implies, else unknown. */
function groundHeight(klv: Klv, alt: number, boresightDown: number): number | null {
  if (klv.center?.alt !== undefined) return klv.center.alt;
  if (klv.slant_range !== undefined && boresightDown > 0) return alt - klv.slant_range * boresightDown;
  return null;
}

function fromPose(klv: Klv, aspect: number): Projector | null {
  const { platform, sensor } = klv;
  const { lat: lat0, lon: lon0, alt, hfov, rel_azimuth, rel_elevation } = sensor ?? {};
  if (lat0 === undefined || lon0 === undefined || alt === undefined || !hfov) return null;
  if (platform?.heading === undefined || rel_azimuth === undefined || rel_elevation === undefined) return null;
  const body = rotation(platform.heading, platform.pitch ?? 0, platform.roll ?? 0);
  const gimbal = rotation(rel_azimuth, rel_elevation, sensor?.rel_roll ?? 0);
  const tanH = Math.tan((hfov * RADIAN) / 2);
  const tanV = sensor?.vfov ? Math.tan((sensor.vfov * RADIAN) / 2) : tanH / aspect;
  const size = degreeLengths(lat0);
  const boresight = times(body, times(gimbal, [1, 0, 0]));
  const ground = groundHeight(klv, alt, boresight[2]);
  if (ground === null || alt <= ground) return null;
  const toGround = (u: number, v: number): LatLon | null => {
    const ray = times(body, times(gimbal, [1, tanH * (2 * u - 1), tanV * (2 * v - 1)]));
    if (ray[2] < FLAT) return null;
    const far = (alt - ground) / ray[2];
    const [north, east] = [ray[0] * far, ray[1] * far];
    return Math.hypot(north, east) > HORIZON_M ? null : { lat: lat0 + north / size.lat, lon: lon0 + east / size.lon };
  };
  const toSensor = transpose(gimbal);
  const toBody = transpose(body);
  const corners = [toGround(0, 0), toGround(1, 0), toGround(1, 1), toGround(0, 1)];
  return {
    method: 'pose',
    footprint: corners.every((c): c is LatLon => c !== null) ? corners : null,
    toGround,
    toImage(lat, lon) {
      const away: Vector = [(lat - lat0) * size.lat, (lon - lon0) * size.lon, alt - ground];
      const [x, y, z] = times(toSensor, times(toBody, away));
      return x > FLAT ? { u: (y / x / tanH + 1) / 2, v: (z / x / tanV + 1) / 2 } : null;
    },
  };
}

/** The projector of this moment; null when the telemetry does not say enough. `aspect` is the image's width over height. */
export function projectorOf(klv: Klv | null, aspect: number): Projector | null {
  if (!klv) return null;
  return (klv.corners ? fromCorners(klv.corners) : null) ?? fromPose(klv, aspect);
}

/** Whether a place in the image is in the picture. */
export function inPicture(point: ImagePoint | null): point is ImagePoint {
  return point !== null && point.u >= 0 && point.u <= 1 && point.v >= 0 && point.v <= 1;
}
