/** What the acts of TAK's devices give. */

export interface Device {
  id: string;
  callsign: string;
  /** Whose it is. */
  name: string;
  signed: string;
  until: string;
  revoked: string | null;
  own: boolean;
}

export interface Devices {
  devices: Device[];
  /** Whether this platform enrols devices at all. */
  ready: boolean;
}

/** Shown once. */
export interface Enrolment {
  device: string;
  url: string;
  /** The address as a picture, SVG. */
  code: string;
  package: string;
  until: string;
}
