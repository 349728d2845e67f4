/**
 * The wallet's service worker: its own files kept on the phone, so that it opens at a gate without network; nothing else.
 *
 * It answers for `/pass` and for the files this build names (`SHELL`: address and SHA-256, which the browser checks as it stores
 * them). Acts and the page that enrols, which needs the network anyway, pass by it untouched.
 * Source: W3C Service Workers; W3C Subresource Integrity.
 */

export {}; // a module: its names are its own

declare const SHELL: [string, string][];
declare const VERSION: string;

interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Extendable {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface Scope {
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
  addEventListener(kind: 'install' | 'activate', listener: (event: Extendable) => void): void;
  addEventListener(kind: 'fetch', listener: (event: Fetching) => void): void;
  addEventListener(kind: 'message', listener: (event: Extendable & MessageEvent) => void): void;
}

const worker = self as unknown as Scope;
const PAGE = '/pass';
const PREFIX = 'egide-pass-';
const HERE = PREFIX + VERSION;
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
});
