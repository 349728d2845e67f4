/** The binary frames of the live link: a header of 20 bytes, little endian, then the payload. */

export const FRAME = { config: 1, video: 2, klv: 3, positions: 4, end: 5, segment: 6, fragment: 7, tick: 8 } as const;

const HEADER_BYTES = 20;

export interface Frame {
  kind: number;
  /** Bit 0: key frame. */
  flags: number;
  key: boolean;
  stream: number;
  /** Presentation time, microseconds. */
  pts: number;
  /** Time of capture, microseconds since 1970. */
  capture: number;
  payload: Uint8Array;
}

/** The frame in a message, or null when it is too short to be one. */
export function parseFrame(buffer: ArrayBuffer): Frame | null {
  if (buffer.byteLength < HEADER_BYTES) return null;
  const view = new DataView(buffer);
  const flags = view.getUint8(1);
  return {
    kind: view.getUint8(0),
    flags,
    key: (flags & 1) === 1,
    stream: view.getUint16(2, true),
    pts: Number(view.getBigUint64(4, true)),
    capture: Number(view.getBigUint64(12, true)),
    payload: new Uint8Array(buffer, HEADER_BYTES),
  };
}

/** The JSON of a configuration, metadata or end frame; null when it cannot be read. */
export function frameJson<T>(frame: Frame): T | null {
  try {
    return JSON.parse(new TextDecoder().decode(frame.payload)) as T;
  } catch {
    return null;
  }
}

/** Flags of a positions frame: it holds all there is in view, what is not in it is not there. */
export const WHOLE = 2;
/** Flags of a position: the entity is gone. */
export const GONE = 0x8000;
/** The bits of a position's flags that hold its age in seconds. */
export const AGE = 0x0fff;
export const POSITION_BYTES = 16;
/** Units of a degree on the wire. */
export const SCALE = 1e7;

const FROM_TERMINAL = { fixes: 0x81, view: 0x82, names: 0x83 } as const;
const FIX_BYTES = 20;
const MAX_NAMES = 2000;

/** Where a device is: WGS84 degrees, heading in degrees, accuracy in metres, time in ms since 1970. */
export interface Fix {
  lat: number;
  lon: number;
  heading: number;
  accuracy: number;
  at: number;
}

/** [south, west, north, east] in degrees; west is greater than east across the 180th meridian. */
export type View = [number, number, number, number];

function message(kind: number, bytes: number): DataView<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(4 + bytes));
  view.setUint8(0, kind);
  return view;
}

/** The message that says where this device is. */
export function fixesMessage(fixes: Fix[]): DataView<ArrayBuffer> {
  const view = message(FROM_TERMINAL.fixes, FIX_BYTES * fixes.length);
  fixes.forEach((fix, n) => {
    const at = 4 + FIX_BYTES * n;
    view.setInt32(at, Math.round(fix.lat * SCALE), true);
    view.setInt32(at + 4, Math.round(fix.lon * SCALE), true);
    view.setUint16(at + 8, Math.round((((fix.heading % 360) + 360) % 360) * 100) % 36_000, true);
    view.setUint16(at + 10, Math.min(65_535, Math.round(fix.accuracy * 10)), true);
    view.setBigInt64(at + 12, BigInt(Math.round(fix.at)), true);
  });
  return view;
}

/** The message that moves what this terminal looks at. */
export function viewMessage(look: View): DataView<ArrayBuffer> {
  const view = message(FROM_TERMINAL.view, 16);
  look.forEach((degrees, n) => view.setInt32(4 + 4 * n, Math.round(degrees * SCALE), true));
  return view;
}

/** The message that asks what numbers are called. */
export function namesMessage(numbers: number[]): DataView<ArrayBuffer> {
  const asked = numbers.slice(0, MAX_NAMES);
  const view = message(FROM_TERMINAL.names, 4 * asked.length);
  asked.forEach((number, n) => view.setUint32(4 + 4 * n, number, true));
  return view;
}
