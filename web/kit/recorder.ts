/**
 * Records a call between two browsers: both pictures side by side and both voices, encoded here (VP8 and Opus in WebM) and sent
 * part by part, so that a crash loses the last second and no more.
 *
 * It runs under a grant that the server gave when both had agreed. Whoever says stop ends that grant: from then on the server takes
 * nothing, and what waits here is thrown away. Nothing is written on this device.
 *
 * Source: W3C MediaStream Recording; W3C Web Audio.
 */
export interface Grant {
  recording: string;
  secret: string;
  /** Milliseconds of a part. */
  ms: number;
}

const WIDTH = 960;
const HEIGHT = 480;
/** The person's picture; the officer's beside it is half as high. */
const PERSON = 640;
const FRAMES_PER_S = 12;
const BITS_PER_S = { video: 800_000, audio: 48_000 };
const TYPE = 'video/webm;codecs=vp8,opus';
/** Parts that wait while the network is away; more is an interruption, which the server has written by then. */
const MOST_WAITING = 12;
const AGAIN_AFTER_MS = 500;
const SENT_WITHIN_MS = 10_000;
/** The last part has so long: a second after the press nothing may be under way any more. */
const LAST_WITHIN_MS = 700;
/** What the server says of a part once the recording has ended. */
const OVER = 404;

export class Recorder {
  #recorder: MediaRecorder;
  #audio = new AudioContext();
  #mixed = this.#audio.createMediaStreamDestination();
  #seen: { own: HTMLVideoElement; person: HTMLVideoElement };
  #voice: MediaStreamAudioSourceNode | null = null;
  #timer: ReturnType<typeof setInterval>;
  #waiting: Blob[] = [];
  #number = 0;
  #sending = false;
  #over = false;
  #idle: (() => void) | null = null;

  constructor(
    private grant: Grant,
    own: MediaStream,
    person: MediaStream | null,
    /** It stopped by itself: `over` where somebody had it stopped, else nothing gets through any more. */
    private lost: (over: boolean) => void,
  ) {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [WIDTH, HEIGHT];
    this.#seen = { own: picture(), person: picture() };
    void show(this.#seen.own, own);
    if (own.getAudioTracks().length > 0) this.#audio.createMediaStreamSource(own).connect(this.#mixed);
    this.person(person);
    // Read back for every frame: a canvas that lies in the graphics memory would be copied each time.
    const pen = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
    this.#timer = setInterval(() => this.#draw(pen), 1000 / FRAMES_PER_S);
    const stream = new MediaStream([...canvas.captureStream(FRAMES_PER_S).getVideoTracks(), ...this.#mixed.stream.getAudioTracks()]);
    this.#recorder = new MediaRecorder(stream, {
      mimeType: TYPE, videoBitsPerSecond: BITS_PER_S.video, audioBitsPerSecond: BITS_PER_S.audio,
    });
    this.#recorder.ondataavailable = ({ data }) => this.#put(data);
    this.#recorder.onerror = () => this.#lose(false);
    this.#recorder.start(grant.ms);
  }

  /** Who is seen and heard from now on: a call that was cut comes back as another stream; null: nobody, and the frame says so. */
  person(stream: MediaStream | null): void {
    this.#voice?.disconnect();
    this.#voice = null;
    void show(this.#seen.person, stream);
    if (!stream || stream.getAudioTracks().length === 0 || this.#over) return;
    this.#voice = this.#audio.createMediaStreamSource(stream);
    this.#voice.connect(this.#mixed);
  }

  /** Ends it and settles when the last part was sent, or could not be. */
  async finish(): Promise<void> {
    if (this.#over) return;
    const sent = new Promise<void>((done) => {
      this.#idle = done;
      setTimeout(done, LAST_WITHIN_MS);
    });
    this.#recorder.onstop = () => void this.#send();
    this.#recorder.stop();
    await sent;
    this.drop();
  }

  /** Ends it now: what was not sent is thrown away. */
  drop(): void {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#timer);
    this.#waiting = [];
    if (this.#recorder.state !== 'inactive') this.#recorder.stop();
    for (const video of Object.values(this.#seen)) video.srcObject = null;
    void this.#audio.close();
  }

  #draw(pen: CanvasRenderingContext2D | null): void {
    if (!pen) return;
    pen.fillRect(0, 0, WIDTH, HEIGHT);
    const { own, person } = this.#seen;
    if (person.videoWidth > 0) pen.drawImage(person, 0, 0, PERSON, HEIGHT);
    if (own.videoWidth > 0) pen.drawImage(own, PERSON, 0, WIDTH - PERSON, HEIGHT / 2);
  }

  #put(part: Blob): void {
    if (this.#over || part.size === 0) return;
    this.#waiting.push(part);
    if (this.#waiting.length > MOST_WAITING) this.#lose(false);
    else void this.#send();
  }

  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    for (let part = this.#waiting[0]; part && !this.#over; part = this.#waiting[0]) {
      const status = await this.#sent(part);
      if (this.#over) break;
      if (status === 204) {
        this.#number += 1;
        this.#waiting.shift();
      } else if (status === 0 || status === 408 || status >= 500) await new Promise((done) => setTimeout(done, AGAIN_AFTER_MS));
      else this.#lose(status === OVER);
    }
    this.#sending = false;
    if (this.#recorder.state === 'inactive') this.#idle?.();
  }

  /** The answer to a part, sent again as it is where no answer came: 0. */
  async #sent(part: Blob): Promise<number> {
    try {
      const answer = await fetch(`/api/recordings/${this.grant.recording}`, {
        method: 'PUT', body: part, cache: 'no-store', credentials: 'omit', signal: AbortSignal.timeout(SENT_WITHIN_MS),
        headers: { 'recording-number': String(this.#number), 'recording-secret': this.grant.secret },
      });
      return answer.status;
    } catch {
      return 0;
    }
  }

  #lose(over: boolean): void {
    if (this.#over) return;
    this.drop();
    this.lost(over);
  }
}

/** A picture that nobody sees: what is drawn is taken from it. */
function picture(): HTMLVideoElement {
  const video = document.createElement('video');
  [video.muted, video.playsInline] = [true, true];
  return video;
}

async function show(video: HTMLVideoElement, stream: MediaStream | null): Promise<void> {
  video.srcObject = stream;
  if (stream) await video.play().catch(() => undefined);
}
