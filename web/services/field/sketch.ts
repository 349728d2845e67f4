/**
 * A sketch of the scene, drawn with a finger, a pen or a mouse; whoever does not draw describes it in words instead.
 *
 * Each stroke is kept sealed as it is made and can be taken back one by one. Added to the form it is a picture (PNG) among its
 * files, or a text: sealed, sent and hashed like any other. Black on white whatever the theme: it is read on paper.
 * Source: W3C Pointer Events.
 */
import type { Vault } from '../../kit/store/vault';
import type { Attachments } from './attachments';
import { button, element, set } from './dom';
import { say, WORDS } from './words';

type Point = [number, number];
interface Drawn {
  strokes: Point[][];
  words: string;
}

/** Points of the picture: what a phone draws finely enough and a page prints well. */
const WIDTH = 1200;
const HEIGHT = 900;
const PEN = 5;
/** Points closer than this to the last one say nothing new. */
const STEP = 3;
const KEEP_AFTER_MS = 300;

export class Sketch {
  #strokes: Point[][] = [];
  #drawing: number | null = null;
  #adding: Promise<boolean> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #place: HTMLElement;
  readonly #attachments: Attachments;
  readonly #vault: () => Vault | null;
  readonly #name: string;
  readonly #panel = element('div', '', { class: 'sketch', role: 'group' });
  readonly #canvas = element('canvas', '', { width: String(WIDTH), height: String(HEIGHT), role: 'img' });
  readonly #words = element('textarea', '', { id: 'sketch-words', maxlength: '4000', autocomplete: 'off', dir: 'auto' });
  readonly #said = element('p', '', { role: 'status' });
  readonly #open: HTMLButtonElement;
  readonly #undo: HTMLButtonElement;

  constructor(place: HTMLElement, attachments: Attachments, vault: () => Vault | null, name: string) {
    this.#place = place;
    this.#attachments = attachments;
    this.#vault = vault;
    this.#name = name;
    this.#open = button(say(WORDS.sketch), () => this.#show(Boolean(this.#panel.hidden)), 'quiet inline');
    this.#undo = button(say(WORDS.undo), () => this.#take(), 'quiet inline');
    this.#build();
  }

  /** What was drawn before the page went. */
  async restore(): Promise<void> {
    const kept = await this.#vault()?.recall<Drawn>(this.#name);
    if (!kept) return;
    this.#strokes = kept.strokes;
    this.#words.value = kept.words;
    this.#show(kept.strokes.length > 0 || kept.words !== '');
  }

  /** What was drawn and not added yet is added: nothing is lost. Gives whether all is among the files. */
  async settle(): Promise<boolean> {
    return (this.#strokes.length === 0 && this.#words.value.trim() === '') || this.#added();
  }

  /** It is part of the files now. */
  async #forget(): Promise<void> {
    clearTimeout(this.#timer);
    this.#strokes = [];
    this.#words.value = '';
    this.#show(false);
    await this.#vault()?.drop(this.#name);
  }

  #build(): void {
    const hint = element('p', say(WORDS.sketchHint), { class: 'hint', id: 'sketch-hint' });
    this.#panel.setAttribute('aria-label', say(WORDS.sketch));
    this.#canvas.setAttribute('aria-describedby', 'sketch-hint');
    this.#panel.append(
      hint,
      this.#canvas,
      this.#undo,
      button(say(WORDS.clear), () => this.#clear(), 'quiet inline'),
      element('label', say(WORDS.sketchWords), { for: 'sketch-words' }),
      this.#words,
      this.#said,
      button(say(WORDS.sketchAdd), () => void this.#added(), 'inline'),
    );
    this.#panel.hidden = true;
    this.#open.setAttribute('aria-expanded', 'false');
    this.#place.append(this.#open, this.#panel);
    this.#canvas.addEventListener('pointerdown', (event) => this.#begin(event));
    this.#canvas.addEventListener('pointermove', (event) => this.#move(event));
    for (const end of ['pointerup', 'pointercancel'] as const) this.#canvas.addEventListener(end, (event) => this.#end(event));
    // What is written here is no answer of the form: it becomes a file of its own.
    for (const kind of ['input', 'change'] as const) {
      this.#words.addEventListener(kind, (event) => {
        event.stopPropagation();
        this.#kept();
      });
    }
    this.#draw();
  }

  #show(open: boolean): void {
    this.#panel.hidden = !open;
    this.#open.setAttribute('aria-expanded', String(open));
    this.#draw();
  }

  #at(event: PointerEvent): Point {
    const box = this.#canvas.getBoundingClientRect();
    const along = (value: number, size: number, points: number): number => Math.round(Math.min(1, Math.max(0, value / size)) * points);
    return [along(event.clientX - box.left, box.width, WIDTH), along(event.clientY - box.top, box.height, HEIGHT)];
  }

  #begin(event: PointerEvent): void {
    if (this.#drawing !== null || event.button !== 0) return;
    event.preventDefault();
    this.#drawing = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#strokes.push([this.#at(event)]);
    this.#draw();
  }

  #move(event: PointerEvent): void {
    const stroke = this.#strokes.at(-1);
    if (event.pointerId !== this.#drawing || !stroke) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const one of between.length > 0 ? between : [event]) {
      const [next, last] = [this.#at(one), stroke.at(-1)];
      if (!last || Math.hypot(next[0] - last[0], next[1] - last[1]) >= STEP) stroke.push(next);
    }
    this.#draw();
  }

  #end(event: PointerEvent): void {
    if (event.pointerId !== this.#drawing) return;
    this.#drawing = null;
    this.#kept();
  }

  #take(): void {
    this.#strokes.pop();
    this.#draw();
    this.#kept();
  }

  #clear(): void {
    this.#strokes = [];
    this.#draw();
    this.#kept();
  }

  #draw(): void {
    const pen = this.#canvas.getContext('2d');
    const count = this.#strokes.length;
    this.#undo.disabled = count === 0;
    this.#canvas.dataset['strokes'] = String(count);
    this.#canvas.setAttribute('aria-label', say(WORDS.strokes(count)));
    if (!pen) return;
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, WIDTH, HEIGHT);
    pen.strokeStyle = '#000';
    pen.lineWidth = PEN;
    pen.lineCap = 'round';
    pen.lineJoin = 'round';
    for (const [first, ...rest] of this.#strokes) {
      if (!first) continue;
      pen.beginPath();
      pen.moveTo(...first);
      // A press that does not move is a point.
      if (rest.length === 0) pen.lineTo(first[0] + 0.1, first[1]);
      for (const point of rest) pen.lineTo(...point);
      pen.stroke();
    }
  }

  #kept(): void {
    clearTimeout(this.#timer);
    const drawn: Drawn = { strokes: this.#strokes, words: this.#words.value };
    this.#timer = setTimeout(() => void this.#vault()?.keep(this.#name, drawn), KEEP_AFTER_MS);
  }

  /** Pressed twice, added once. */
  #added(): Promise<boolean> {
    this.#adding ??= this.#add().finally(() => (this.#adding = null));
    return this.#adding;
  }

  async #add(): Promise<boolean> {
    const words = this.#words.value.trim();
    const files: File[] = [];
    if (this.#strokes.length > 0) {
      const picture = await new Promise<Blob | null>((done) => this.#canvas.toBlob(done, 'image/png'));
      if (picture) files.push(new File([picture], `${say(WORDS.sketchName)}.png`, { type: 'image/png' }));
    }
    if (words) files.push(new File([words], `${say(WORDS.sketchName)}.txt`, { type: 'text/plain' }));
    set(this.#said, files.length === 0 ? say(WORDS.sketchEmpty) : '');
    if (files.length === 0 || !(await this.#attachments.take(files))) return false;
    await this.#forget();
    this.#open.focus();
    return true;
  }
}
