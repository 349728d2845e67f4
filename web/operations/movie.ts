/**
 * The live picture as fragmented MP4, for browsers without WebCodecs: Media Source Extensions, or ManagedMediaSource where
 * that is what there is (iPhone).
 *
 * A media element wants to play without a stop, we want what is happening now: it is held close behind the newest picture, a little
 * faster when it lags, with a jump when it lags much. What the screen shows is drawn into the canvas, with its presentation time.
 * Source: W3C Media Source Extensions 2.
 */
import type { Frame } from '../kit/frames';
import { FRAME } from '../kit/frames';
import { Captures, Surface, type Player, type PlayerEvents, type VideoConfig } from './player';

/** Seconds behind the newest picture at which it plays at its own speed. */
const CLOSE_S = 0.12;
/** Beyond this it jumps. */
const FAR_S = 0.5;
/** Where a jump lands: this much before the newest picture. */
const LANDING_S = 0.04;
const CATCH_UP = 1.08;
const LOOK_EVERY_MS = 50;
/** Seconds kept behind the picture on the screen: a jump back is never asked for, a decoder may need the last key frame. */
const KEPT_S = 10;
/** Fragments that may wait for the browser; past it everything up to the next key frame is let go. */
const LONGEST_QUEUE = 256;

type Source = typeof MediaSource;

/** The browser's media source, or null when it has none. */
function mediaSource(): Source | null {
  const managed = (window as { ManagedMediaSource?: Source }).ManagedMediaSource;
  return managed ?? (typeof MediaSource === 'undefined' ? null : MediaSource);
}

/** Whether a picture can come as fMP4 at all. */
export function playsMovies(): boolean {
  return mediaSource() !== null && 'requestVideoFrameCallback' in HTMLVideoElement.prototype;
}

export class Movie implements Player {
  #events: PlayerEvents;
  #surface: Surface;
  #source: MediaSource;
  #url: string;
  #buffer: SourceBuffer | null = null;
  #type = '';
  /** What is to be appended, and the types that are to be changed to in between. */
  #queue: (Uint8Array | string)[] = [];
  #captures = new Captures();
  #newest = 0;
  #awaitKey = true;
  #timer: ReturnType<typeof setInterval>;
  #closed = false;

  constructor(canvas: HTMLCanvasElement, events: PlayerEvents) {
    this.#events = events;
    this.#surface = new Surface(canvas, events.sized, (times) => {
      const pts = Math.round(times.mediaTime * 1e6);
      events.shown({ pts, capture: this.#captures.at(pts) });
    });
    const Made = mediaSource();
    if (!Made) throw new Error('this browser has no media source');
    this.#source = new Made();
    this.#url = URL.createObjectURL(this.#source);
    this.#source.addEventListener('sourceopen', () => this.#open());
    this.#surface.video.src = this.#url;
    this.#timer = setInterval(() => this.#keepUp(), LOOK_EVERY_MS);
  }

  configure(config: VideoConfig): void {
    const type = `video/mp4; codecs="${config.codec.replace(/^avc1\.(.*)$/, (_all, rest: string) => `avc1.${rest.toLowerCase()}`)}"`;
    if (!mediaSource()?.isTypeSupported(type)) {
      this.#events.unsupported(config.codec);
      return;
    }
    if (this.#type && this.#type !== type) this.#queue.push(type);
    this.#type = type;
    this.#awaitKey = true;
    this.#open();
  }

  push(frame: Frame): void {
    if (this.#closed) return;
    if (frame.kind === FRAME.segment) {
      this.#queue.push(frame.payload);
    } else if (frame.kind === FRAME.fragment) {
      if (this.#queue.length > LONGEST_QUEUE) this.#awaitKey = true;
      if (this.#awaitKey && !frame.key) return;
      this.#awaitKey = false;
      this.#newest = frame.pts / 1e6;
      this.#captures.add(frame.pts, frame.capture);
      this.#queue.push(frame.payload);
    }
    this.#feed();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#surface.close();
    URL.revokeObjectURL(this.#url);
    this.#queue = [];
  }

  #open(): void {
    if (this.#buffer || !this.#type || this.#source.readyState !== 'open') return;
    this.#buffer = this.#source.addSourceBuffer(this.#type);
    this.#buffer.addEventListener('updateend', () => this.#feed());
    this.#feed();
  }

  #feed(): void {
    const buffer = this.#buffer;
    if (this.#closed || !buffer || buffer.updating || this.#source.readyState !== 'open') return;
    try {
      const [next] = this.#queue;
      if (typeof next === 'string') {
        this.#queue.shift();
        buffer.changeType(next);
      }
      const parts = this.#head();
      if (parts.length > 0) {
        buffer.appendBuffer(joined(parts));
        return;
      }
      const first = buffer.buffered.length > 0 ? buffer.buffered.start(0) : 0;
      if (this.#surface.video.currentTime - first > 2 * KEPT_S) buffer.remove(0, this.#surface.video.currentTime - KEPT_S);
    } catch (error) {
      // Full, or closed under our hands: the next key frame begins anew.
      console.warn('movie:', error);
      this.#queue = [];
      this.#awaitKey = true;
    }
  }

  /** What can be appended before the type changes again. */
  #head(): Uint8Array[] {
    const end = this.#queue.findIndex((one) => typeof one === 'string');
    return this.#queue.splice(0, end < 0 ? this.#queue.length : end).filter((one) => typeof one !== 'string');
  }

  /** Hold the picture close behind the newest one. */
  #keepUp(): void {
    const { video } = this.#surface;
    const { buffered } = video;
    if (buffered.length === 0) return;
    const last = buffered.length - 1;
    const behind = this.#newest - video.currentTime;
    const outside = video.currentTime < buffered.start(last);
    if (outside || behind > FAR_S || behind < -FAR_S) {
      video.currentTime = Math.max(buffered.start(last), Math.min(this.#newest, buffered.end(last)) - LANDING_S);
      video.playbackRate = 1;
    } else {
      video.playbackRate = behind > CLOSE_S ? CATCH_UP : 1;
    }
    if (video.paused) video.play().catch((error: unknown) => console.info('movie:', error));
  }
}

/** One buffer of several: an append costs the browser about a millisecond whatever its size. */
function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
