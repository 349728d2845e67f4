/**
 * The live picture over WebRTC, asked for on the live socket under the same watch: on a link that loses packets a lost one costs
 * a picture a round trip instead of holding up everything behind it.
 *
 * Source: W3C WebRTC; RFC 8829. No STUN or TURN server: nobody outside learns who watches.
 */
import type { Frame } from '../kit/frames';
import { FRAME } from '../kit/frames';
import { live } from '../kit/live.svelte';
import { Captures, Surface, type Player, type PlayerEvents } from './player';
import type { Mode } from './link';

/** Milliseconds for the browser to list its addresses. */
const GATHER_WITHIN_MS = 1000;
const RTP_PER_US = 90_000 / 1e6;
const RTP_WRAP = 2 ** 32;

/** What passed over the peer since it was asked last. */
export interface PeerHealth {
  packets: number;
  /** Packets that did not come. */
  lost: number;
  /** Packets that were asked for again: those, and some that were only late. */
  again: number;
}

/** Whether this browser has WebRTC with H.264, and can tell which picture it shows. */
export function hasPeers(): boolean {
  return (
    typeof RTCPeerConnection !== 'undefined' &&
    typeof RTCRtpReceiver !== 'undefined' &&
    'requestVideoFrameCallback' in HTMLVideoElement.prototype &&
    codecs().some((codec) => codec.mimeType === 'video/H264')
  );
}

function codecs(): RTCRtpCodec[] {
  const known = RTCRtpReceiver.getCapabilities('video')?.codecs ?? [];
  return known.filter((codec) => codec.mimeType === 'video/H264' || codec.mimeType === 'video/rtx');
}

export interface PeerEvents extends PlayerEvents {
  /** The platform ended the connection. Why comes on the socket, on such a link seconds later: the picture must not wait for it. */
  over: () => void;
}

export class Peer implements Player {
  #connection = new RTCPeerConnection();
  #surface: Surface;
  #captures = new Captures();
  #zero: number | null = null;
  /** The stream's newest time that the socket told, to place a 32-bit RTP time in it. */
  #newest = 0;
  #before: PeerHealth = { packets: 0, lost: 0, again: 0 };
  #closed = false;

  constructor(canvas: HTMLCanvasElement, events: PeerEvents) {
    this.#surface = new Surface(canvas, events.sized, (times) => {
      const pts = this.#ptsOf(times.rtpTimestamp);
      events.shown({ pts, capture: pts === null ? 0 : this.#captures.at(pts) });
    });
    this.#connection.ontrack = ({ track, receiver: { transport } }) => {
      transport?.addEventListener('statechange', () => {
        if (transport.state === 'closed' && !this.#closed) events.over();
      });
      this.#surface.video.srcObject = new MediaStream([track]);
      this.#surface.video.play().catch((error: unknown) => console.info('peer:', error));
    };
  }

  /** Ask for the picture of this watch. Throws what the act throws. */
  async open(watch: string, mode: Mode): Promise<void> {
    const connection = this.#connection;
    const transceiver = connection.addTransceiver('video', { direction: 'recvonly' });
    transceiver.setCodecPreferences(codecs());
    if ('jitterBufferTarget' in transceiver.receiver) transceiver.receiver.jitterBufferTarget = 0;
    await connection.setLocalDescription();
    await this.#gathered();
    const offer = connection.localDescription?.sdp ?? '';
    const { result } = await live.act<{ answer: string }>('operations.watch.deliver', { watch, transport: 'webrtc', mode, offer });
    if (!this.#closed) await connection.setRemoteDescription({ type: 'answer', sdp: result.answer });
  }

  /** The RTP time of the stream's moment 0. */
  clock(zero: number): void {
    this.#zero = zero;
  }

  configure(): void {
    // The parameter sets are in the pictures themselves.
  }

  /** A tick: the times of a picture which comes over the peer. */
  push(frame: Frame): void {
    if (frame.kind !== FRAME.tick) return;
    this.#newest = frame.pts;
    this.#captures.add(frame.pts, frame.capture);
  }

  /** What passed since the last call. */
  async health(): Promise<PeerHealth> {
    const now: PeerHealth = { packets: 0, lost: 0, again: 0 };
    const stats = this.#closed ? new Map<string, Record<string, unknown>>() : await this.#connection.getStats();
    stats.forEach((one: Record<string, unknown>) => {
      if (one['type'] !== 'inbound-rtp') return;
      now.packets += Number(one['packetsReceived'] ?? 0);
      now.lost += Number(one['packetsLost'] ?? 0);
      now.again += Number(one['retransmittedPacketsReceived'] ?? 0);
    });
    const before = this.#before;
    this.#before = now;
    return { packets: now.packets - before.packets, lost: Math.max(0, now.lost - before.lost), again: now.again - before.again };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
    this.#surface.close();
  }

  async #gathered(): Promise<void> {
    const connection = this.#connection;
    if (connection.iceGatheringState === 'complete') return;
    await new Promise<void>((done) => {
      const timer = setTimeout(done, GATHER_WITHIN_MS);
      connection.addEventListener('icegatheringstatechange', () => {
        if (connection.iceGatheringState !== 'complete') return;
        clearTimeout(timer);
        done();
      });
    });
  }

  #ptsOf(rtp: number | undefined): number | null {
    if (rtp === undefined || this.#zero === null) return null;
    const ticks = (rtp - this.#zero + RTP_WRAP) % RTP_WRAP;
    const near = this.#newest * RTP_PER_US;
    return (ticks + Math.round((near - ticks) / RTP_WRAP) * RTP_WRAP) / RTP_PER_US;
  }
}
