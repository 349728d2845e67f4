/** What `administration.people.list` gives. */

export interface Habilitation {
  id: string;
  scope: string;
  until: string;
}

export interface Passkey {
  id: string;
  label: string;
  added: string;
}

export interface Officer {
  id: string;
  name: string;
  /** The unit's name. */
  unit: string;
  roles: string[];
  habilitations: Habilitation[];
  passkeys: Passkey[];
  active: boolean;
}

export interface Scope {
  id: string;
  fr: string;
  en: string;
}

export interface People {
  people: Officer[];
  units: { id: string; name: string }[];
  roles: string[];
  scopes: Scope[];
}

/** What `operations.tak.peers` gives: partners, and of ours the authority (PEM), its fingerprint, the groups. */
export interface Partners {
  peers: {
    id: string;
    name: string;
    host: string;
    port: number;
    fingerprint: string;
    sends: string[];
    receives: string[];
    since: string;
    connected: boolean;
  }[];
  authority: string;
  fingerprint: string;
  groups: { id: string; name: string }[];
}
