/**
 * Installs a page's service worker, for that page alone, and says when a newer build waits.
 *
 * A new build takes over only when the person asks: until then the page goes on with the files it was made with.
 */

/** The worker of `/page` is the file `/page-worker.js`. Nothing where the browser has none. */
export async function register(page: string): Promise<ServiceWorkerRegistration | undefined> {
  if (!('serviceWorker' in navigator)) return undefined;
  try {
    return await navigator.serviceWorker.register(`${page}-worker.js`, { scope: page, updateViaCache: 'none' });
  } catch (error) {
    // Without it the page works with the network only; a browser in a private window may refuse.
    console.info('service worker:', error);
    return undefined;
  }
}

/** `onready` is given the way to take the new build: the page is loaded again with it. */
export async function install(page: string, onready: (take: () => void) => void): Promise<void> {
  const registration = await register(page);
  if (!registration) return;
  const container = navigator.serviceWorker;
  const look = () => {
    const { waiting } = registration;
    if (waiting && container.controller) {
      onready(() => {
        container.addEventListener('controllerchange', () => location.reload(), { once: true });
        waiting.postMessage('take-over');
      });
    }
  };
  look();
  registration.addEventListener('updatefound', () => registration.installing?.addEventListener('statechange', look));
}
