/**
 * How one open picture comes to this page, chosen as the link is: access units on the socket for WebCodecs, fMP4 where there is no
 * WebCodecs, WebRTC on a link that loses packets; everything, key frames only, or text only. The watch stays open throughout.
 */
import { FRAME, frameJson, type Frame } from '../kit/frames';
import { live } from '../kit/live.svelte';
import { Decoder, decodes } from './decoder';
import { Link, type Mode, type Verdict } from './link';
import { Movie, playsMovies } from './movie';
import { hasPeers, Peer } from './peer';
import type { Player, PlayerEvents, Shown, VideoConfig } from './player';

export type Transport = 'socket' | 'fmp4' | 'webrtc';
export type { Mode };

const LOOK_EVERY_MS = 500;
/** A timer this much later than asked for: the machine has no time for the page. */
const BUSY = 1.2;
/** A round trip longer than this is told as none. */
const TRIP_WITHIN_MS = 5000;

export interface DeliveryEvents extends PlayerEvents {
  /** The picture was taken away and its reason is still on its way. */
  taken: () => void;
}

export class Delivery {
  transport = $state<Transport>('socket');
  mode = $state<Mode>('normal');
  /** Whether the link decides; else the person does. */
  automatic = $state(true);
  /** Times the picture went over to another way or mode, for whoever measures. */
  changes = $state(0);

  #events: DeliveryEvents;
  #canvas: HTMLCanvasElement | null = null;
  #movies: boolean;
  #config: VideoConfig | null = null;
  #main: Player | null = null;
  #peer: Peer | null = null;
  #link = new Link(false, 0);
  #watch: string | null = null;
  #busy = false;
  #looks = 0;
  #looked = Number.POSITIVE_INFINITY;
  #timer: ReturnType<typeof setInterval> | undefined;
  #offs: (() => void)[] = [];

  constructor(events: DeliveryEvents) {
    this.#events = events;
    this.#movies = !decodes() && playsMovies();
  }

  /** The form to ask for when the watch is opened. */
  get form(): 'units' | 'fmp4' {
    return this.#movies ? 'fmp4' : 'units';
  }

  /** Where pictures go from now on. */
  onto(canvas: HTMLCanvasElement): void {
    if (this.#canvas === canvas) return;
    this.#closePlayers();
    this.#canvas = canvas;
    if (this.#watch) this.#begin();
  }

  /** This canvas is gone from the page. */
  leave(canvas: HTMLCanvasElement): void {
    if (this.#canvas !== canvas) return;
    this.#closePlayers();
    this.#canvas = null;
  }

  /** The watch is open: pictures will come. */
  start(watch: string): void {
    this.stop();
    this.#watch = watch;
    this.transport = this.#movies ? 'fmp4' : 'socket';
    this.#link = new Link(hasPeers(), performance.now());
    this.#link.mode = this.mode;
    this.#offs = [
      live.on('watch.clock', (push) => {
        if (push.watch === this.#watch) this.#peer?.clock(push.zero);
      }),
      live.on('watch.delivery', (push) => {
        if (push.watch !== this.#watch || !this.#peer) return;
        this.#link.peerFailed(performance.now());
        this.#onSocket();
      }),
    ];
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    if (this.#canvas) this.#begin();
  }

  /** The picture is over: nothing of it stays on the screen. */
  stop(): void {
    for (const off of this.#offs.splice(0)) off();
    clearInterval(this.#timer);
    this.#watch = null;
    this.#config = null;
    this.#closePlayers();
    this.wipe();
  }

  wipe(): void {
    this.#canvas?.getContext('2d', { alpha: false })?.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
  }

  /** One frame of the stream, telemetry excepted. */
  receive(frame: Frame): void {
    if (frame.kind === FRAME.config) {
      const config = frameJson<VideoConfig>(frame);
      if (!config) return;
      this.#config = config;
      this.#main?.configure(config);
      return;
    }
    if (frame.kind === FRAME.tick) {
      this.#peer?.push(frame);
      return;
    }
    if (frame.kind === FRAME.video || frame.kind === FRAME.fragment) {
      this.#link.arrived(performance.now(), frame.pts, frame.capture ? Date.now() - frame.capture / 1000 : null);
    }
    this.#main?.push(frame);
  }

  /** The person's choice; null gives it back to the link. */
  async choose(mode: Mode | null): Promise<void> {
    this.automatic = mode === null;
    if (mode === null) this.#link.chosen(performance.now(), 'socket', this.mode);
    else if (mode !== this.mode || this.transport === 'webrtc') await this.#apply({ way: 'socket', mode });
  }

  #begin(): void {
    if (!this.#canvas || this.#main) return;
    const events = { ...this.#events, unsupported: (codec: string) => this.#cannot(codec) };
    this.#main = this.#movies ? new Movie(this.#canvas, events) : new Decoder(this.#canvas, events);
    if (this.#config) this.#main.configure(this.#config);
  }

  /** WebCodecs has no decoder for it: perhaps the media element has. */
  #cannot(codec: string): void {
    if (this.#movies || !playsMovies()) {
      this.#events.unsupported(codec);
      return;
    }
    this.#movies = true;
    this.#main?.close();
    this.#main = null;
    this.#begin();
    void this.#apply({ way: 'socket', mode: this.mode });
  }

  #look(): void {
    if (!this.#watch || document.hidden || this.#busy) return;
    this.#looks += 1;
    if (this.#looks % 2 === 0) void live.ping(TRIP_WITHIN_MS).then((ms) => this.#link.trip(ms));
    if (this.#peer) {
      if (this.#looks % 2 === 0) void this.#lookAtPeer(this.#peer);
      return;
    }
    const at = performance.now();
    const busy = at - this.#looked > LOOK_EVERY_MS * BUSY;
    this.#looked = at;
    if (busy) this.#link.excuse();
    const verdict = this.#link.look(at);
    if (verdict) this.#decided(verdict);
  }

  async #lookAtPeer(peer: Peer): Promise<void> {
    const { packets, lost, again } = await peer.health();
    if (peer !== this.#peer) return;
    const verdict = this.#link.peer(performance.now(), packets, lost, again);
    if (verdict) this.#decided(verdict);
  }

  #decided(verdict: Verdict): void {
    if (this.automatic) void this.#apply(verdict);
    else this.#link.chosen(performance.now(), this.#peer ? 'webrtc' : 'socket', this.mode);
  }

  async #apply(verdict: Verdict): Promise<void> {
    const watch = this.#watch;
    if (!watch) return;
    this.#busy = true;
    try {
      if (verdict.way === 'webrtc') await this.#toPeer(watch, verdict.mode);
      else await this.#toSocket(watch, verdict.mode);
    } catch (error) {
      console.info('delivery:', error);
      this.#link.peerFailed(performance.now());
      if (this.#watch === watch) this.#onSocket();
    } finally {
      this.#busy = false;
    }
  }

  async #toPeer(watch: string, mode: Mode): Promise<void> {
    if (!this.#canvas) return;
    const peer: Peer = new Peer(this.#canvas, {
      ...this.#events,
      shown: (picture) => this.#shownByPeer(peer, picture),
      over: () => this.#peerOver(peer),
    });
    this.#peer = peer;
    await peer.open(watch, mode);
    // Its time to show a picture begins with the answer, which may have waited behind what the socket holds.
    this.#link.shown(performance.now());
  }

  async #toSocket(watch: string, mode: Mode): Promise<void> {
    this.#onSocket();
    this.mode = mode;
    this.changes += 1;
    this.#link.chosen(performance.now(), 'socket', mode);
    if (mode === 'minimal') this.wipe();
    await live.act('operations.watch.deliver', { watch, transport: this.transport, mode });
  }

  #onSocket(): void {
    this.#peer?.close();
    this.#peer = null;
    this.transport = this.#movies ? 'fmp4' : 'socket';
    this.#begin();
  }

  /** From its first picture on, the peer has the screen to itself. */
  #shownByPeer(peer: Peer, picture: Shown): void {
    if (peer !== this.#peer) return;
    this.#link.shown(performance.now());
    if (this.#main) {
      this.#main.close();
      this.#main = null;
      this.transport = 'webrtc';
      this.changes += 1;
    }
    this.#events.shown(picture);
  }

  /** Either the picture is over, or it goes on over the socket: both are said there. */
  #peerOver(peer: Peer): void {
    if (peer !== this.#peer) return;
    const shown = !this.#main;
    this.#link.peerFailed(performance.now());
    this.#onSocket();
    if (!shown) return;
    this.wipe();
    this.#events.taken();
  }

  #closePlayers(): void {
    this.#main?.close();
    this.#main = null;
    this.#peer?.close();
    this.#peer = null;
  }
}
