/**
 * The resident's side of a hearing by video: picture and sound come to a page that is whole without them.
 *
 * The live socket carries the room's messages and says when something is new; the page is then fetched and what changed is put in,
 * so that there is one rendering, the server's. Without the socket the page looks by itself. Nothing is stored in the browser.
 */
import { Call, devices, encoded, type Signal } from '../kit/call.ts';

type Words = Record<'s_ready' | 's_waiting' | 's_up' | 's_lost' | 's_denied' | 's_over' | 'camera' | 'camera_on' | 'mute' | 'mute_on', string>;
interface Push {
  push?: string;
  news?: boolean;
  over?: boolean;
  signal?: Signal;
  id?: number;
  result?: { ice: RTCIceServer[] };
  error?: unknown;
}

const LOOK_EVERY_MS = 3000;
const WAIT_MS = 1000;
/** Milliseconds without the socket after which picture and sound stop: nobody could end them any more. */
const ALONE_MS = 5000;
/** Parts of the page that are put in afresh; what somebody is typing is in none of them. */
const PARTS = ['state', 'statement', 'recorded', 'recording'];

class Room {
  #root: HTMLElement;
  #words: Words;
  #socket: WebSocket | null = null;
  #servers: RTCIceServer[] = [];
  #stream: MediaStream | null = null;
  #call: Call | null = null;
  #wanted = false;
  #asked = false;
  #lost: ReturnType<typeof setTimeout> | undefined;
  #looking = false;
  #again = false;

  constructor(root: HTMLElement) {
    this.#root = root;
    this.#words = JSON.parse(root.dataset['words'] ?? '{}') as Words;
    root.hidden = false;
    this.#say('s_ready');
    this.#button('join').addEventListener('click', () => void this.#join());
    this.#button('hang').addEventListener('click', () => this.#hang());
    this.#switch('mute', 'audio');
    this.#switch('camera', 'video');
    this.#connect();
    clock();
    setInterval(clock, 1000);
    setInterval(() => {
      if (this.#socket?.readyState !== WebSocket.OPEN) void this.#look();
    }, LOOK_EVERY_MS);
  }

  #button(id: string): HTMLButtonElement {
    return this.#root.querySelector<HTMLButtonElement>(`#${id}`) as HTMLButtonElement;
  }

  #video(id: string): HTMLVideoElement {
    return this.#root.querySelector<HTMLVideoElement>(`#${id}`) as HTMLVideoElement;
  }

  #say(word: keyof Words): void {
    const link = this.#root.querySelector<HTMLElement>('#link') as HTMLElement;
    link.textContent = this.#words[word];
    link.dataset['link'] = word.slice(2);
  }

  // -- the socket ---------------------------------------------------------------------------------------------------------

  #connect(): void {
    const { act, number, code } = this.#root.dataset;
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/live`);
    this.#socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ id: 1, act, input: { number, code } }));
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data === 'string') this.#told(JSON.parse(data) as Push);
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#lost ??= setTimeout(() => this.#drop(), ALONE_MS);
      setTimeout(() => this.#connect(), WAIT_MS * (0.75 + Math.random() / 2));
    };
  }

  #told(push: Push): void {
    if (push.id === 1) {
      if (push.error !== undefined) return;
      clearTimeout(this.#lost);
      this.#lost = undefined;
      this.#servers = push.result?.ice ?? [];
      if (this.#wanted && !this.#call) this.#begin();
      void this.#look();
    }
    if (push.push === 'moving') this.#socket?.close();
    if (push.push !== 'hearing') return;
    if (push.news) void this.#look();
    if (push.over) {
      this.#over();
      void this.#look();
    }
    if (push.signal?.kind === 'caption') this.#caption(push.signal.text);
    else if (push.signal?.kind === 'bye') this.#over();
    else if (push.signal) void this.#call?.take(push.signal);
  }

  #send(signal: Signal): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(encoded(signal));
  }

  // -- picture and sound --------------------------------------------------------------------------------------------------

  async #join(): Promise<void> {
    if (this.#asked || this.#wanted) return;
    this.#asked = true;
    try {
      this.#stream = await devices();
    } catch {
      this.#say('s_denied');
      return;
    } finally {
      this.#asked = false;
    }
    this.#wanted = true;
    this.#video('own').srcObject = this.#stream;
    this.#shown(true);
    this.#say('s_waiting');
    if (this.#socket?.readyState === WebSocket.OPEN) this.#begin();
  }

  #begin(): void {
    const stream = this.#stream;
    if (!stream) return;
    this.#call = new Call(stream.clone(), false, this.#servers, {
      send: (signal) => this.#send(signal),
      remote: (remote) => (this.#video('officer').srcObject = remote),
      up: (up) => {
        if (this.#wanted) this.#say(up ? 's_up' : 's_lost');
      },
    });
    this.#apply();
  }

  /** The socket is gone: nothing could end the call, so it stops, and begins again with the socket. */
  #drop(): void {
    this.#call?.close();
    this.#call = null;
    if (this.#wanted) this.#say('s_lost');
  }

  #hang(): void {
    this.#send({ kind: 'bye' });
    this.#over();
  }

  #over(): void {
    if (!this.#wanted) return;
    this.#wanted = false;
    this.#call?.close();
    this.#call = null;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video('own').srcObject = null;
    this.#shown(false);
    this.#say('s_over');
  }

  #shown(on: boolean): void {
    (this.#root.querySelector('.picture') as HTMLElement).hidden = !on;
    this.#button('join').hidden = on;
    for (const id of ['mute', 'camera', 'hang']) this.#button(id).hidden = !on;
  }

  #switch(id: 'mute' | 'camera', kind: 'audio' | 'video'): void {
    this.#button(id).addEventListener('click', () => {
      for (const track of this.#stream?.getTracks() ?? []) if (track.kind === kind) track.enabled = !track.enabled;
      this.#apply();
    });
  }

  /** What is sent is what the person's own picture shows. */
  #apply(): void {
    for (const [id, kind] of [['mute', 'audio'], ['camera', 'video']] as const) {
      const on = this.#stream?.getTracks().find((track) => track.kind === kind)?.enabled ?? true;
      this.#call?.allow(kind, on);
      const word: keyof Words = on ? id : `${id}_on`;
      this.#button(id).textContent = this.#words[word];
    }
  }

  #caption(text: string): void {
    (this.#root.querySelector('#captions') as HTMLElement).textContent = text;
  }

  // -- what is new --------------------------------------------------------------------------------------------------------

  async #look(): Promise<void> {
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = true;
    try {
      do {
        this.#again = false;
        const answer = await fetch(location.href, { cache: 'no-store' });
        this.#put(new DOMParser().parseFromString(await answer.text(), 'text/html'));
      } while (this.#again);
    } catch {
      // No network: the next look tells.
    } finally {
      this.#looking = false;
    }
  }

  #put(next: Document): void {
    const state = document.getElementById('state')?.dataset['state'];
    const now = next.getElementById('state')?.dataset['state'];
    // Another step is another page, unless the call goes on with it.
    if (!now || !next.getElementById('call')) {
      location.replace(location.href);
      return;
    }
    for (const id of PARTS) swap(document.getElementById(id), next.getElementById(id));
    clock();
    if (state !== now) swap(document.getElementById('correcting'), next.getElementById('correcting'));
    const list = document.querySelector('#said ol');
    const known = list?.children.length ?? 0;
    const lines = [...next.querySelectorAll('#said li')];
    for (const line of lines.slice(known)) list?.append(line);
    if (lines.length > known) list?.lastElementChild?.scrollIntoView({ block: 'nearest' });
  }
}

/** Puts what is new in the place of what was, unless somebody is at work in it. */
function swap(old: HTMLElement | null, fresh: HTMLElement | null): void {
  if (!old || !fresh || old.textContent === fresh.textContent) return;
  for (const name of Object.keys(old.dataset)) delete old.dataset[name];
  for (const name of Object.keys(fresh.dataset)) old.dataset[name] = fresh.dataset[name] ?? '';
  const held = old.contains(document.activeElement);
  old.replaceChildren(...fresh.childNodes);
  if (held) {
    old.tabIndex = -1;
    old.focus();
  }
}

/** When this page first saw that it is being recorded: the clock beside the sign counts from there, whatever the device's own says. */
let seen: { since: string; at: number } = { since: '', at: 0 };

function clock(): void {
  const since = document.getElementById('recorded')?.dataset['since'] ?? '';
  const shown = document.getElementById('elapsed');
  if (since !== seen.since) seen = { since, at: performance.now() };
  const s = Math.floor((performance.now() - seen.at) / 1000);
  if (shown) shown.textContent = since ? `${String(Math.floor(s / 60)).padStart(2, '0')}:${String(s % 60).padStart(2, '0')}` : '';
}

/** Words are sent without leaving the page, which would end the call. */
async function sent(form: HTMLFormElement): Promise<boolean> {
  const body = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)]));
  const answer = await fetch(form.action, { method: 'POST', body, cache: 'no-store' });
  return answer.ok;
}

/** Away at once: the page is blank before the other one is there, and Back does not return to it. */
function guarded(): void {
  document.addEventListener('click', (event) => {
    const way = (event.target as HTMLElement).closest<HTMLAnchorElement>('[data-exit]');
    if (!way) return;
    event.preventDefault();
    document.title = '…';
    document.body.replaceChildren();
    location.replace(way.href);
  });
  addEventListener('pageshow', (event) => {
    if (!event.persisted) return;
    document.body.replaceChildren();
    location.reload();
  });
}

export function enhance(): void {
  guarded();
  const root = document.getElementById('call');
  if (!root) return;
  new Room(root);
  document.addEventListener('submit', (event) => {
    const form = event.target as HTMLFormElement;
    if (!form.matches('.room form')) return;
    event.preventDefault();
    const button = form.querySelector('button');
    if (button?.disabled) return;
    if (button) button.disabled = true;
    sent(form)
      .then((done) => {
        if (done) form.querySelectorAll('textarea').forEach((area) => (area.value = ''));
        else location.replace(location.href);
      })
      .catch(() => form.querySelector('textarea')?.focus())
      .finally(() => {
        if (button) button.disabled = false;
      });
  });
}
