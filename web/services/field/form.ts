/**
 * A service's form without network: asks what is to be asked, keeps what is typed as it is typed, sealed, and queues the act.
 *
 * The conditions and sentences are the server's, written into the page; the server checks all of it again when it comes.
 */
import { unwritten } from '../../kit/store/database';
import type { Text } from '../../kit/types';
import { Attachments } from './attachments';
import type { Device } from './device';
import { element, set } from './dom';
import type { Kept } from './files';
import { hidden, locating } from './locating';
import type { Content } from './outbox';
import { Sketch } from './sketch';
import { moment, say, WORDS } from './words';

interface Condition {
  field: string;
  is: string[];
}
/** Every name of the form with its values, as a browser would send it. */
export type Values = Record<string, string[]>;
interface Draft {
  form: Values;
  who: Record<string, string>;
  files: Kept[];
}

const AFTER_MS = 300;
const WHO = ['given_name', 'family_name', 'birthdate', 'document'];
const EMAIL = /^[^\s@]+@[^\s@]+\.?[^\s@]*$/;

/** The record in which what is typed into a form is kept. */
export const draft = (service: string): string => `draft ${service}`;

export class Form {
  protected readonly form: HTMLFormElement;
  protected readonly device: Device;
  protected readonly questions: HTMLElement[];
  protected readonly attachments: Attachments;
  readonly #service: string;
  readonly #sketch: Sketch | null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saving: Promise<void> = Promise.resolve();
  #ready = false;
  /** That what was typed is back, or finds no room: said until something is kept, whatever the network does meanwhile. */
  #said = false;

  constructor(form: HTMLFormElement, device: Device) {
    this.form = form;
    this.device = device;
    this.#service = form.dataset['service'] ?? '';
    this.questions = [...form.querySelectorAll<HTMLElement>('[data-q]')];
    this.attachments = new Attachments(form, () => device.vault, () => this.save());
    const sketching = form.querySelector<HTMLElement>('[data-sketch]');
    this.#sketch = sketching && new Sketch(sketching, this.attachments, () => device.vault, `sketch ${this.#service}`);
    form.addEventListener('input', () => this.#typed());
    form.addEventListener('change', () => this.#typed());
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#keep();
    });
    for (const one of this.questions.filter((each) => ['place', 'spot'].includes(each.dataset['kind'] ?? ''))) locating(one, () => void this.save());
  }

  /** Shows the form once the device is open, with what was typed before; hides it when the lease is over. */
  async show(): Promise<void> {
    const { state, vault } = this.device;
    this.form.hidden = state !== 'open';
    if (state !== 'open' || !vault || this.#ready) {
      if (state !== 'open') this.#ready = false;
      return;
    }
    this.#ready = true;
    this.prepare();
    const kept = await vault.recall<Draft>(draft(this.#service));
    if (kept) {
      this.#fill(kept);
      this.#said = true;
      this.#state(say(WORDS.restored));
    }
    await this.#sketch?.restore();
    this.ask();
  }

  /** Puts in what only the device knows, before what was typed comes back. */
  protected prepare(): void {}

  #state(words: string): void {
    set(document.querySelector('[data-state]'), words);
  }

  /** Only of what is asked. */
  #values(): Values {
    const found: Values = {};
    for (const question of this.questions.filter((one) => !one.hidden)) {
      for (const input of question.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>('input[name], textarea[name]')) {
        if (input instanceof HTMLInputElement && ['radio', 'checkbox'].includes(input.type) && !input.checked) continue;
        if (input.value !== '') (found[input.name] ??= []).push(input.value);
      }
    }
    return found;
  }

  #who(): Record<string, string> {
    return Object.fromEntries(WHO.map((name) => [name, this.form.querySelector<HTMLInputElement>(`[name=${name}]`)?.value ?? '']));
  }

  #fill({ form, who, files }: Draft): void {
    for (const input of this.form.querySelectorAll<HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement>('[name]')) {
      const values = WHO.includes(input.name) ? [who[input.name] ?? ''] : (form[input.name] ?? []);
      if (input instanceof HTMLInputElement && ['radio', 'checkbox'].includes(input.type)) input.checked = values.includes(input.value);
      else if (values[0]) input.value = values[0];
    }
    for (const question of this.questions.filter((one) => ['place', 'spot'].includes(one.dataset['kind'] ?? ''))) {
      const id = question.dataset['q'] ?? '';
      for (const part of ['lat', 'lon', 'accuracy']) {
        const value = form[`${id}-${part}`]?.[0];
        if (value) hidden(question, `${id}-${part}`, value);
      }
    }
    this.attachments.put(files);
  }

  #typed(): void {
    this.ask();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.save(), AFTER_MS);
  }

  /** One after the other, the newest last; one that found no room says so, and the next tries again. */
  protected save(): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      if (this.device.state !== 'open') return;
      try {
        await this.device.vault?.keep(draft(this.#service), { form: this.#values(), who: this.#who(), files: this.attachments.files } satisfies Draft);
        this.form.dataset['saved'] = String(Date.now());
        this.#state(say(WORDS.draft));
      } catch (error) {
        const why = unwritten(error);
        if (why === null) return reportError(error);
        this.#said = true;
        this.#state(say(WORDS[why]));
      }
    });
    return this.#saving;
  }

  /** Which questions are asked: one whose condition hangs on an unasked question is not asked either. */
  protected ask(): void {
    const known = new Map<string, string[]>();
    for (const question of this.questions) {
      const conditions = JSON.parse(question.dataset['when'] ?? '[]') as Condition[];
      question.hidden = !conditions.every(({ field, is }) => (known.get(field) ?? []).some((value) => is.includes(value)));
      if (question.hidden) continue;
      const id = question.dataset['q'] ?? '';
      const ticked = [...question.querySelectorAll<HTMLInputElement>('input:checked')].map((one) => one.value);
      known.set(id, ticked.length > 0 ? ticked : [question.querySelector<HTMLInputElement>(`[name="${id}"]`)?.value ?? '']);
    }
  }

  #way(values: Values): string | null {
    const ways = JSON.parse(this.form.dataset['ways'] ?? '[]') as { when: Condition[]; say: string }[];
    return ways.find((way) => way.when.every(({ field, is }) => (values[field] ?? []).some((one) => is.includes(one))))?.say ?? null;
  }

  #wrong(question: HTMLElement, values: Values): string | null {
    const { q: id = '', kind, missing = '', wrong = '' } = question.dataset;
    if (kind === 'files' || kind === 'spot') return null;
    if (kind === 'date') {
      const parts = ['day', 'month', 'year'].map((part) => values[`${id}-${part}`]?.[0] ?? '');
      if (parts.every((part) => part === '')) return 'required' in question.dataset ? missing : null;
      const [day = 0, month = 0, year = 0] = parts.map(Number);
      const made = new Date(Date.UTC(year, month - 1, day));
      const real = year > 999 && made.getUTCFullYear() === year && made.getUTCMonth() === month - 1 && made.getUTCDate() === day;
      return real && !('past' in question.dataset && made.getTime() > Date.now() + 86_400_000) ? null : wrong;
    }
    const value = values[id]?.[0]?.trim() ?? '';
    if (value === '') return 'required' in question.dataset ? missing : null;
    if (kind === 'email' && !EMAIL.test(value)) return wrong;
    if (kind === 'time' && !/^([01]?\d|2[0-3])\s*[:hH]\s*([0-5]\d)?$/.test(value)) return wrong;
    return null;
  }

  /** Marks what is wrong, and says whether anything is. */
  #checked(values: Values): boolean {
    const way = this.#way(values) ?? this.missing(values);
    const lines: [HTMLElement, string][] = [];
    for (const question of this.questions) {
      const words = question.hidden ? null : this.#wrong(question, values);
      const box = question.querySelector('.q');
      box?.classList.toggle('bad', words !== null);
      question.querySelector('[data-mistake]')?.remove();
      if (words === null) continue;
      lines.push([question, words]);
      box?.prepend(element('p', words, { class: 'mistake', 'data-mistake': '' }));
    }
    this.form.querySelector('[data-mistakes]')?.replaceChildren();
    if (way === null && lines.length === 0) return true;
    const list = element('ul');
    for (const [question, words] of lines) {
      const label = question.querySelector('label, legend')?.textContent?.trim() ?? '';
      const item = element('li');
      item.append(element('a', `${label} — ${words}`, { href: `#${question.dataset['q'] ?? ''}` }));
      list.append(item);
    }
    this.#mistaken(...(way === null ? [list] : [element('p', way)]));
    return false;
  }

  #mistaken(...what: Element[]): void {
    const box = element('div', '', { class: 'wrong', role: 'alert', tabindex: '-1' });
    box.append(element('h2', say(WORDS.mistakes)), ...what);
    this.form.querySelector('[data-mistakes]')?.replaceChildren(box);
    box.focus();
  }

  /** What no single question says is wrong. */
  protected missing(_values: Values): string | null {
    return null;
  }

  /** What is signed and sent, and what it is called in the list. */
  protected content(values: Values): { content: Content; what: Text; target?: string } {
    const { version, digest, titleFr = '', titleEn = '' } = this.form.dataset;
    const lang = document.documentElement.lang;
    const content = { act: 'take', service: this.#service, version: Number(version), digest: digest ?? '', form: values, who: this.#who(), lang } as const;
    return { content, what: { fr: titleFr, en: titleEn } };
  }

  async #keep(): Promise<void> {
    if (!((await this.#sketch?.settle()) ?? true)) return;
    const values = this.#values();
    const { outbox, vault } = this.device;
    if (!this.#checked(values) || !outbox || !vault || this.form.dataset['keeping']) return;
    this.form.dataset['keeping'] = 'true';
    clearTimeout(this.#timer);
    await this.#saving;
    const { content, what, target = '' } = this.content(values);
    try {
      await outbox.add(content, this.attachments.files, what, this.#service, target);
    } catch (error) {
      delete this.form.dataset['keeping'];
      const why = unwritten(error);
      if (why === null) throw error;
      return this.#mistaken(element('p', say(WORDS[why])));
    }
    await vault.drop(draft(this.#service));
    this.form.reset();
    // Not the way back: what was typed is not there any more, and a page left with an empty form keeps nothing.
    location.replace(`/field?lang=${document.documentElement.lang}`);
  }

  /** What the page says above the form. */
  status(): void {
    const device = this.device;
    if (device.state === 'open') {
      const words = `${say(device.online ? WORDS.online : WORDS.offline)} ${say(WORDS.open(moment(device.until)))}`;
      if (!this.form.dataset['saved'] && !this.#said) this.#state(words);
    } else if (device.state !== 'starting') {
      this.#state(device.state === 'none' ? say(WORDS.needed) : say(WORDS[device.state]));
    }
  }
}
