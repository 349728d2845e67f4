/**
 * The terminal's service worker: the page opens without network; the map's style is kept as it passes; a push is shown.
 *
 * Source: RFC 8030 for pushes; what every page's worker does: kit/worker.ts.
 */
import { keep, worker } from '../kit/worker';

const PAGE = '/terminal';
const STYLE = '/map/style.json';
const STYLES = 'egide-map-styles';
/** A network slower than this is no network: the style kept answers. */
const PATIENCE_MS = 2500;

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

keep({
  prefix: 'egide-shell-',
  page: PAGE,
  also: (address, request) => (address.pathname === STYLE ? style(request) : undefined),
});

/** A push says nothing but "look": the words are the same for whatever happened, and nobody's. */
async function wake(): Promise<void> {
  const open = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const words = /^fr\b/i.test(navigator.language)
    ? { title: 'Égide', body: 'Du nouveau. Ouvrez le terminal pour le voir.' }
    : { title: 'Égide', body: 'Something new. Open the terminal to see it.' };
  if (open.some((one) => new URL(one.url).pathname === PAGE && one.focused)) return;
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
