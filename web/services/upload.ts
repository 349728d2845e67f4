/**
 * Sends a resident's files while they go on typing: chunk by chunk, with a true progress bar, through lost networks.
 *
 * Without it the same input goes with the form, as multipart. With it each file is opened under a grant, brought in chunks that
 * the server acknowledges, hashed on the way and sealed; what the page shows is what the server said. One file at a time. Nothing
 * is kept in the browser: whoever must leave no trace leaves none, and a reloaded page begins its file again.
 *
 * What it expects of the page; `enhance()` does the rest, and its buttons are native, so that keyboards reach them:
 *
 *   <div data-upload data-owner="draft:…" data-secret="…">
 *     <label for="piece">…</label><input type="file" id="piece" name="piece" multiple>
 *     <ul data-files></ul><p role="status"></p>
 *   </div>
 */

type Two = { fr: string; en: string };
interface Problem {
  title: Two;
  do: Two | null;
}
interface Opened {
  id: string;
  secret: string;
  chunk: number;
}

const WORDS = {
  sending: { fr: 'Envoi de', en: 'Sending' },
  sent: { fr: 'Envoyé :', en: 'Sent:' },
  failed: { fr: 'Non envoyé :', en: 'Not sent:' },
  lost: { fr: 'Réseau perdu. L’envoi reprendra de lui-même.', en: 'Network lost. Sending will go on by itself.' },
  paused: { fr: 'Envoi en pause.', en: 'Sending is paused.' },
  wait: { fr: 'Attendez la fin de l’envoi du fichier, ou annulez-le.', en: 'Wait until the file is sent, or cancel it.' },
  cancelled: { fr: 'Envoi annulé.', en: 'Sending was cancelled.' },
  broken: { fr: 'Le fichier ne peut plus être lu. Choisissez-le de nouveau.', en: 'The file can no longer be read. Choose it again.' },
  pause: { fr: 'Pause', en: 'Pause' },
  resume: { fr: 'Reprendre', en: 'Go on' },
  cancel: { fr: 'Annuler', en: 'Cancel' },
  again: { fr: 'Réessayer', en: 'Try again' },
} satisfies Record<string, Two>;

const LONGEST_WAIT = 30_000; // ms between tries
const AWAY = [502, 503, 504]; // whoever answers will do it later
const BUSY = [...AWAY, 408, 409, 429]; // of a chunk: it goes on later, from where the server says

const say = (words: Two): string => (document.documentElement.lang.startsWith('en') ? words.en : words.fr);

/** A refusal by the server, in plain words. */
class Told extends Error {
  constructor(public status: number, problem: Problem | null) {
    super(problem ? [problem.title, problem.do].map((words) => (words ? say(words) : '')).join(' ').trim() : `HTTP ${status}`);
  }
}

async function told(answer: Response): Promise<Told> {
  return new Told(answer.status, (await answer.json().catch(() => null)) as Problem | null);
}

async function act<Result>(name: string, given: object, signal: AbortSignal): Promise<Result> {
  const body = JSON.stringify(given);
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`/api/acts/services.upload.${name}`, { method: 'POST', headers, body, signal });
  if (!answer.ok) throw await told(answer);
  return ((await answer.json()) as { result: Result }).result;
}

/** One file on its way; `step` tells how many bytes the server has, `state` why it waits. */
class Sending {
  paused = false;
  private stop = new AbortController();
  private wake = (): void => {};

  private grant = '';

  constructor(private file: File, private secret: string, private step: (there: number) => void, private state: (words: Two | null) => void) {}

  cancel(): void {
    this.stop.abort();
    this.wake();
    const given = { upload: this.grant, secret: this.secret };
    if (this.grant) void act('withdraw', given, AbortSignal.timeout(LONGEST_WAIT)).catch(() => null); // else its day ends it
  }

  toggle(): void {
    this.paused = !this.paused;
    if (!this.paused) this.wake();
  }

  async run(owner: string): Promise<{ said: Two }> {
    const { sha256 } = await import('@noble/hashes/sha2.js');
    const { name, size, type } = this.file;
    const { secret } = this;
    const signal = this.stop.signal;
    const grant = await this.through(() => act<Opened>('open', { owner, secret, name, bytes: size, media: type }, signal));
    this.grant = grant.id;
    const hash = sha256.create();
    let hashed = 0;
    for (let there = 0; there < size; ) {
      const end = Math.min(there + grant.chunk, size);
      const content = new Uint8Array(await this.file.slice(there, end).arrayBuffer());
      if (end > hashed) {
        hash.update(content.subarray(Math.max(0, hashed - there)));
        hashed = end;
      }
      there = await this.through((again) => this.put(grant, there, content, again), BUSY);
      this.step(there);
    }
    const digest = Array.from(hash.digest(), (byte) => byte.toString(16).padStart(2, '0')).join('');
    return this.through(() => act('seal', { upload: grant.id, secret: grant.secret, sha256: digest }, signal));
  }

  /** Brings one chunk; after a failure asks first how much is there. Gives how many bytes the server has. */
  private async put(grant: Opened, at: number, content: Uint8Array<ArrayBuffer>, again: boolean): Promise<number> {
    const place = `/api/uploads/${grant.id}`;
    const headers = { 'upload-secret': grant.secret };
    const signal = this.stop.signal;
    if (again) {
      const head = await fetch(place, { method: 'HEAD', headers, signal });
      if (!head.ok) throw new Told(head.status, null);
      const there = Number(head.headers.get('upload-offset'));
      if (there !== at) return there;
    }
    const answer = await fetch(place, { method: 'PUT', headers: { ...headers, 'upload-offset': String(at) }, body: content, signal });
    if (!answer.ok) throw await told(answer);
    return Number(answer.headers.get('upload-offset'));
  }

  /** Does it, waiting out pauses and lost networks; what the server refuses for good is thrown. */
  private async through<Result>(what: (again: boolean) => Promise<Result>, later = AWAY): Promise<Result> {
    let refused = 0;
    let again = false;
    for (let wait = 1000; ; wait = Math.min(2 * wait, LONGEST_WAIT)) {
      while (this.paused) await this.rest(WORDS.paused);
      this.stop.signal.throwIfAborted();
      try {
        const found = await what(again);
        this.state(null);
        return found;
      } catch (error) {
        if (this.stop.signal.aborted) throw error;
        const answered = error instanceof Told; // else the network is lost, and waited for as long as it takes
        if (answered ? !later.includes(error.status) || refused++ > (error.status === 409 ? 0 : 8) : !(error instanceof TypeError)) throw error;
        again = true;
        await this.rest(answered ? null : WORDS.lost, wait);
      }
    }
  }

  private rest(words: Two | null, longest?: number): Promise<void> {
    if (words) this.state(words);
    return new Promise((resolve) => {
      this.wake = resolve;
      if (longest) setTimeout(resolve, longest);
      addEventListener('online', () => resolve(), { once: true });
    });
  }
}

function button(words: Two, press: () => void): HTMLButtonElement {
  const made = document.createElement('button');
  made.type = 'button';
  made.textContent = say(words);
  made.addEventListener('click', press);
  return made;
}

function watch(box: HTMLElement): void {
  const input = box.querySelector<HTMLInputElement>('input[type=file]');
  const list = box.querySelector('[data-files]');
  const status = box.querySelector('[role=status]');
  if (!input || !list || !status) return;
  const { owner = '', secret = '' } = box.dataset;
  const waiting: [File, HTMLLIElement][] = [];
  let busy = false;

  const next = async (): Promise<void> => {
    const first = waiting.shift();
    busy = Boolean(first);
    if (!first) return;
    await send(...first);
    await next();
  };

  const send = async (file: File, line: HTMLLIElement): Promise<void> => {
    const bar = document.createElement('progress');
    bar.max = file.size || 1;
    bar.value = 0;
    bar.setAttribute('aria-label', `${say(WORDS.sending)} ${file.name}`);
    const note = document.createElement('span');
    let quarter = 0;
    const step = (there: number): void => {
      bar.value = there;
      const now = Math.floor((4 * there) / bar.max);
      if (now > quarter && now < 4) status.textContent = `${file.name} : ${25 * now} %`;
      quarter = now;
    };
    const sending = new Sending(file, secret, step, (words) => {
      const text = words ? say(words) : '';
      if (note.textContent === text) return;
      note.textContent = text;
      if (text) status.textContent = text;
    });
    const pause = button(WORDS.pause, () => {
      sending.toggle();
      pause.textContent = say(sending.paused ? WORDS.resume : WORDS.pause);
    });
    line.replaceChildren(file.name, bar, pause, button(WORDS.cancel, () => sending.cancel()), note);
    status.textContent = `${say(WORDS.sending)} ${file.name}`;
    try {
      const sealed = await sending.run(owner);
      line.replaceChildren(`${file.name} — ${say(sealed.said)}`);
      status.textContent = `${say(WORDS.sent)} ${file.name}`;
    } catch (error) {
      const cancelled = error instanceof DOMException && error.name === 'AbortError';
      const why = cancelled ? say(WORDS.cancelled) : error instanceof Told ? error.message : say(WORDS.broken);
      const refused = error instanceof Told && error.status < 500;
      if (!cancelled) sending.cancel(); // what came of it is given back
      if (cancelled) line.remove();
      else line.replaceChildren(`${say(WORDS.failed)} ${file.name}. ${why}`, ...(refused ? [] : [button(WORDS.again, () => queue(file, line))]));
      status.textContent = cancelled ? why : `${say(WORDS.failed)} ${file.name}. ${why}`;
      if (line.contains(document.activeElement) || cancelled) input.focus();
    }
  };

  const queue = (file: File, line: HTMLLIElement): void => {
    line.replaceChildren(file.name);
    list.append(line);
    waiting.push([file, line]);
    if (!busy) void next();
  };

  input.addEventListener('change', () => {
    for (const file of Array.from(input.files ?? [])) queue(file, document.createElement('li'));
    input.value = ''; // what is sent from here does not go with the form too
  });
  input.form?.addEventListener('submit', (event) => {
    if (!busy) return;
    event.preventDefault();
    status.textContent = say(WORDS.wait);
  });
}

/** Makes every upload of the page resumable. */
export function enhance(root: ParentNode = document): void {
  root.querySelectorAll<HTMLElement>('[data-upload]').forEach(watch);
}
