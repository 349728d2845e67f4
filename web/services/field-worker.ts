/**
 * The service worker of `/field`: the offline forms and the files of their script, answered from the device; nothing else.
 *
 * The forms are filled into a cache by the page itself (field/pack.ts), the script's files by the build's own list (`SHELL`: address
 * and SHA-256). Acts, uploads and everything else pass by untouched. Source: W3C Service Workers; W3C Subresource Integrity.
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
const PAGES = '/field';
const SCRIPTS = 'egide-fieldshell-';
const HERE = SCRIPTS + VERSION;
const kept = new Set(SHELL.map(([address]) => address));

async function store(): Promise<void> {
  const cache = await caches.open(HERE);
  for (const [address, sha256] of SHELL) await cache.put(address, await fetch(address, { integrity: `sha256-${sha256}`, credentials: 'same-origin' }));
}

/** The files of the build before stay while the pack may still name them: they go with the next one. */
async function tidy(): Promise<void> {
  const old = (await caches.keys()).filter((name) => name.startsWith(SCRIPTS) && name !== HERE);
  await Promise.all(old.slice(0, -1).map((name) => caches.delete(name)));
  await worker.clients.claim();
}

/** A page in the language asked for, else the browser's first. */
function named(address: URL): string {
  const asked = address.searchParams.get('lang');
  const lang = asked === 'fr' || asked === 'en' ? asked : /^fr\b/i.test(navigator.language) ? 'fr' : 'en';
  return `${address.pathname.replace(/\/$/, '')}?lang=${lang}`;
}

async function page(address: URL, request: Request): Promise<Response> {
  return (await caches.match(named(address))) ?? fetch(request);
}

async function file(address: string, request: Request): Promise<Response> {
  return (await caches.match(address)) ?? fetch(request);
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
  const form = address.pathname === PAGES || address.pathname.startsWith(`${PAGES}/`);
  if (request.mode === 'navigate' && form) event.respondWith(page(address, request));
  else if (kept.has(address.pathname) || /^\/assets\//.test(address.pathname)) event.respondWith(file(address.pathname, request));
});
