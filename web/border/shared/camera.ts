/**
 * A camera that a page looks through: started, lost, let go. What is shown to a person and what is looked at are one stream.
 */
const WIDTH = 1280;
const HEIGHT = 720;
/** Pixels of the longer side of a frame that is sent: a face needs no more, a code is read from the whole. */
const SENT = 640;
const QUALITY = 0.85;

export class Camera {
  /** Called once when a camera that ran is gone (unplugged, taken away). */
  onlost: (() => void) | null = null;
  #stream: MediaStream | null = null;
  #video = Object.assign(document.createElement('video'), { muted: true, playsInline: true });
  #canvas = document.createElement('canvas');
  /** How often it was let go: who lets it go while it starts is not filmed when the browser has asked. */
  #stops = 0;

  get running(): boolean {
    return this.#stream?.active ?? false;
  }

  /** Starts it; gives what a `<video>` can show. @throws Error `none` where there is no camera, `refused` where it may not be used, `left` where it was let go. */
  async start(facing: 'user' | 'environment' = 'user'): Promise<MediaStream> {
    this.stop();
    const stops = this.#stops;
    let stream: MediaStream;
    try {
      if (!navigator.mediaDevices) throw new DOMException('no camera here', 'NotFoundError');
      stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { facingMode: facing, width: { ideal: WIDTH }, height: { ideal: HEIGHT }, frameRate: { ideal: 20, max: 30 } },
      });
    } catch (error) {
      const refused = error instanceof DOMException && error.name === 'NotAllowedError';
      throw new Error(refused ? 'refused' : 'none', { cause: error });
    }
    if (stops !== this.#stops) {
      for (const track of stream.getTracks()) track.stop();
      throw new Error('left');
    }
    this.#stream = stream;
    for (const track of stream.getVideoTracks()) track.addEventListener('ended', () => this.#gone(stream), { once: true });
    this.#video.srcObject = stream;
    await this.#video.play();
    return stream;
  }

  /** Lets the camera go: its light goes out, and the last picture with it. */
  stop(): void {
    this.#stops += 1;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
    this.#canvas.width = 0;
  }

  #gone(stream: MediaStream): void {
    if (this.#stream !== stream) return;
    this.stop();
    this.onlost?.();
  }

  /** What it sees now, to read from; null until there is a picture. */
  pixels(): ImageData | null {
    return this.#draw(1)?.getImageData(0, 0, this.#canvas.width, this.#canvas.height) ?? null;
  }

  /** The same as a JPEG, small enough to send, or as large as `longest` px; null until there is a picture. */
  async jpeg(longest = SENT): Promise<Uint8Array<ArrayBuffer> | null> {
    const scale = Math.min(1, longest / Math.max(this.#video.videoWidth, this.#video.videoHeight));
    if (!this.#draw(scale)) return null;
    const blob = await new Promise<Blob | null>((done) => this.#canvas.toBlob(done, 'image/jpeg', QUALITY));
    return blob ? new Uint8Array(await blob.arrayBuffer()) : null;
  }

  #draw(scale: number): CanvasRenderingContext2D | null {
    const width = Math.round(this.#video.videoWidth * scale);
    const height = Math.round(this.#video.videoHeight * scale);
    if (!this.#stream || !width || this.#video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return null;
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    const context = this.#canvas.getContext('2d', { willReadFrequently: true });
    context?.drawImage(this.#video, 0, 0, width, height);
    return context;
  }
}
