/**
 * What every way of showing a live picture has in common: frames go in, the canvas shows them, and each picture shown is told.
 *
 * One canvas for all ways, so that a picture may go over from one to another without a gap, and one wipe empties the screen.
 */
import type { Frame } from '../kit/frames';

export interface VideoConfig {
  codec: string;
  width: number;
  height: number;
}

export interface Shown {
  /** Presentation time on the stream's clock, microseconds; null where it is not known. */
  pts: number | null;
  /** When it was captured, microseconds since 1970; 0 where it is not known. */
  capture: number;
}

export interface PlayerEvents {
  shown: (picture: Shown) => void;
  sized: (width: number, height: number) => void;
  /** This browser cannot play this stream in this way at all. */
  unsupported: (codec: string) => void;
}

export interface Player {
  /** The stream's codec and size; may come again when they change. */
  configure(config: VideoConfig): void;
  /** One frame of the stream. */
  push(frame: Frame): void;
  /** Stop; what is on the canvas stays for whoever shows the next picture. */
  close(): void;
}

/** Times of pictures on their way to the screen: capture by presentation time. */
export class Captures {
  #kept: [pts: number, capture: number][] = [];

  add(pts: number, capture: number): void {
    this.#kept.push([pts, capture]);
    if (this.#kept.length > LONGEST_PENDING) this.#kept.shift();
  }

  /** When the picture shown at this time was captured; 0 when it is not known. */
  at(pts: number): number {
    for (let i = this.#kept.length - 1; i >= 0; i--) {
      const one = this.#kept[i];
      if (one && Math.abs(one[0] - pts) <= SAME_PICTURE_US) return one[1];
    }
    return 0;
  }

  clear(): void {
    this.#kept = [];
  }
}

/** Captures remembered for pictures inside a decoder: four seconds at 30 a second. */
const LONGEST_PENDING = 128;
/** RTP and media times are coarser than ours (microseconds). */
const SAME_PICTURE_US = 2000;

/** Draws the pictures of a <video> that is on no page into the canvas. */
export class Surface {
  readonly video = document.createElement('video');
  #canvas: HTMLCanvasElement;
  #context: CanvasRenderingContext2D | null;
  #sized: (width: number, height: number) => void;
  #closed = false;

  constructor(canvas: HTMLCanvasElement, sized: (width: number, height: number) => void, drawn: (times: VideoFrameCallbackMetadata) => void) {
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d', { alpha: false });
    this.#sized = sized;
    this.video.muted = true;
    this.video.autoplay = true;
    this.video.playsInline = true;
    this.video.disableRemotePlayback = true;
    const next = (_now: number, times: VideoFrameCallbackMetadata): void => {
      if (this.#closed) return;
      this.video.requestVideoFrameCallback(next);
      this.#draw();
      drawn(times);
    };
    this.video.requestVideoFrameCallback(next);
  }

  close(): void {
    this.#closed = true;
    this.video.pause();
    this.video.srcObject = null;
    this.video.removeAttribute('src');
    this.video.load();
  }

  #draw(): void {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (width === 0 || height === 0) return;
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
      this.#sized(width, height);
    }
    if (!document.hidden) this.#context?.drawImage(this.video, 0, 0, width, height);
  }
}
