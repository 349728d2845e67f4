/**
 * One side of a call between two browsers: picture and sound go straight from one to the other, and nothing is recorded.
 *
 * The officer's side offers, the person's answers; every offer begins anew (a call that was cut is a new connection, not a mended one),
 * so that both sides can always come back. Whether the other is seen and heard is counted in packets, once a second: a connection
 * that calls itself connected may bring nothing.
 *
 * Source: W3C WebRTC; RFC 8829. Which servers help browsers to find one another is the installation's setting; none by default.
 */
export type Signal =
  | { kind: 'offer'; n: number; sdp: string }
  | { kind: 'answer'; n: number; sdp: string }
  | { kind: 'again' }
  | { kind: 'media'; up: boolean }
  | { kind: 'caption'; text: string }
  | { kind: 'bye' };

export interface CallEvents {
  /** For the other side. */
  send: (signal: Signal) => void;
  /** Who is seen and heard; null: nobody any more. */
  remote: (stream: MediaStream | null) => void;
  /** Whether picture and sound come in. */
  up: (up: boolean) => void;
}

/** Milliseconds for the browser to list its addresses. */
const GATHER_WITHIN_MS = 2000;
const LOOK_EVERY_MS = 1000;
/** Looks without a packet after which nothing comes in. */
const SILENT_LOOKS = 2;
/** Milliseconds between two tries to come back: a poor link with a relay in between may need as long for one. */
const AGAIN_EVERY_MS = 8000;
const H = 0x48;

/** The bytes by which the room's messages are told from others on the live socket. */
export function encoded(signal: Signal): DataView<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify(signal));
  const bytes = new Uint8Array(text.length + 1);
  bytes[0] = H;
  bytes.set(text, 1);
  return new DataView(bytes.buffer);
}

/** Camera and microphone: small, for the poorest link is that of the person who needs it most. */
export function devices(): Promise<MediaStream> {
  return navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: true, noiseSuppression: true },
    video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { max: 20 } },
  });
}

export class Call {
  #peer: RTCPeerConnection | null = null;
  #n = 0;
  #seen = 0;
  #silent = 0;
  #up = false;
  #tried = 0;
  #timer: ReturnType<typeof setInterval>;
  #closed = false;

  constructor(
    private stream: MediaStream,
    private offers: boolean,
    private servers: RTCIceServer[],
    private events: CallEvents,
  ) {
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS);
    this.#try();
  }

  /** A message of the other side. What cannot be done with it is tried anew a moment later. */
  async take(signal: Signal): Promise<void> {
    try {
      await this.#take(signal);
    } catch (error) {
      console.info('call:', error);
    }
  }

  async #take(signal: Signal): Promise<void> {
    if (this.#closed) return;
    if (signal.kind === 'again' && this.offers) await this.#offer();
    if (signal.kind === 'offer' && !this.offers) await this.#answer(signal);
    if (signal.kind === 'answer' && this.offers && signal.n === this.#n && this.#peer?.signalingState === 'have-local-offer') {
      await this.#peer.setRemoteDescription({ type: 'answer', sdp: signal.sdp });
    }
  }

  /** Whether the other side sees, or hears, this one. */
  allow(kind: 'audio' | 'video', on: boolean): void {
    for (const track of this.stream.getTracks()) if (track.kind === kind) track.enabled = on;
  }

  /** Camera and microphone are let go, and nothing comes in any more. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#peer?.close();
    for (const track of this.stream.getTracks()) track.stop();
    this.#become(false);
    this.events.remote(null);
  }

  #try(): void {
    this.#tried = performance.now();
    if (this.offers) this.#offer().catch((error: unknown) => console.info('call:', error));
    else this.events.send({ kind: 'again' });
  }

  #anew(): RTCPeerConnection {
    this.#peer?.close();
    const peer = new RTCPeerConnection({ iceServers: this.servers });
    this.#peer = peer;
    this.#seen = 0;
    for (const track of this.stream.getTracks()) peer.addTrack(track, this.stream);
    peer.ontrack = ({ streams: [stream] }) => {
      if (this.#peer === peer) this.events.remote(stream ?? null);
    };
    return peer;
  }

  async #offer(): Promise<void> {
    const peer = this.#anew();
    this.#tried = performance.now();
    const n = ++this.#n;
    await peer.setLocalDescription();
    await gathered(peer);
    if (this.#peer === peer && !this.#closed) this.events.send({ kind: 'offer', n, sdp: peer.localDescription?.sdp ?? '' });
  }

  async #answer(offer: { n: number; sdp: string }): Promise<void> {
    const peer = this.#anew();
    this.#tried = performance.now();
    await peer.setRemoteDescription({ type: 'offer', sdp: offer.sdp });
    await peer.setLocalDescription();
    await gathered(peer);
    if (this.#peer === peer && !this.#closed) this.events.send({ kind: 'answer', n: offer.n, sdp: peer.localDescription?.sdp ?? '' });
  }

  async #look(): Promise<void> {
    const packets = await this.#packets();
    if (this.#closed) return;
    this.#silent = packets > this.#seen ? 0 : this.#silent + 1;
    this.#seen = packets;
    this.#become(this.#silent === 0 || (this.#up && this.#silent < SILENT_LOOKS));
    if (!this.#up && performance.now() - this.#tried > AGAIN_EVERY_MS) this.#try();
  }

  async #packets(): Promise<number> {
    const peer = this.#peer;
    if (!peer || peer.connectionState === 'closed') return 0;
    let found = 0;
    (await peer.getStats()).forEach((one: Record<string, unknown>) => {
      if (one['type'] === 'inbound-rtp') found += Number(one['packetsReceived'] ?? 0);
    });
    return found;
  }

  #become(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    this.events.up(up);
    this.events.send({ kind: 'media', up });
  }
}

async function gathered(peer: RTCPeerConnection): Promise<void> {
  if (peer.iceGatheringState === 'complete') return;
  await new Promise<void>((done) => {
    const timer = setTimeout(done, GATHER_WITHIN_MS);
    peer.addEventListener('icegatheringstatechange', () => {
      if (peer.iceGatheringState !== 'complete') return;
      clearTimeout(timer);
      done();
    });
  });
}
