/**
 * A camera that a page looks through: started, lost, come back, let go. Frames are taken from the picture on the screen, so
 * what a person sees of themselves is what is looked at.
 */
export const WIDTH = 640;
export const HEIGHT = 480;
const QUALITY = 0.85;

export type Trouble = 'refused' | 'none' | 'lost';

export class Camera {
  /** Called once when a camera that ran is gone (unplugged, taken away). */
  onlost: (() => void) | null = null;
  #stream: MediaStream | null = null;
  #canvas = document.createElement('canvas');

  get running(): boolean {
    return this.#stream?.active ?? false;
  }

  /** Starts it and shows it in `video`. @throws Trouble as the error's message. */
  async start(video: HTMLVideoElement, facing: 'user' | 'environment' = 'user'): Promise<void> {
    this.stop();
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
    this.#stream = stream;
    for (const track of stream.getVideoTracks()) track.addEventListener('ended', () => this.#gone(stream), { once: true });
    video.srcObject = stream;
    await video.play();
  }

  /** Lets the camera go: its light goes out. */
  stop(): void {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#canvas.width = 0;
  }

  #gone(stream: MediaStream): void {
    if (this.#stream !== stream) return;
    this.stop();
    this.onlost?.();
  }

  /** What `video` shows now, to read from; null until there is a picture. */
  pixels(video: HTMLVideoElement): ImageData | null {
    return this.#draw(video)?.getImageData(0, 0, this.#canvas.width, this.#canvas.height) ?? null;
  }

  /** The same as a JPEG; null until there is a picture. */
  async jpeg(video: HTMLVideoElement): Promise<Uint8Array<ArrayBuffer> | null> {
    if (!this.#draw(video)) return null;
    const blob = await new Promise<Blob | null>((done) => this.#canvas.toBlob(done, 'image/jpeg', QUALITY));
    return blob ? new Uint8Array(await blob.arrayBuffer()) : null;
  }

  #draw(video: HTMLVideoElement): CanvasRenderingContext2D | null {
    const { videoWidth: width, videoHeight: height } = video;
    if (!this.#stream || width === 0 || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return null;
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    const context = this.#canvas.getContext('2d', { willReadFrequently: true });
    context?.drawImage(video, 0, 0);
    return context;
  }
}
