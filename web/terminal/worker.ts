/**
 * The terminal's service worker: the page's own files kept on the device, so that it opens without network; nothing else.
 *
 * It answers for `/terminal` only (its scope), for the files this build names (`SHELL`: address and SHA-256, which the
 * browser checks as it stores them) and for the map's style. Acts, the live link and everything else pass by it untouched:
 * what a person may see is never answered from here.
 * Source: W3C Service Workers; W3C Subresource Integrity; RFC 8030 for pushes.
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

const worker = self as unknown as Scope;
const PAGE = '/terminal';
const STYLE = '/map/style.json';
const PREFIX = 'egide-shell-';
const HERE = PREFIX + VERSION;
const STYLES = 'egide-map-styles';
/** A network slower than this is no network: the style kept answers. */
const PATIENCE_MS = 2500;
const kept = new Set(SHELL.map(([address]) => address));

async function store(): Promise<void> {
  const cache = await caches.open(HERE);
  await Promise.all(
    SHELL.map(async ([address, sha256]) => {
      // The page has a fixed address: never an older copy of it. The others are named by their content.
      const cacheMode = address === PAGE ? 'reload' : 'default';
      await cache.put(address, await fetch(address, { integrity: `sha256-${sha256}`, cache: cacheMode, credentials: 'same-origin' }));
    }),
  );
}

async function tidy(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== HERE).map((name) => caches.delete(name)));
  await worker.clients.claim();
}

async function shell(address: string, request: Request): Promise<Response> {
  return (await (await caches.open(HERE)).match(address)) ?? fetch(request);
}

async function style(request: Request): Promise<Response> {
  const cache = await caches.open(STYLES);
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.ok) await cache.put(request, answer.clone());
    return answer;
  } catch (error) {
    const old = await cache.match(request);
    if (old) return old;
    throw error;
  }
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
  if (request.mode === 'navigate') {
    if (address.pathname === PAGE) event.respondWith(shell(PAGE, request));
  } else if (kept.has(address.pathname)) event.respondWith(shell(address.pathname, request));
  else if (address.pathname === STYLE) event.respondWith(style(request));
});

/** A push says nothing but "look": the words are the same for whatever happened, and nobody's. */
async function wake(): Promise<void> {
  const open = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const words = /^fr\b/i.test(navigator.language)
    ? { title: 'Égide', body: 'Du nouveau. Ouvrez le terminal pour le voir.' }
    : { title: 'Égide', body: 'Something new. Open the terminal to see it.' };
  if (open.some((one) => new URL(one.url).pathname === PAGE && (one as unknown as { focused: boolean }).focused)) return;
  await worker.registration.showNotification(words.title, { body: words.body, tag: 'egide', icon: '/favicon.svg' });
}

async function show(): Promise<void> {
  const open = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const here = open.find((one) => new URL(one.url).pathname === PAGE);
  await (here ? here.focus() : worker.clients.openWindow(PAGE));
}

worker.addEventListener('push', (event) => event.waitUntil(wake()));
worker.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(show());
});
