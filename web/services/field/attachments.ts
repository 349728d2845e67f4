/** The files of a form: sealed as they are chosen, listed, dropped again. What is listed is durable on the device. */
import { unwritten } from '../../kit/store/database';
import type { Vault } from '../../kit/store/vault';
import { button, element, set } from './dom';
import { MOST_BYTES, MOST_FILES, seal, type Kept } from './files';
import { say, WORDS } from './words';

export class Attachments {
  files: Kept[] = [];
  readonly #form: HTMLFormElement;
  readonly #vault: () => Vault | null;
  readonly #changed: () => Promise<void>;

  constructor(form: HTMLFormElement, vault: () => Vault | null, changed: () => Promise<void>) {
    this.#form = form;
    this.#vault = vault;
    this.#changed = changed;
    for (const input of form.querySelectorAll<HTMLInputElement>('input[type=file]')) input.addEventListener('change', () => void this.#chosen(input));
  }

  /** What was there before. */
  put(files: Kept[]): void {
    this.files = files;
    this.#list();
  }

  /** Seals files and lists them; says so where one is too many or too large. Gives whether all were taken. */
  async take(files: Iterable<File>): Promise<boolean> {
    const [said, vault] = [this.#form.querySelector('[data-files-state]'), this.#vault()];
    let wrong = '';
    for (const file of files) {
      if (!vault) return false;
      if (this.files.length >= MOST_FILES) {
        wrong = say(WORDS.many);
        break;
      }
      if (file.size > MOST_BYTES) {
        wrong = say(WORDS.large(file.name));
        continue;
      }
      set(said, say(WORDS.sealing(file.name)));
      try {
        this.files = [...this.files, await seal(vault, file)];
      } catch (error) {
        const why = unwritten(error);
        if (why === null) throw error;
        wrong = say(WORDS[why]);
        break;
      }
      await this.#changed();
      this.#list();
    }
    set(said, wrong);
    return wrong === '';
  }

  async #chosen(input: HTMLInputElement): Promise<void> {
    await this.take(Array.from(input.files ?? []));
    input.value = '';
  }

  #list(): void {
    this.#form.querySelector('[data-files]')?.replaceChildren(
      ...this.files.map((file) => {
        const item = element('li', '', { 'data-file': file.id });
        item.append(
          element('span', `${file.name} — ${Math.max(1, Math.round(file.bytes / 1024))} Kio`),
          button(say(WORDS.drop(file.name)), () => void this.#drop(file)),
        );
        return item;
      }),
    );
  }

  async #drop(file: Kept): Promise<void> {
    this.files = this.files.filter((one) => one.id !== file.id);
    this.#list();
    await this.#changed();
    await this.#vault()?.forgetFile(file.id);
  }
}
