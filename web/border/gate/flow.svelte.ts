/**
 * One traveller at a gate, step by step; what goes wrong ends in the same calm step: an officer comes.
 *
 *     languages → (document) → code → (face) → checking → pass | again | officer
 *
 * The chip is read while the traveller goes on to the code and the face: the document stays where it lies.
 * Frames and the wallet's answer are sealed to the room of the control before they leave the page; nothing is kept here when the
 * next traveller comes. Why an officer is wanted is said to the officer, never on this screen.
 */
import { live } from '../../kit';
import { base64url, fromBase64url, seal } from '../shared/seal';
import { Camera } from '../shared/camera';
import { scanned } from '../shared/codes';
import { opened, presented, rejected, watched, type Asked, type Given, type Leaving, type Move, type Opened, type Place, type Presented } from './acts';
import { chipRead, laid } from './chip';

export type Guidance = 'alone' | 'closer' | 'light' | 'turn' | 'still';

export type Step =
  | { at: 'languages' }
  | { at: 'document'; open: Opened }
  | { at: 'code'; open: Opened }
  | { at: 'face'; open: Opened; move: Move | 'straight'; done: number }
  | { at: 'checking'; open: Opened | null }
  | { at: 'again'; open: Opened; guidance: Guidance }
  | { at: 'pass'; receipt: string }
  | { at: 'officer' }
  | { at: 'decided' }
  | { at: 'closed' };

/** Between two looks for the wallet's answer, and between two frames of a face. */
const SCAN_EVERY_MS = 120;
const FRAME_EVERY_MS = 100;
/** From the phone before the camera to the face: the arm goes down. */
const READY_MS = 800;
/** The room ends the movements after 7 s at most; a gate whose camera gives no frame ends them itself. */
const MOVEMENTS_MS = 9000;
const MOVEMENTS = 2;
const AGAIN_MS = 1800;
const PASS_MS = 10_000;
/** An officer's case lasts five minutes; the next traveller may begin before, by the button. */
const OFFICER_MS = 300_000;
const CLOSED_MS = 8_000;
/** A control that ends while its answer is under way is nobody's: it is left a little before. */
const MARGIN_MS = 5_000;
/** For each frame of a face that is not asked to move. */
const STILL_FRAME_MS = 400;
const GUIDANCE: readonly string[] = ['alone', 'closer', 'light', 'turn', 'still'] satisfies Guidance[];

/** Somebody left, or the next traveller came: what was under way is nobody's. */
class Left extends Error {}
class NoCamera extends Error {}

export class Flow {
  step = $state<Step>({ at: 'languages' });
  /** What the camera sees, for the traveller to see too; null while it rests. */
  stream = $state.raw<MediaStream | null>(null);
  /** The chip is being read: the document stays on the reader. */
  reading = $state(false);
  #camera = new Camera();
  #control: Opened | null = null;
  /** The control for which an officer was called; their decision comes over the live link. */
  #called = '';
  /** What a wallet posted for this control. */
  #posted = '';
  #off: (() => void)[];
  #round = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private place: Place) {
    this.#camera.onlost = () => {
      this.stream = null;
      if (this.#control) void this.officer('camera');
    };
    this.#off = [
      live.on('border.answer', ({ control, answer }) => {
        if (control === this.#control?.control) this.#posted = answer;
      }),
      live.on('border.decided', ({ control, word, receipt }) => {
        if (control === this.#called && this.step.at === 'officer') this.#decided(word, receipt);
      }),
    ];
  }

  /** A traveller chose a language. */
  async begin(): Promise<void> {
    const round = ++this.#round;
    clearTimeout(this.#timer);
    [this.#called, this.#posted] = ['', ''];
    this.step = { at: 'checking', open: null };
    try {
      this.#control = await opened(this.place);
    } catch {
      // The law says no (nobody is at the post, the equal lane is closed), or the platform is away: this gate opens for nobody.
      if (round === this.#round) this.#rest({ at: 'closed' }, CLOSED_MS);
      return;
    }
    if (round !== this.#round) return void this.#end('left');
    try {
      await this.#pass(round, this.#control);
    } catch (error) {
      if (!(error instanceof Left) && round === this.#round) await this.officer(error instanceof NoCamera ? 'camera' : 'refused');
    }
  }

  /** A person is wanted: the traveller prefers one, or the machine is at its end. */
  async officer(why: Leaving): Promise<void> {
    this.#round += 1;
    this.#rest({ at: 'officer' }, OFFICER_MS);
    await this.#end(why);
  }

  /** The traveller walks away, or takes the other lane. */
  async leave(): Promise<void> {
    this.#round += 1;
    this.#rest({ at: 'languages' }, 0);
    await this.#end('left');
  }

  /** The page closes. */
  close(): void {
    this.#round += 1;
    clearTimeout(this.#timer);
    this.#camera.stop();
    for (const off of this.#off) off();
    if (this.#control) void this.#end('left');
  }

  async #pass(round: number, first: Opened): Promise<void> {
    let open = first;
    const ends = performance.now() + open.life_s * 1000 - MARGIN_MS;
    this.#timer = setTimeout(() => void this.leave(), open.life_s * 1000 - MARGIN_MS);
    const given: Given = { answer: '', offline: true, frames: [], chip: '' };
    let chip: Promise<string> | null = null;
    if (open.document) {
      this.#show(round, { at: 'document', open });
      await laid(() => round === this.#round && performance.now() < ends);
      this.#still(round);
      chip = this.#chip(round, open);
    }
    this.#show(round, { at: 'code', open });
    await this.#look();
    const shown = await this.#answer(round);
    given.offline = shown !== null;
    given.answer = shown ? base64url(shown) : this.#posted;
    for (;;) {
      if (open.challenge.length > 0) await this.#movements(round, open, given);
      else if (open.face) given.frames = await this.#face(round, open);
      this.#show(round, { at: 'checking', open });
      if (chip) given.chip = await chip;
      const result = await presented(this.place.realm, open.control, given);
      this.#still(round);
      if (result.result !== 'unsure') return this.#finish(result);
      const guidance = result.guidance.find((word) => GUIDANCE.includes(word)) ?? 'still';
      this.#show(round, { at: 'again', open, guidance: guidance as Guidance });
      await this.#wait(round, AGAIN_MS);
      open = { ...open, challenge: result.challenge };
    }
  }

  #finish(result: Presented): void {
    if (result.result === 'pass') {
      this.#control = null;
      this.#rest({ at: 'pass', receipt: result.receipt }, PASS_MS);
    } else if (result.result === 'officer') {
      this.#called = this.#control?.control ?? '';
      this.#control = null;
      this.#rest({ at: 'officer' }, OFFICER_MS);
    } else {
      void this.officer('refused');
    }
  }

  /** An officer has decided: who goes through is told so here too, the others by the officer. */
  #decided(word: string, receipt: string): void {
    this.#rest(word === 'let-through' ? { at: 'pass', receipt } : { at: 'decided' }, PASS_MS);
  }

  /** The wallet's answer, as its screen shows it to the camera; null where it came by network. */
  async #answer(round: number): Promise<Uint8Array | null> {
    for (;;) {
      if (this.#posted) return null;
      const pixels = this.#camera.pixels();
      const found = pixels ? scanned(pixels, 'answer') : null;
      if (found) return found;
      await this.#wait(round, SCAN_EVERY_MS);
    }
  }

  /** Reads on beside what else is asked; a chip that cannot be read ends the control at once. */
  #chip(round: number, open: Opened): Promise<string> {
    this.reading = true;
    const read = chipRead(open.key).finally(() => {
      if (round === this.#round) this.reading = false;
    });
    read.catch(() => {
      if (round === this.#round) void this.officer('refused');
    });
    return read;
  }

  /** The frames of the face where no movements are asked for, each sealed to the room with the moment it was taken. */
  async #face(round: number, open: Opened): Promise<string[]> {
    const until = open.frames * STILL_FRAME_MS;
    const sealed: Promise<string>[] = [];
    await this.#frames(round, open, (at, frame) => {
      this.#show(round, { at: 'face', open, move: 'straight', done: at / until });
      if (frame) sealed.push(frame);
      return at <= until;
    });
    return Promise.all(sealed);
  }

  /** Two movements. The frames go to the room as they are taken; it asks for the second once it saw the first, and says when it is over. */
  async #movements(round: number, open: Opened, given: Given): Promise<void> {
    const [[first, first_at] = ['left' as const, 0]] = open.challenge;
    let asked: Asked = { move: first, at_ms: first_at, over: false };
    let failed: unknown = null;
    const taken: Promise<string>[] = [];
    let sending: Promise<void> | null = null;
    const send = async (): Promise<void> => {
      const frames = await Promise.all(taken.splice(0));
      const now = await watched(this.place.realm, open.control, given, frames);
      asked = now.over ? { ...asked, over: true } : now;
    };
    await this.#frames(round, open, (at, frame) => {
      if (failed) throw failed;
      if (asked.over) return false;
      const due = at >= asked.at_ms;
      const done = asked.at_ms === first_at ? 0 : 1 / MOVEMENTS;
      this.#show(round, { at: 'face', open, move: due ? asked.move : 'straight', done });
      if (frame) taken.push(frame);
      // Before a movement is asked for there is nothing to be seen: its frames go with the first after it.
      if (due) sending ??= send().catch((error: unknown) => (failed = error)).then(() => void (sending = null));
      return at <= MOVEMENTS_MS;
    });
    // What is still under way belongs to this attempt, not to the next.
    await sending;
  }

  /** Frame by frame, sealed, from when the traveller looks here, as long as `each` wants more. */
  async #frames(round: number, open: Opened, each: (at: number, frame: Promise<string> | null) => boolean): Promise<void> {
    this.#show(round, { at: 'face', open, move: 'straight', done: 0 });
    await this.#wait(round, READY_MS);
    const began = performance.now();
    for (let at = 0; ; at = performance.now() - began) {
      const frame = await this.#frame(at);
      if (!each(at, frame && seal(frame, open.key))) return;
      await this.#wait(round, Math.max(0, FRAME_EVERY_MS - (performance.now() - began - at)));
    }
  }

  async #frame(at: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const picture = await this.#camera.jpeg();
    if (!picture) return null;
    const frame = new Uint8Array(picture.length + 4);
    new DataView(frame.buffer).setUint32(0, Math.round(at));
    frame.set(picture, 4);
    return frame;
  }

  async #look(): Promise<void> {
    try {
      this.stream = await this.#camera.start();
    } catch (error) {
      throw new NoCamera('no camera', { cause: error });
    }
  }

  #show(round: number, step: Step): void {
    this.#still(round);
    this.step = step;
  }

  #still(round: number): void {
    if (round !== this.#round) throw new Left();
  }

  async #wait(round: number, ms: number): Promise<void> {
    await new Promise((done) => setTimeout(done, ms));
    this.#still(round);
  }

  /** A last screen for a while, then the next traveller; the camera rests too. */
  #rest(step: Step, ms: number): void {
    clearTimeout(this.#timer);
    this.#camera.stop();
    this.stream = null;
    this.reading = false;
    this.step = step;
    if (ms === 0) return;
    this.#timer = setTimeout(() => {
      this.#round += 1;
      this.step = { at: 'languages' };
    }, ms);
  }

  async #end(why: Leaving): Promise<void> {
    const control = this.#control;
    this.#control = null;
    if (!control) return;
    if (why !== 'left') this.#called = control.control;
    try {
      await rejected(this.place.realm, control.control, why);
    } catch (error) {
      // It ended by itself meanwhile; the officer sees the screen.
      console.info('gate:', error);
    }
  }
}

/** The bytes of the question in this control's picture. */
export function question(open: Opened): Uint8Array {
  return fromBase64url(open.picture);
}
