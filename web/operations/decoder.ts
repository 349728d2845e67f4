/**
 * H.264 access units into a canvas, newest picture first.
 *
 * What: WebCodecs with Annex B and in-band parameter sets (no description), tuned for latency. Late pictures are dropped
 * until the next key frame rather than queued: an officer acts on what is happening now.
 * Source: W3C WebCodecs; AVC (H.264) registration, "annexb" format.
 */
import { FRAME, type Frame } from '../kit/frames';
import type { Player, PlayerEvents, VideoConfig } from './player';

/** What was received may be ahead of what is shown by this much (microseconds); beyond, we skip to the next key frame. */
const FURTHEST_BEHIND_US = 600_000;
/** Fewer pictures than this in the decoder are not a queue: the stream itself is slow. */
const SHORT_QUEUE = 4;
/** Captures remembered for pictures inside the decoder. */
const LONGEST_PENDING = 64;

/** Whether this browser has WebCodecs. */
export function decodes(): boolean {
  return typeof VideoDecoder !== 'undefined';
}

export class Decoder implements Player {
  dropped = 0;
  #canvas: HTMLCanvasElement;
  #surface: CanvasRenderingContext2D | null;
  #events: PlayerEvents;
  #decoder: VideoDecoder | null = null;
  #config: VideoConfig | null = null;
  #awaitKey = true;
  #captures = new Map<number, number>();
  #closed = false;
  /** Whether the canvas is in sight. Drawing on one that is not piles up work which the browser never shows. */
  #inSight = true;
  #sight: IntersectionObserver;
  /** Presentation time of the picture on the screen, or of the first one asked of a fresh decoder. */
  #lastShown = 0;

  constructor(canvas: HTMLCanvasElement, events: PlayerEvents) {
    this.#canvas = canvas;
    this.#surface = canvas.getContext('2d', { alpha: false });
    this.#events = events;
    this.#sight = new IntersectionObserver((seen) => {
      this.#inSight = seen.at(-1)?.isIntersecting ?? true;
    });
    this.#sight.observe(canvas);
  }

  /** The stream's codec and size; may come again when they change. */
  configure(config: VideoConfig): void {
    if (this.#closed) return;
    this.#config = config;
    if (!decodes()) {
      this.#events.unsupported(config.codec);
      return;
    }
    this.#start();
    void VideoDecoder.isConfigSupported(this.#settings(config)).then(
      ({ supported }) => {
        if (!supported && !this.#closed) this.#events.unsupported(config.codec);
      },
      () => this.#events.unsupported(config.codec),
    );
  }

  /** One access unit. Pictures before the first key frame, and after an error, are skipped. */
  push(frame: Frame): void {
    if (this.#closed || !this.#config || frame.kind !== FRAME.video) return;
    let decoder = this.#decoder;
    if (!decoder || decoder.state !== 'configured') {
      if (!frame.key) return;
      decoder = this.#start();
      if (!decoder) return;
    }
    const late = decoder.decodeQueueSize > SHORT_QUEUE && frame.pts - this.#lastShown > FURTHEST_BEHIND_US;
    if (frame.key && late) {
      // Everything queued is older than this key frame and no longer worth decoding.
      decoder.reset();
      decoder.configure(this.#settings(this.#config));
      this.#captures.clear();
      this.#lastShown = frame.pts;
    } else if (late) {
      this.#awaitKey = true;
    }
    if (this.#awaitKey && !frame.key) {
      this.dropped += 1;
      return;
    }
    if (this.#awaitKey) this.#lastShown = frame.pts;
    this.#awaitKey = false;
    this.#captures.set(frame.pts, frame.capture);
    if (this.#captures.size > LONGEST_PENDING) {
      const oldest = this.#captures.keys().next();
      if (!oldest.done) this.#captures.delete(oldest.value);
    }
    try {
      decoder.decode(new EncodedVideoChunk({ type: frame.key ? 'key' : 'delta', timestamp: frame.pts, data: frame.payload }));
    } catch (error) {
      this.#failed(error);
    }
  }

  close(): void {
    this.#closed = true;
    this.#sight.disconnect();
    this.#stop();
  }

  #settings(config: VideoConfig): VideoDecoderConfig {
    return { codec: config.codec, optimizeForLatency: true, hardwareAcceleration: 'no-preference' };
  }

  #start(): VideoDecoder | null {
    this.#stop();
    if (!this.#config) return null;
    const decoder = new VideoDecoder({
      output: (picture) => this.#draw(picture),
      error: (error) => this.#failed(error),
    });
    try {
      decoder.configure(this.#settings(this.#config));
    } catch (error) {
      console.warn('video:', error);
      this.#events.unsupported(this.#config.codec);
      return null;
    }
    this.#decoder = decoder;
    this.#awaitKey = true;
    return decoder;
  }

  #stop(): void {
    if (this.#decoder && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = null;
    this.#captures.clear();
  }

  /** A decoding error closes the decoder: the next key frame starts another. */
  #failed(error: unknown): void {
    console.warn('video: waiting for the next key frame after', error);
    this.#stop();
  }

  #draw(picture: VideoFrame): void {
    if (this.#closed) {
      picture.close();
      return;
    }
    const { displayWidth: width, displayHeight: height, timestamp } = picture;
    const canvas = this.#canvas;
    const draw = this.#inSight && !document.hidden;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
      this.#events.sized(width, height);
    }
    if (draw) this.#surface?.drawImage(picture, 0, 0, width, height);
    picture.close();
    this.#lastShown = timestamp;
    const capture = this.#captures.get(timestamp) ?? 0;
    this.#captures.delete(timestamp);
    this.#events.shown({ pts: timestamp, capture });
  }
}
