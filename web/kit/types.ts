/** What the server says, as the pages read it. Times are ISO 8601 UTC strings, positions WGS84 degrees, ids opaque. */

export interface Text {
  fr: string;
  en: string;
}

export interface Receipt {
  realm: string;
  index: number;
}

/** One article that was not met: where it is written, what it means, what would make the act lawful, whom to ask. */
export interface Reason {
  rule: string;
  text: string;
  text_title: Text;
  article: string;
  fr: string;
  en: string;
  remedy?: Text | null;
  ask?: string | null;
}

export interface RefusalBody {
  code: 'refused';
  title: Text;
  act: string;
  receipt: Receipt | null;
  reasons: Reason[];
}

export interface ProblemBody {
  code: string;
  title: Text;
  do?: Text | null;
}

/** What a control needs in order to know whether it may be used, and otherwise why not. */
export interface Permission {
  allowed: boolean;
  reasons: Reason[];
}

export interface Named {
  id: string;
  name: string;
}

export interface Person extends Named {
  roles: string[];
  unit: string | null;
}

export interface Persona extends Named {
  roles: string[];
  about: Text;
}

export interface Session {
  signed_in: boolean;
  person: Person | null;
  demo: boolean;
  personas: Persona[];
  realm: string;
  jurisdiction: string;
  controller?: string;
  /** What this platform can do, by name: a page offers no way to what is not there. */
  capabilities: string[];
  /** IANA name: the clock on the platform's walls. */
  time_zone: string;
}

/** GeoJSON polygon: rings of [longitude, latitude]. */
export interface Polygon {
  type: 'Polygon';
  coordinates: number[][][];
}

export type OrderState = 'draft' | 'signed' | 'in_force' | 'ended' | 'revoked' | 'expired' | 'altered';

export interface Order {
  id: string;
  title: string;
  purpose: string;
  perimeter: Polygon;
  place: string;
  cap: number;
  starts: string;
  ends: string;
  issuer: string | null;
  issuer_name: string | null;
  necessity: string;
  less_intrusive: string;
  equipment?: string;
  public_information: string;
  information_exemption: string | null;
  state: OrderState;
  signed_at: string | null;
  revoked_at: string | null;
  reason: string | null;
  renewal_of: string | null;
  paper: { reference: string; sha256: string; imported_by: string } | null;
  event_ends?: string | null;
  service?: string;
}

export interface Purpose {
  code: string;
  article: string;
  label: Text;
}

export interface RiverEntry {
  index: number;
  at: string;
  act: string;
  /** The act in words, when the server says it. */
  summary?: Text | null;
  verb: string;
  activity: string;
  outcome: 'allowed' | 'refused' | 'failed';
  actor: Named | null;
  order: string | null;
  order_title: string | null;
  articles: string[];
  reasons: Reason[];
  /** When it was called, where it waited in the emergency journal before it could be recorded at `at`. */
  called?: string | null;
}

export interface Watch {
  id: string;
  actor: Named;
  source: string;
  source_name: string;
  order: string;
  order_title: string;
  articles: string[];
  since: string;
}

export interface LedgerHead {
  origin: string;
  size: number;
  root: string;
  note: string;
  vkey: string;
}

export interface LedgerProof {
  index: number;
  leaf: string;
  size: number;
  hashes: string[];
  note: string;
  vkey: string;
}
