/**
 * Faces and five landmarks from YuNet's raw output, as OpenCV's FaceDetectorYN decodes it; there is no OpenCV in a browser.
 * Source: W. Wu et al., “YuNet: A Tiny Millisecond-level Face Detector”, 2023; OpenCV, modules/objdetect/src/face_detect.cpp.
 */
/** Pixels: the longest side of the picture that is searched, as on the server (yunet.py). */
export const SIDE = 320;
const STRIDES = [8, 16, 32] as const;
const SURE = 0.7;
const OVERLAP = 0.3;

export interface Face {
  /** x, y, width, height in pixels. */
  box: [number, number, number, number];
  /** Right eye, left eye, nose, right and left corner of the mouth: the person's own right, on the left of the picture. */
  points: [number, number][];
  score: number;
}

/** The numbers of one output by its name (`cls_8` …). */
export type Output = (name: string) => Float32Array;

/** The picture as YuNet wants it: BGR planes of SIDE × SIDE, nothing where the picture ends. */
export function planes(pixels: ImageData): Float32Array {
  const area = SIDE * SIDE;
  const tensor = new Float32Array(3 * area);
  for (let y = 0; y < pixels.height; y += 1) {
    for (let x = 0; x < pixels.width; x += 1) {
      const from = 4 * (y * pixels.width + x);
      const to = y * SIDE + x;
      for (let c = 0; c < 3; c += 1) tensor[c * area + to] = pixels.data[from + 2 - c] ?? 0;
    }
  }
  return tensor;
}

/** The faces, the largest first, in the pixels of the picture that was searched. */
export function faces(output: Output): Face[] {
  const found = STRIDES.flatMap((stride) => candidates(output, stride)).sort((a, b) => b.score - a.score);
  const kept: Face[] = [];
  for (const face of found) if (kept.every((other) => overlap(face, other) <= OVERLAP)) kept.push(face);
  return kept.sort((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]);
}

function candidates(output: Output, stride: number): Face[] {
  const [cls, obj, bbox, kps] = ['cls', 'obj', 'bbox', 'kps'].map((name) => output(`${name}_${stride}`)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const columns = SIDE / stride;
  const found: Face[] = [];
  cls.forEach((one, at) => {
    const score = Math.sqrt(clamp(one) * clamp(obj[at] ?? 0));
    if (score < SURE) return;
    const column = at % columns;
    const row = Math.floor(at / columns);
    const [dx = 0, dy = 0, dw = 0, dh = 0] = bbox.subarray(4 * at, 4 * at + 4);
    const width = Math.exp(dw) * stride;
    const height = Math.exp(dh) * stride;
    const points = Array.from({ length: 5 }, (_, n): [number, number] => [
      ((kps[10 * at + 2 * n] ?? 0) + column) * stride,
      ((kps[10 * at + 2 * n + 1] ?? 0) + row) * stride,
    ]);
    found.push({ box: [(column + dx) * stride - width / 2, (row + dy) * stride - height / 2, width, height], points, score });
  });
  return found;
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}

/** Intersection over union of two boxes. */
function overlap({ box: a }: Face, { box: b }: Face): number {
  const wide = Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0]);
  const high = Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1]);
  if (wide <= 0 || high <= 0) return 0;
  return (wide * high) / (a[2] * a[3] + b[2] * b[3] - wide * high);
}
