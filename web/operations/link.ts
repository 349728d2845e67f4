/**
 * How good the link is, and what follows from it: which way the picture comes, and how much of it.
 *
 * What is measured. On the socket: how late each picture comes after the one before it, beyond the time that lies between them
 * (a loss holds up everything behind it); how old pictures are beyond the youngest ever seen (a queue grows: the link is too narrow);
 * how long a round trip takes. On WebRTC: packets that were lost or asked for again.
 *
 * What follows, with hysteresis so that a link on the edge does not flap:
 * - to WebRTC: a fifth of the last three seconds stood still in bits of 80 ms or more, or pictures are half a second too old;
 * - back to the socket: twenty seconds on end without a lost packet; each return that does not last half a minute doubles that
 *   time, up to five minutes;
 * - where WebRTC does not connect, it is not tried again for a minute;
 * - to key frames only: pictures 1.5 s too old and WebRTC is no way out, or WebRTC loses one packet in seven, for three seconds;
 * - to text only: key frames too come 4 s too late, or none comes for eight seconds;
 * - more again: after fifteen seconds of quick round trips and young pictures, doubled after each relapse, up to four minutes.
 */

export type Mode = 'normal' | 'low' | 'minimal';
export type Way = 'socket' | 'webrtc';

export interface Verdict {
  way: Way;
  mode: Mode;
}

const WINDOW_MS = 3000;
const STILL_MS = 80;
const STILL_SHARE = 0.2;
const OLD_MS = 500;
const TOO_OLD_MS = 1500;
const KEY_TOO_OLD_MS = 4000;
const NO_KEY_MS = 8000;
const LOSSY_SHARE = 1 / 7;
const WEAK_FOR_MS = 3000;
const CLEAN_MS = 20_000;
const LONGEST_CLEAN_MS = 300_000;
const SHORT_STAY_MS = 30_000;
const PEER_AGAIN_MS = 60_000;
const BETTER_MS = 15_000;
const LONGEST_BETTER_MS = 240_000;
const QUICK_MS = 400;
const YOUNG_MS = 300;
/** No picture for this long over WebRTC while the socket says that there are some: it is no way. */
const NO_PICTURE_MS = 3000;

export class Link {
  way: Way = 'socket';
  mode: Mode = 'normal';
  #stills: { at: number; ms: number }[] = [];
  #last: { at: number; pts: number } | null = null;
  #youngest = Number.POSITIVE_INFINITY;
  #old = 0;
  #shown = 0;
  #rtt = 0;
  #weakSince: number | null = null;
  #goodSince: number | null = null;
  #cleanNeeded = CLEAN_MS;
  #betterNeeded = BETTER_MS;
  #peerNotBefore = 0;
  #returned = Number.NEGATIVE_INFINITY;
  #raised = Number.NEGATIVE_INFINITY;
  #peers: boolean;

  /** `peers`: whether this browser has WebRTC at all; `at`: milliseconds of any steady clock, as everywhere here. */
  constructor(peers: boolean, at: number) {
    this.#peers = peers;
    this.#shown = at;
  }

  /** A picture came over the socket: its presentation time, and its age by clocks that need not agree. */
  arrived(at: number, pts: number, age: number | null): void {
    const last = this.#last;
    this.#last = { at, pts };
    this.#shown = at;
    if (age !== null) {
      this.#youngest = Math.min(this.#youngest, age);
      this.#old = age - this.#youngest;
    }
    if (!last || pts <= last.pts) return;
    const late = at - last.at - (pts - last.pts) / 1000;
    if (late >= STILL_MS) this.#stills.push({ at, ms: late });
  }

  /** The page itself was late: that pictures came late says nothing of the link. */
  excuse(): void {
    this.#stills = [];
    this.#old = 0;
    this.#weakSince = null;
  }

  /** A picture was shown that came over WebRTC. */
  shown(at: number): void {
    this.#shown = at;
  }

  /** A round trip on the socket; null when none came back in time. */
  trip(ms: number | null): void {
    this.#rtt = ms ?? Number.POSITIVE_INFINITY;
  }

  /** What passed over WebRTC in the last second; the verdict if something has to change. */
  peer(at: number, packets: number, lost: number, again: number): Verdict | null {
    if (lost > 0 || again > 0 || packets === 0) this.#goodSince = null;
    else this.#goodSince ??= at;
    if (at - this.#shown > NO_PICTURE_MS) return this.peerFailed(at);
    if (this.mode === 'normal' && this.#weak(at, lost > packets * LOSSY_SHARE)) return this.#lower(at);
    if (this.#goodSince === null || at - this.#goodSince < this.#cleanNeeded) return null;
    this.#returned = at;
    return this.#go(at, 'socket', this.mode);
  }

  /** WebRTC did not connect, or shows nothing. */
  peerFailed(at: number): Verdict {
    this.#peerNotBefore = at + PEER_AGAIN_MS;
    return this.#go(at, 'socket', this.mode);
  }

  /** Once or twice a second while the picture comes over the socket; the verdict if something has to change. */
  look(at: number): Verdict | null {
    this.#stills = this.#stills.filter((one) => at - one.at < WINDOW_MS);
    if (this.mode !== 'normal') return this.#lookWeak(at);
    const still = this.#stills.reduce((sum, one) => sum + one.ms, 0);
    const bad = still > WINDOW_MS * STILL_SHARE || this.#old > OLD_MS;
    if (!bad) {
      this.#weakSince = null;
      return null;
    }
    if (this.#peers && at >= this.#peerNotBefore) {
      if (at - this.#returned < SHORT_STAY_MS) this.#cleanNeeded = Math.min(this.#cleanNeeded * 2, LONGEST_CLEAN_MS);
      return this.#go(at, 'webrtc', this.mode);
    }
    return this.#weak(at, this.#old > TOO_OLD_MS || this.#rtt > TOO_OLD_MS) ? this.#lower(at) : null;
  }

  /** The person, not the link, chose. */
  chosen(at: number, way: Way, mode: Mode): void {
    this.#go(at, way, mode);
  }

  #lookWeak(at: number): Verdict | null {
    if (this.mode === 'low') {
      const silent = at - this.#shown > NO_KEY_MS;
      if (silent || this.#weak(at, this.#old > KEY_TOO_OLD_MS)) return this.#lower(at);
    }
    const good = this.#rtt < QUICK_MS && (this.mode === 'minimal' || this.#old < YOUNG_MS);
    this.#goodSince = good ? (this.#goodSince ?? at) : null;
    if (this.#goodSince === null || at - this.#goodSince < this.#betterNeeded) return null;
    this.#raised = at;
    return this.#go(at, 'socket', this.mode === 'minimal' ? 'low' : 'normal');
  }

  /** Whether it has been weak for long enough. */
  #weak(at: number, now: boolean): boolean {
    this.#weakSince = now ? (this.#weakSince ?? at) : null;
    return this.#weakSince !== null && at - this.#weakSince >= WEAK_FOR_MS;
  }

  #lower(at: number): Verdict {
    if (at - this.#raised < SHORT_STAY_MS) this.#betterNeeded = Math.min(this.#betterNeeded * 2, LONGEST_BETTER_MS);
    return this.#go(at, 'socket', this.mode === 'normal' ? 'low' : 'minimal');
  }

  #go(at: number, way: Way, mode: Mode): Verdict {
    this.way = way;
    this.mode = mode;
    this.#stills = [];
    this.#last = null;
    this.#old = 0;
    this.#shown = at;
    this.#weakSince = null;
    this.#goodSince = null;
    return { way, mode };
  }
}
