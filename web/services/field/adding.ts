/**
 * What is added to something that is there already: words and files to a file of the pack, a round past a home under watch.
 *
 * Which one is filled in here, from what the device took along and from what it kept itself and has not sent. `seen` says how many
 * events the officer knew of: where there are others by then, what is added is looked at before it is recorded.
 */
import type { Text } from '../../kit/types';
import { element } from './dom';
import { Form, type Values } from './form';
import { OF_ENTRY, provisional, type Content } from './outbox';
import { seenOf, stopsOf } from './carried';
import { moment, say, WORDS } from './words';

interface Choice {
  id: string;
  what: Text;
  more: string;
  report: boolean;
  seen: number;
}

export class Adding extends Form {
  #choices: Choice[] = [];

  get #round(): boolean {
    return this.form.dataset['field'] === 'pass';
  }

  protected override prepare(): void {
    this.#choices = this.#round ? this.#homes() : [...this.#files(), ...this.#own()];
    const group = this.form.querySelector('[data-q=target] fieldset');
    group?.querySelectorAll('.pick, [data-none]').forEach((one) => one.remove());
    group?.append(...this.#choices.map((one, at) => pick(one, at === 0)));
    if (this.#choices.length === 0) group?.append(element('p', say(this.#round ? WORDS.noStops : WORDS.noFiles), { 'data-none': '' }));
  }

  #homes(): Choice[] {
    const { pack, outbox } = this.device;
    return stopsOf(pack, outbox?.entries ?? []).map(({ stop, last }) => ({
      id: stop.file,
      what: { fr: stop.address, en: stop.address },
      more: `${stop.number} · ${last ? say(WORDS.seenAt(moment(last))) : say(WORDS.never)}`,
      report: true,
      seen: 0,
    }));
  }

  #files(): Choice[] {
    const { pack, outbox } = this.device;
    return (pack?.files ?? []).map((one) => ({
      id: one.id,
      what: one.title,
      more: [one.number, say(one.said), one.place].filter(Boolean).join(' · '),
      report: one.report,
      seen: seenOf(one, outbox?.entries ?? []),
    }));
  }

  /** What this device took down and the pack does not hold yet: the act goes first, then what is added to it. */
  #own(): Choice[] {
    const known = new Set((this.device.pack?.files ?? []).map((one) => one.number));
    return (this.device.outbox?.entries ?? [])
      .filter((one) => !one.target && (one.state === 'waiting' || (one.state === 'done' && !known.has(one.number))))
      .map((one) => ({ id: OF_ENTRY + one.id, what: one.what, more: one.number || say(WORDS.provisional(provisional(one.id))), report: false, seen: 0 }));
  }

  get #chosen(): Choice | undefined {
    const id = this.form.querySelector<HTMLInputElement>('[name=target]:checked')?.value;
    return this.#choices.find((one) => one.id === id);
  }

  /** Words only where the file takes them as it stands. */
  protected override ask(): void {
    super.ask();
    if (this.#round) return;
    const text = this.questions.find((one) => one.dataset['q'] === 'text');
    const [chosen, note] = [this.#chosen, this.form.querySelector('[data-report-only-note]')];
    const closed = chosen !== undefined && !chosen.report;
    if (text) text.hidden = closed;
    if (closed && !note) text?.after(element('p', this.form.dataset['reportOnly'] ?? '', { class: 'note', 'data-report-only-note': '' }));
    else if (!closed) note?.remove();
  }

  protected override missing(values: Values): string | null {
    if (!this.#chosen) return this.form.dataset['choose'] ?? '';
    const something = this.#round || (values['text']?.[0] ?? '').trim() !== '' || this.attachments.files.length > 0;
    return something ? null : (this.form.dataset['nothingAdded'] ?? '');
  }

  protected override content(values: Values): { content: Content; what: Text; target: string } {
    const { titleFr = '', titleEn = '' } = this.form.dataset;
    const chosen = this.#chosen;
    if (!chosen) throw new Error('nothing is chosen');
    const [target, text] = [chosen.id, (values['text']?.[0] ?? '').trim()];
    const what = { fr: `${titleFr} : ${chosen.what.fr}`, en: `${titleEn}: ${chosen.what.en}` };
    if (this.#round) {
      const [lat, lon, accuracy] = ['lat', 'lon', 'accuracy'].map((part) => values[`where-${part}`]?.[0]);
      const where = lat && lon ? { lat: Number(lat), lon: Number(lon), accuracy: Number(accuracy ?? 0) } : {};
      return { content: { act: 'pass', target, text, ...where }, what, target };
    }
    if (text) return { content: { act: 'complement', target, text, seen: chosen.seen }, what, target };
    return { content: { act: 'attach', target }, what, target };
  }
}

function pick({ id, what, more }: Choice, first: boolean): HTMLLabelElement {
  const label = element('label', '', { class: 'pick' });
  const words = element('span', say(what));
  words.append(element('small', more));
  label.append(element('input', '', { type: 'radio', name: 'target', value: id, ...(first ? { id: 'target' } : {}) }), words);
  return label;
}
