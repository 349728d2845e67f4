/**
 * Turning a camera: directions held down become moves, and a stop when all are let go.
 *
 * One request at a time, so that a stop never overtakes the move it ends. A move ends by itself after `MOVE_S`, whatever
 * happens to this page; while a direction is held it is asked again before that.
 */
import { act, asFailure, type Problem, type Refusal } from '../kit/api';

export const DIRECTIONS = ['left', 'right', 'up', 'down', 'in', 'out'] as const;
export type Direction = (typeof DIRECTIONS)[number];

const MOVE_S = 3;
const AGAIN_MS = 2000;
/** One press of an assistive tool, which cannot hold: a short move. */
const NUDGE_MS = 400;

interface Speeds {
  pan: number;
  tilt: number;
  zoom: number;
}

export class Steering {
  /** Directions held now, for the page. */
  held = $state.raw<ReadonlySet<Direction>>(new Set());
  failure = $state<Refusal | Problem | null>(null);
  /** A share of the camera's fastest. */
  speed = $state(0.5);

  readonly #deployment: string;
  readonly #purpose: string | null;
  #turning = '';
  #askedAt = 0;
  #busy = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #nudge: ReturnType<typeof setTimeout> | undefined;

  constructor(deployment: string, purpose: string | null) {
    this.#deployment = deployment;
    this.#purpose = purpose;
  }

  press(direction: Direction): void {
    this.failure = null;
    this.held = new Set([...this.held, direction]);
    void this.#follow();
  }

  release(direction: Direction): void {
    if (!this.held.has(direction)) return;
    this.held = new Set([...this.held].filter((each) => each !== direction));
    void this.#follow();
  }

  /** Let go of everything: the camera stops. */
  stop(): void {
    clearTimeout(this.#nudge);
    this.held = new Set();
    void this.#follow();
  }

  nudge(direction: Direction): void {
    clearTimeout(this.#nudge);
    this.press(direction);
    this.#nudge = setTimeout(() => this.stop(), NUDGE_MS);
  }

  get #wanted(): Speeds {
    const way = (plus: Direction, minus: Direction): number => (Number(this.held.has(plus)) - Number(this.held.has(minus))) * this.speed;
    return { pan: way('right', 'left'), tilt: way('up', 'down'), zoom: way('in', 'out') };
  }

  async #follow(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    clearTimeout(this.#timer);
    try {
      for (;;) {
        const speeds = this.#wanted;
        const moves = speeds.pan !== 0 || speeds.tilt !== 0 || speeds.zoom !== 0;
        const wanted = moves ? JSON.stringify(speeds) : '';
        if (wanted === this.#turning && (!moves || performance.now() - this.#askedAt < AGAIN_MS)) break;
        this.#askedAt = performance.now();
        await act('operations.camera.move', { deployment: this.#deployment, purpose: this.#purpose, ...speeds, seconds: MOVE_S });
        this.#turning = wanted;
      }
    } catch (error) {
      this.failure = asFailure(error);
      this.held = new Set();
      this.#turning = '';
    } finally {
      this.#busy = false;
      if (this.#turning) this.#timer = setTimeout(() => void this.#follow(), AGAIN_MS);
    }
  }
}
