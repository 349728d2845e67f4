/** A new source as a person fills it in, and the address that comes of it. */
import type { Text } from './types';

export const KINDS = ['onvif', 'rtsp', 'udp', 'tcp', 'srt', 'rtmp', 'remoteid'] as const;
export type Kind = (typeof KINDS)[number];

/** What `operations.source.add` knows as a service. */
export const SERVICES = ['police', 'gendarmerie', 'army', 'customs', 'municipal', 'fire', 'other'] as const;

/** What must be declared of a camera, where it is so: the law asks for it. */
export const TAGS = ['face-recognition', 'off-board-face-recognition', 'interconnection', 'permanent', 'sensitive-selection'] as const;

export interface Words {
  name: Text;
  /** What to write as the address. */
  hint: Text;
}

export const KIND_WORDS: Record<Kind, Words> = {
  onvif: {
    name: { fr: 'Caméra ONVIF', en: 'ONVIF camera' },
    hint: { fr: 'Son adresse sur le réseau, par exemple 192.168.1.20. Elle se tourne d’ici.', en: 'Its address on the network, such as 192.168.1.20. It is turned from here.' },
  },
  rtsp: {
    name: { fr: 'Caméra ou station RTSP', en: 'RTSP camera or station' },
    hint: { fr: 'Par exemple rtsp://192.168.1.20/live', en: 'Such as rtsp://192.168.1.20/live' },
  },
  udp: {
    name: { fr: 'Flux UDP (station de drone)', en: 'UDP stream (drone station)' },
    hint: { fr: 'Le port où la station envoie, par exemple udp://:5600', en: 'The port the station sends to, such as udp://:5600' },
  },
  tcp: {
    name: { fr: 'Flux TCP', en: 'TCP stream' },
    hint: { fr: 'tcp://hôte:port, ou tcp://:port?listen pour attendre l’appel', en: 'tcp://host:port, or tcp://:port?listen to wait for the call' },
  },
  srt: {
    name: { fr: 'Flux SRT', en: 'SRT stream' },
    hint: { fr: 'srt://hôte:port, ou srt://:port?mode=listener pour attendre l’appel', en: 'srt://host:port, or srt://:port?mode=listener to wait for the call' },
  },
  rtmp: {
    name: { fr: 'Flux RTMP', en: 'RTMP stream' },
    hint: { fr: 'rtmp://hôte/application/clé', en: 'rtmp://host/application/key' },
  },
  remoteid: {
    name: { fr: 'Récepteur : drones qui se signalent', en: 'Receiver: drones that signal themselves' },
    hint: { fr: 'Le port où le récepteur envoie, par exemple udp://:5700. Ce n’est pas une caméra.', en: 'The port the receiver sends to, such as udp://:5700. It is no camera.' },
  },
};

/** Kinds whose camera asks who is there: name and password have fields of their own. */
export function asksWho(kind: Kind): boolean {
  return kind === 'onvif' || kind === 'rtsp';
}

/** The kind that an address names by its first letters; null where it names none that is known. */
export function kindOf(address: string, kind: Kind): Kind | null {
  const scheme = /^([a-z]+):\/\//i.exec(address.trim())?.[1]?.toLowerCase().replace('rtmps', 'rtmp');
  if (scheme === undefined || (scheme === 'udp' && kind === 'remoteid')) return null;
  return KINDS.find((each) => each === scheme) ?? null;
}

/** The address in one line, as the server takes it; empty where nothing was written. */
export function addressOf(kind: Kind, address: string, user: string, password: string): string {
  const written = address.trim();
  if (!written) return '';
  const whole = written.includes('://') ? written : `${kind === 'remoteid' ? 'udp' : kind}://${written}`;
  if (!asksWho(kind) || !user) return whole;
  return whole.replace(/:\/\/(?:[^@/]*@)?/, `://${encodeURIComponent(user)}:${encodeURIComponent(password)}@`);
}

/** Degrees as people write them, with a comma or a point; null for what is none. */
export function degrees(written: string, most: 90 | 180): number | null {
  const value = Number(written.trim().replace(',', '.'));
  return written.trim() && Math.abs(value) <= most ? value : null;
}
