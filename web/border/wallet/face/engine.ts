/**
 * YuNet and SFace on this device, by onnxruntime-web: the face is measured here, and the numbers stay here.
 *
 * Only the page that enrols loads this; its policy is the one that admits WebAssembly. One thread: no worker, nothing shared.
 */
import * as ort from 'onnxruntime-web/wasm';
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import glue from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url';
import { aligned, EDGE, ofLengthOne } from './sface';
import { faces, planes, SIDE, type Face } from './yunet';

const MODELS = '/pass/models';

export class Engine {
  private constructor(
    private detector: ort.InferenceSession,
    private matcher: ort.InferenceSession,
  ) {}

  /** Loads the models, 11 MB; `progress` is told a share from 0 to 1. */
  static async load(progress: (share: number) => void): Promise<Engine> {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = { wasm, mjs: glue };
    const detector = await fetched('detector', () => {});
    const matcher = await fetched('matcher', progress);
    const made = await ort.InferenceSession.create(detector, { executionProviders: ['wasm'] });
    return new Engine(made, await ort.InferenceSession.create(matcher, { executionProviders: ['wasm'] }));
  }

  /** The faces in a picture, the largest first, in its pixels. */
  async find(pixels: ImageData): Promise<Face[]> {
    const { small, scale } = reduced(pixels);
    const input = new ort.Tensor('float32', planes(small), [1, 3, SIDE, SIDE]);
    const output = await this.detector.run({ input });
    const found = faces((name) => output[name]?.data as Float32Array);
    return found.map(({ box, points, score }) => ({
      box: box.map((value) => value * scale) as Face['box'],
      points: points.map(([x, y]) => [x * scale, y * scale]),
      score,
    }));
  }

  /** 128 numbers of length 1. The caller overwrites them when they have served. */
  async embed(pixels: ImageData, face: Face): Promise<Float32Array> {
    const data = new ort.Tensor('float32', aligned(pixels, face), [1, 3, EDGE, EDGE]);
    const output = await this.matcher.run({ data });
    const [raw] = Object.values(output);
    return ofLengthOne(raw?.data as Float32Array);
  }
}

/** The picture at SIDE pixels or less, and how much larger it was. */
function reduced(pixels: ImageData): { small: ImageData; scale: number } {
  const scale = Math.max(1, Math.max(pixels.width, pixels.height) / SIDE);
  if (scale === 1) return { small: pixels, scale };
  const full = new OffscreenCanvas(pixels.width, pixels.height);
  full.getContext('2d')?.putImageData(pixels, 0, 0);
  const [width, height] = [Math.round(pixels.width / scale), Math.round(pixels.height / scale)];
  const context = new OffscreenCanvas(width, height).getContext('2d');
  if (!context) throw new Error('this browser draws no pictures');
  context.imageSmoothingQuality = 'high';
  context.drawImage(full, 0, 0, width, height);
  return { small: context.getImageData(0, 0, width, height), scale };
}

async function fetched(name: string, progress: (share: number) => void): Promise<Uint8Array> {
  const answer = await fetch(`${MODELS}/${name}`);
  if (!answer.ok || !answer.body) throw new Error(`the model ${name} did not come`);
  const size = Number(answer.headers.get('content-length'));
  const parts: Uint8Array[] = [];
  let got = 0;
  const reader = answer.body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    parts.push(next.value);
    got += next.value.length;
    progress(size > 0 ? Math.min(1, got / size) : 0);
  }
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}
