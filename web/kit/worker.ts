/**
 * A page's service worker: its own files kept on the device, so that it opens without network; nothing else.
 *
 * It answers for the files this build names (`SHELL`: address and SHA-256, which the browser checks as it stores them) and for what
 * the page adds. Acts, the live link and everything else pass by it untouched: what a person may see is never answered from here.
 * Source: W3C Service Workers; W3C Subresource Integrity.
 */

declare const SHELL: [string, string][];
declare const VERSION: string;

interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Extendable {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface Notified extends Extendable {
  readonly notification: Notification;
}
interface Seen {
  readonly url: string;
  readonly focused: boolean;
  focus(): Promise<unknown>;
}
/** What a service worker sees as `self`; the pages' own types know windows only. */
interface Scope {
  skipWaiting(): Promise<void>;
  readonly registration: ServiceWorkerRegistration;
  readonly clients: {
    claim(): Promise<void>;
    matchAll(how: { type: 'window'; includeUncontrolled: boolean }): Promise<Seen[]>;
    openWindow(address: string): Promise<unknown>;
  };
  addEventListener(kind: 'install' | 'activate' | 'push', listener: (event: Extendable) => void): void;
  addEventListener(kind: 'fetch', listener: (event: Fetching) => void): void;
  addEventListener(kind: 'message', listener: (event: Extendable & MessageEvent) => void): void;
  addEventListener(kind: 'notificationclick', listener: (event: Notified) => void): void;
}

export const worker = self as unknown as Scope;

export interface Keeping {
  /** How its caches' names begin; the build's own number follows. */
  prefix: string;
  /** The page's own address, where it is among the build's files. */
  page?: string;
  /** How many earlier builds' files stay. */
  earlier?: number;
  /** What else is answered; nothing said: the request passes by. */
  also?: (address: URL, request: Request) => Promise<Response> | undefined;
}

export async function orNetwork(kept: Promise<Response | undefined>, request: Request): Promise<Response> {
  return (await kept) ?? fetch(request);
}

export function keep({ prefix, page, earlier = 0, also }: Keeping): void {
  const here = prefix + VERSION;
  const kept = new Set(SHELL.map(([address]) => address));

  async function store(): Promise<void> {
    const cache = await caches.open(here);
    await Promise.all(
      SHELL.map(async ([address, sha256]) => {
        // The page has a fixed address: never an older copy of it. The others are named by their content.
        const cacheMode = address === page ? 'reload' : 'default';
        await cache.put(address, await fetch(address, { integrity: `sha256-${sha256}`, cache: cacheMode, credentials: 'same-origin' }));
      }),
    );
  }

  async function tidy(): Promise<void> {
    const old = (await caches.keys()).filter((name) => name.startsWith(prefix) && name !== here);
    await Promise.all(old.slice(0, Math.max(0, old.length - earlier)).map((name) => caches.delete(name)));
    await worker.clients.claim();
  }

  async function stored(address: string): Promise<Response | undefined> {
    return (await caches.open(here)).match(address);
  }

  worker.addEventListener('install', (event) => event.waitUntil(store()));
  worker.addEventListener('activate', (event) => event.waitUntil(tidy()));
  worker.addEventListener('message', (event) => {
    if (event.data === 'take-over') event.waitUntil(worker.skipWaiting());
  });
  worker.addEventListener('fetch', (event) => {
    const { request } = event;
    const address = new URL(request.url);
    if (request.method !== 'GET' || address.origin !== location.origin) return;
    const ours = request.mode === 'navigate' ? address.pathname === page : kept.has(address.pathname);
    const answer = ours ? orNetwork(stored(address.pathname), request) : also?.(address, request);
    if (answer) event.respondWith(answer);
  });
}
