/** The binary frames of the live link: a header of 20 bytes, little endian, then the payload. */

export const FRAME = { config: 1, video: 2, klv: 3, positions: 4, end: 5, segment: 6, fragment: 7, tick: 8 } as const;

const HEADER_BYTES = 20;
const POSITION_BYTES = 16;

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

export interface Position {
  number: number;
  lat: number;
  lon: number;
  /** Degrees, 0 is north. */
  heading: number;
  flags: number;
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

/** The records of a positions frame; bytes after the last whole record are left out. */
export function parsePositions(frame: Frame): Position[] {
  const { payload } = frame;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const found: Position[] = [];
  for (let at = 0; at + POSITION_BYTES <= payload.byteLength; at += POSITION_BYTES) {
    found.push({
      number: view.getUint32(at, true),
      lat: view.getInt32(at + 4, true) / 1e7,
      lon: view.getInt32(at + 8, true) / 1e7,
      heading: view.getUint16(at + 12, true) / 100,
      flags: view.getUint16(at + 14, true),
    });
  }
  return found;
}
