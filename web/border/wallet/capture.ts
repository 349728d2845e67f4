/**
 * The frames of one attempt: taken while the challenge runs, each with its moment; those before the first movement are kept as pixels
 * too, for there the face looks straight ahead and is measured on this device.
 */
import type { Camera } from '../shared/camera';
import type { Prompt } from './acts';
import type { Bytes } from './crypto/bytes';

/** Milliseconds: eight a second show a movement, and six seconds of them are 2 MB. */
const EVERY_MS = 125;
/** In which a movement is done, from its prompt on (face/liveness.py). */
const WINDOW_MS = 2500;
const STRAIGHT = 3;

export interface Frame {
  atMs: number;
  picture: Bytes;
}

export interface Taken {
  frames: Frame[];
  straight: ImageData[];
}

/** How long the challenge lasts, in milliseconds. */
export function lasting(challenge: Prompt[]): number {
  return (challenge.at(-1)?.[1] ?? 0) + WINDOW_MS;
}

/** Runs the challenge; `moment` is told each time how many milliseconds have passed. */
export async function take(camera: Camera, challenge: Prompt[], moment: (ms: number) => void): Promise<Taken> {
  const taken: Taken = { frames: [], straight: [] };
  await camera.jpeg(); // the first one is slow: nobody's time is counted yet
  const began = performance.now();
  const end = lasting(challenge);
  const first = challenge[0]?.[1] ?? end;
  for (let at = 0; at < end; at = performance.now() - began) {
    moment(at);
    const pixels = at < first && taken.straight.length < STRAIGHT ? camera.pixels() : null;
    const picture = await camera.jpeg();
    if (!picture && taken.frames.length > 0) throw new Error('the camera is gone');
    if (picture) taken.frames.push({ atMs: at, picture });
    if (pixels) taken.straight.push(pixels);
    await new Promise((next) => setTimeout(next, Math.max(0, EVERY_MS - (performance.now() - began - at))));
  }
  moment(end);
  return taken;
}

/** Nothing of a face waits for the garbage collector. */
export function forget(taken: Taken): void {
  for (const { picture } of taken.frames) picture.fill(0);
  for (const { data } of taken.straight) data.fill(0);
}
