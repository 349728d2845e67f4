/**
 * One live view under a lease: asked for by an act, decoded, and taken away the moment the lease is refused.
 *
 * The states are those of the picture: `opening` (the law is being asked), `waiting` (allowed, no picture yet), `live`,
 * `refused` (the law said no, at the start), `ended` (over: the lease was refused, the stream stopped or the person
 * stopped watching: see `ending`), `failed` (something else). Without the live link there is no lease, hence no picture.
 */
import { untrack } from 'svelte';
import { asFailure, failure, Refusal, type Problem } from '../kit/api';
import { FRAME, frameJson, type Frame } from '../kit/frames';
import { live } from '../kit/live.svelte';
import { now } from '../kit/time.svelte';
import type { Order, Receipt } from '../kit/types';
import { Delivery } from './delivery.svelte';
import type { Shown } from './player';
import { projectorOf, type Projector } from './ground';
import { Telemetry } from './telemetry';
import type { Klv } from './types';

export type WatchState = 'idle' | 'opening' | 'waiting' | 'live' | 'refused' | 'ended' | 'failed';
export type Ending = 'refused' | 'stream' | 'closed';

interface Opened {
  watch: string;
  stream: number;
  source: string;
  source_name: string;
  order: Order | null;
  articles: string[];
  lease_s: number;
}

/** Frames that may come before the answer which names their stream. */
const EARLY_FRAMES = 256;
/** Without a picture for this long, the last one is not live any more; key frames may be seconds apart. */
const STALE_AFTER_MS = { normal: 2000, low: 8000, minimal: Number.POSITIVE_INFINITY };
/** Latency is averaged over about this many pictures so that the figure can be read. */
const LATENCY_SMOOTHING = 15;
/** A clock difference larger than this (ms) makes the latency unknown rather than wrong. */
const BELIEVABLE_MS = 60_000;

export class Watch {
  state = $state<WatchState>('idle');
  ending = $state<Ending | null>(null);
  /** The watched source, from the moment one asks for it. */
  source = $state<string | null>(null);
  deployment = $state<string | null>(null);
  /** The watch's id, given by the server. */
  id = $state<string | null>(null);
  order = $state<Order | null>(null);
  articles = $state<string[]>([]);
  receipt = $state<Receipt | null>(null);
  failure = $state<Refusal | Problem | null>(null);
  unsupported = $state<string | null>(null);
  frames = $state(0);
  firstFrameMs = $state<number | null>(null);
  latencyMs = $state<number | null>(null);
  /** When the last picture was drawn, milliseconds since 1970 by the server's clock. */
  shownAt = $state<number | null>(null);
  width = $state(16);
  height = $state(9);
  /** The telemetry of the picture on the screen. */
  klv = $state.raw<Klv | null>(null);
  track = $state.raw<[number, number][]>([]);

  /** Which way the picture comes, and how much of it. */
  delivery = new Delivery({
    shown: (picture) => this.#shown(picture),
    sized: (width, height) => {
      this.width = width;
      this.height = height;
    },
    unsupported: (codec) => {
      this.unsupported = codec;
    },
    taken: () => {
      this.state = 'waiting';
      this.shownAt = null;
      this.klv = null;
    },
  });

  #telemetry = new Telemetry();
  #stream: number | null = null;
  #early: Frame[] = [];
  #asked = 0;
  #attempt = 0;
  #offs: (() => void)[] = [];
  /** Hears the ledger number of a refusal that ended the picture; outlives the picture. */
  #late: (() => void) | null = null;

  /** The projector of the picture on the screen; null when its telemetry is not enough. */
  get projector(): Projector | null {
    return projectorOf(this.klv, this.width / this.height);
  }

  /** Pictures came and have stopped coming: what is on the screen and on the map is the past. */
  get stale(): boolean {
    return this.shownAt !== null && now() - this.shownAt > STALE_AFTER_MS[this.delivery.mode];
  }

  get on(): boolean {
    return this.state === 'opening' || this.state === 'waiting' || this.state === 'live';
  }

  /** The canvas the pictures go to; the returned function lets go of it. */
  attach = (canvas: HTMLCanvasElement): (() => void) => {
    // Untracked: an attachment that read the state would be undone and redone, the picture with it, at every change of it.
    untrack(() => this.delivery.onto(canvas));
    return () => untrack(() => this.delivery.leave(canvas));
  };

  /** Ask to see a deployment. Never throws: a refusal or a problem is in `failure`. */
  async open(source: string, deployment: string, purpose: string | null): Promise<void> {
    await this.close();
    const attempt = ++this.#attempt;
    this.#reset();
    this.source = source;
    this.deployment = deployment;
    this.state = 'opening';
    this.#asked = performance.now();
    this.#offs = [
      live.onFrame((frame) => this.#receive(frame)),
      live.on('watch.ended', (push) => {
        if (push.watch === this.id) this.#end('refused', failure(push.refusal));
      }),
    ];
    try {
      const { form, mode } = this.delivery;
      const { result, receipt } = await live.act<Opened>('operations.watch.open', { deployment, purpose, form, mode });
      if (attempt !== this.#attempt) {
        // The person has moved on: give the lease back.
        live.act('operations.watch.close', { watch: result.watch }).catch(() => undefined);
        return;
      }
      this.id = result.watch;
      this.#late?.();
      this.#late = live.on('watch.receipt', (push) => {
        if (push.watch === result.watch && this.failure instanceof Refusal) this.failure = failure(push.refusal);
      });
      this.#stream = result.stream;
      this.order = result.order;
      this.articles = result.articles;
      this.receipt = receipt;
      this.state = 'waiting';
      this.delivery.start(result.watch);
      for (const frame of this.#early.splice(0)) this.#receive(frame);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      this.#stop();
      this.failure = asFailure(error);
      this.state = this.failure instanceof Refusal ? 'refused' : 'failed';
    }
  }

  /** Stop watching and give the lease back. */
  async close(): Promise<void> {
    this.#attempt += 1;
    if (!this.on) return;
    const { id } = this;
    this.#end('closed', null);
    if (!id || live.state !== 'open') return;
    try {
      await live.act('operations.watch.close', { watch: id });
    } catch (error) {
      // The lease ends by itself within two seconds; nothing for the person to do.
      console.info('watch.close:', error);
    }
  }

  /** The camera films no more for the deployment being watched. */
  stopped(): void {
    if (!this.on) return;
    this.#attempt += 1;
    this.#end('stream', null);
  }

  /** The live link is lost, and the lease with it. True when there was something to lose. */
  cut(): boolean {
    if (!this.on) return false;
    this.#attempt += 1;
    this.#stop();
    this.id = null;
    this.state = 'waiting';
    return true;
  }

  #reset(): void {
    this.ending = null;
    this.id = null;
    this.order = null;
    this.articles = [];
    this.receipt = null;
    this.failure = null;
    this.unsupported = null;
    this.frames = 0;
    this.firstFrameMs = null;
    this.latencyMs = null;
    this.shownAt = null;
    this.klv = null;
    this.track = [];
    this.#early = [];
    this.#stream = null;
    this.#telemetry.clear();
  }

  #receive(frame: Frame): void {
    if (frame.kind === FRAME.positions) return;
    if (this.#stream === null) {
      if (this.#early.length < EARLY_FRAMES) this.#early.push(frame);
      return;
    }
    if (frame.stream !== this.#stream) return;
    if (frame.kind === FRAME.klv) {
      const klv = frameJson<Klv>(frame);
      if (!klv) return;
      this.#telemetry.add(frame.pts, klv);
      // Without pictures the newest telemetry is what there is to see.
      if (this.delivery.mode === 'minimal') this.#tell(klv);
    } else if (frame.kind === FRAME.end) {
      this.#end('stream', null);
    } else {
      this.delivery.receive(frame);
    }
  }

  #shown(picture: Shown): void {
    if (!this.on) return;
    const at = now();
    this.frames += 1;
    this.shownAt = at;
    this.firstFrameMs ??= Math.round(performance.now() - this.#asked);
    this.state = 'live';
    const latency = at - picture.capture / 1000;
    if (picture.capture === 0 || latency < -1000 || latency > BELIEVABLE_MS) this.latencyMs = null;
    else this.latencyMs = this.latencyMs === null ? latency : this.latencyMs + (latency - this.latencyMs) / LATENCY_SMOOTHING;
    const klv = picture.pts === null ? null : this.#telemetry.at(picture.pts);
    if (klv !== this.klv) this.#tell(klv);
  }

  #tell(klv: Klv | null): void {
    this.klv = klv;
    if (!klv) return;
    this.#telemetry.follow(klv);
    this.track = this.#telemetry.track;
  }

  #stop(): void {
    for (const off of this.#offs.splice(0)) off();
    this.delivery.stop();
    this.#stream = null;
    this.klv = null;
  }

  #end(ending: Ending, failure: Refusal | Problem | null): void {
    this.#stop();
    this.ending = ending;
    this.failure = failure;
    this.state = 'ended';
  }
}
