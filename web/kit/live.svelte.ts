/**
 * The live link: one WebSocket at /live, opened when first needed and reopened by itself when it is lost.
 *
 * It carries acts (`live.act`), subscriptions that are made again after each reconnection (`live.keep`), pushes as typed
 * events (`live.on`) and binary frames (`live.onFrame`, `live.onStream`). `live.state` is reactive.
 */
import { failure, Problem, type Done } from './api';
import type { Signal } from './call';
import { parseFrame, type Frame } from './frames';
import type { Receipt, RefusalBody, RiverEntry, Text } from './types';

export interface EntityName {
  number: number;
  id: string;
  name: string;
  kind: string;
}

/** A call for help, as `operations.alert.list` and the push tell it. */
export interface Alert {
  id: string;
  at: string;
  lang: string;
  text: string;
  lat: number | null;
  lon: number | null;
  reach: string;
  taken: string | null;
  closed: boolean;
  /** Not in the ledger yet: the emergency journal holds it. */
  journal: boolean;
  /** What was opened from it. */
  incident: string | null;
  words: { id: string; at: string; officer: boolean; text: string }[];
}

/** A conversation of help by chat, as `services.chat.list` and the push tell it; the words only to the officer who answers. */
export interface Chat {
  id: string;
  at: string;
  since: string;
  due: string;
  lang: string;
  state: string;
  said: Text;
  mine: boolean;
  taken: boolean;
  closed: boolean;
  /** Not in the ledger yet: the emergency journal holds it. */
  journal: boolean;
  kept: boolean;
  callback: { phone?: string; safe_time?: string; whereabouts?: { address: string } } | null;
  lines: { id: string; at: string; officer: boolean; step: string; text: string }[];
}

/** One step of an incident or a task, and why it cannot be taken now; null: it can. */
export interface NextStep {
  name: string;
  why: Text | null;
}

/** An incident, as `operations.incident.follow` and the push tell it. */
export interface Incident {
  id: string;
  kind: string;
  /** 1 at once … 4 when there is time. */
  priority: number;
  state: string;
  opened: string;
  closed: boolean;
  origin: string;
  mission: string | null;
  merged: string | null;
  /** Whether this person may see its log, its tasks and its drawings. */
  concerned: boolean;
  title: string;
  text: string;
  lat: number | null;
  lon: number | null;
  radius: number;
  address: string;
  alerts: string[];
  steps: NextStep[];
}

export interface Task {
  id: string;
  mission: string;
  incident: string | null;
  state: string;
  created: string;
  changed: string;
  deadline: string | null;
  lat: number | null;
  lon: number | null;
  person: { id: string; name: string } | null;
  unit: string | null;
  title: string;
  text: string;
  answer: string;
  made_at: string;
  mine: boolean;
  steps: NextStep[];
}

/** Something drawn on the map; places are [longitude, latitude]. */
export interface Drawing {
  id: string;
  of: { kind: string; id: string };
  shape: 'point' | 'line' | 'polygon' | 'circle' | 'text';
  places: [number, number][];
  role: string;
  symbol: string;
  label: string;
  radius: number;
  at: string;
  expires: string | null;
  author: string | null;
}

/** A geofence that somebody or something crossed. */
export interface Crossing {
  id: string;
  geofence: string;
  name: string;
  kind: string;
  way: 'in' | 'out';
  mission: string;
  at: string;
  person: string | null;
  who: string;
  acknowledged: string | null;
  by: string | null;
}

export interface Pushes {
  incident: { push: 'incident'; incident: Incident };
  'incident.gone': { push: 'incident.gone'; incident: string };
  task: { push: 'task'; task: Task };
  drawing: { push: 'drawing'; drawing: Drawing };
  'drawing.gone': { push: 'drawing.gone'; drawing: string };
  /** More, or less, may be seen: ask again. */
  incidents: { push: 'incidents' };
  crossing: { push: 'crossing'; crossing: Crossing };
  geofences: { push: 'geofences' };
  'position.ended': { push: 'position.ended'; refusal: RefusalBody };
  'position.refused': { push: 'position.refused'; problem: { code: string; title: Text } };
  alert: { push: 'alert'; alert: Alert };
  chat: { push: 'chat'; chat: Chat };
  /** The room of a hearing by video: the other side's message, something to look at again, or its end. */
  hearing: { push: 'hearing'; file: string; signal?: Signal; news?: boolean; over?: boolean; recording?: 'over' | 'cut' };
  /** A gate's control: what a wallet posted, sealed; what an officer decided, with the wallet's receipt. */
  'border.answer': { push: 'border.answer'; control: string; answer: string };
  'border.decided': { push: 'border.decided'; control: string; word: string; receipt: string };
  /** Another passage waits for an officer, or one no longer does: ask again. */
  'border.cases': { push: 'border.cases'; realm: string };
  act: { push: 'act'; entry: RiverEntry };
  watches: { push: 'watches' };
  'watch.ended': { push: 'watch.ended'; watch: string; stream: number; refusal: RefusalBody };
  /** The same refusal, once its place in the ledger is known. */
  'watch.receipt': { push: 'watch.receipt'; watch: string; refusal: RefusalBody };
  /** The RTP time of the stream's moment 0, of a picture that comes over WebRTC. */
  'watch.clock': { push: 'watch.clock'; watch: string; zero: number };
  /** The way over WebRTC is gone: the picture comes over the socket again. */
  'watch.delivery': { push: 'watch.delivery'; watch: string; transport: 'socket' | 'fmp4' };
  picture: { push: 'picture' };
  source: { push: 'source'; source: string; state: string; detail: Text | null };
  entities: { push: 'entities'; entities: EntityName[] };
}

/** `moving`: the platform is being renewed, and the link goes over to the process that takes its place. */
export type LinkState = 'idle' | 'connecting' | 'open' | 'moving' | 'lost';
type Off = () => void;

interface Waiting {
  resolve: (done: Done<unknown>) => void;
  reject: (error: Error) => void;
}

const FIRST_WAIT_MS = 500;
/** The platform is being renewed: what was asked for is answered within this time before the link goes over. */
const MOVE_WITHIN_MS = 2000;
const LONGEST_WAIT_MS = 10_000;
const ANSWER_WITHIN_MS = 20_000;

const LOST = new Problem(0, {
  code: 'link-lost',
  title: { fr: 'Le lien avec la plateforme est coupé.', en: 'The link to the platform is lost.' },
  do: { fr: 'Il se rétablit tout seul. Recommencez ensuite.', en: 'It comes back by itself. Then try again.' },
});

class Live {
  /** `lost` once a link that was open (or could not open) is being retried. */
  state = $state<LinkState>('idle');
  /** When the present state began, milliseconds since 1970. */
  since = $state(Date.now());

  #socket: WebSocket | null = null;
  #next = 1;
  #wait = FIRST_WAIT_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #waiting = new Map<number, Waiting>();
  #kept = new Map<symbol, () => void>();
  #pushes = new Map<string, Set<(push: never) => void>>();
  #frames = new Set<(frame: Frame) => void>();
  #streams = new Map<number, Set<(frame: Frame) => void>>();
  #pings = new Map<number, (at: number) => void>();
  #opening: Promise<void> | null = null;
  #leaving = false;

  /** Perform an act through the live door. Throws Refusal or Problem, as `act` does. */
  async act<T = unknown>(name: string, input: object = {}): Promise<Done<T>> {
    await this.open();
    const socket = this.#socket;
    if (!socket || socket.readyState !== WebSocket.OPEN) throw LOST;
    const id = this.#next++;
    return new Promise<Done<T>>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(LOST);
      }, ANSWER_WITHIN_MS);
      this.#waiting.set(id, {
        resolve: (done) => {
          clearTimeout(timer);
          resolve(done as Done<T>);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      socket.send(JSON.stringify({ id, act: name, input }));
    });
  }

  /** Milliseconds to the server and back, behind whatever waits in between; null when no answer came within `within` ms. */
  async ping(within: number): Promise<number | null> {
    const socket = this.#socket;
    if (!socket || socket.readyState !== WebSocket.OPEN) return null;
    const id = this.#next++;
    const sent = performance.now();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#pings.delete(id);
        resolve(null);
      }, within);
      this.#pings.set(id, (at) => {
        clearTimeout(timer);
        resolve(at - sent);
      });
      socket.send(`{"ping":${id}}`);
    });
  }

  /** Send bytes to the stream an act has opened; false when there is no link just now. */
  send(data: DataView<ArrayBuffer>): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(data);
    return true;
  }

  /** Perform a subscription now and again after every reconnection, until the returned function is called. */
  keep(name: string, input: object = {}, onerror?: (error: unknown) => void, onresult?: (result: unknown) => void): Off {
    const key = Symbol(name);
    const ask = () => {
      this.act(name, input).then(
        (done) => onresult?.(done.result),
        (error: unknown) => {
          if (error !== LOST) onerror?.(error);
        },
      );
    };
    this.#kept.set(key, ask);
    if (this.state === 'open') ask();
    else void this.open().catch(() => undefined);
    return () => {
      this.#kept.delete(key);
    };
  }

  /** Follow one kind of push. */
  on<K extends keyof Pushes>(kind: K, listener: (push: Pushes[K]) => void): Off {
    const set = this.#pushes.get(kind) ?? new Set();
    set.add(listener as (push: never) => void);
    this.#pushes.set(kind, set);
    return () => set.delete(listener as (push: never) => void);
  }

  /** Follow every binary frame (positions have no stream of their own). */
  onFrame(listener: (frame: Frame) => void): Off {
    this.#frames.add(listener);
    return () => this.#frames.delete(listener);
  }

  /** Follow the binary frames of one stream. */
  onStream(stream: number, listener: (frame: Frame) => void): Off {
    const set = this.#streams.get(stream) ?? new Set();
    set.add(listener);
    this.#streams.set(stream, set);
    return () => {
      set.delete(listener);
      if (set.size === 0) this.#streams.delete(stream);
    };
  }

  /** Open the link if it is not; settles when it is open, rejects when this attempt failed. */
  open(): Promise<void> {
    if (this.#socket?.readyState === WebSocket.OPEN) return Promise.resolve();
    if (this.#opening) return this.#opening;
    clearTimeout(this.#timer);
    if (this.state !== 'lost' && this.state !== 'moving') this.#become('connecting');
    this.#opening = new Promise<void>((resolve, reject) => {
      const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
      const socket = new WebSocket(`${scheme}://${location.host}/live`);
      socket.binaryType = 'arraybuffer';
      this.#socket = socket;
      socket.onopen = () => {
        this.#opening = null;
        this.#wait = FIRST_WAIT_MS;
        this.#become('open');
        resolve();
        for (const ask of this.#kept.values()) ask();
      };
      socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => this.#receive(event.data);
      socket.onclose = () => {
        this.#opening = null;
        if (this.#socket === socket) this.#lost();
        reject(LOST);
      };
    });
    // A caller may not be listening: the failure is also told by `state`.
    this.#opening.catch(() => undefined);
    return this.#opening;
  }

  /** Close the link for good (the person signed out). */
  close(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    this.#opening = null;
    socket?.close();
    this.#failWaiting();
    this.#become('idle');
  }

  #become(state: LinkState): void {
    if (this.state === state) return;
    this.state = state;
    this.since = Date.now();
  }

  #failWaiting(): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const one of waiting) one.reject(LOST);
  }

  /** Go over to the process that takes the place of this one: it answers already. */
  #move(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#leaving = false;
    socket?.close();
    this.#failWaiting();
    this.#become('moving');
    void this.open().catch(() => undefined);
  }

  #lost(): void {
    this.#socket = null;
    this.#leaving = false;
    this.#become('lost');
    this.#failWaiting();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.open().catch(() => undefined), this.#wait * (0.75 + Math.random() / 2));
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
  }

  #receive(data: string | ArrayBuffer): void {
    if (typeof data !== 'string') {
      const frame = parseFrame(data);
      if (!frame) return;
      for (const listener of this.#frames) listener(frame);
      for (const listener of this.#streams.get(frame.stream) ?? []) listener(frame);
      return;
    }
    let message: { id?: number; pong?: number; push?: string; result?: unknown; receipt?: Receipt | null; error?: unknown };
    try {
      message = JSON.parse(data);
    } catch {
      console.warn('live: a message could not be read');
      return;
    }
    if (typeof message.pong === 'number') {
      this.#pings.get(message.pong)?.(performance.now());
      this.#pings.delete(message.pong);
      return;
    }
    if (message.push === 'moving') {
      this.#leaving = true;
      const socket = this.#socket;
      setTimeout(() => this.#socket === socket && this.#move(), this.#waiting.size > 0 ? MOVE_WITHIN_MS : 0);
      return;
    }
    if (typeof message.push === 'string') {
      for (const listener of this.#pushes.get(message.push) ?? []) listener(message as never);
      return;
    }
    const waiting = this.#waiting.get(message.id ?? -1);
    if (!waiting) return;
    this.#waiting.delete(message.id ?? -1);
    if (message.error !== undefined) waiting.reject(failure(message.error));
    else waiting.resolve({ result: message.result, receipt: message.receipt ?? null });
    if (this.#leaving && this.#waiting.size === 0) this.#move();
  }
}

/** The page's one live link. */
export const live = new Live();
