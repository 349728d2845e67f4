/**
 * Installs the service worker for this page alone, and says when a newer build waits.
 *
 * A new build takes over only when the person asks: until then the page goes on with the files it was made with.
 */
const WORKER = '/pass-worker.js';
const SCOPE = '/pass';

/** `onready` is given the way to take the new build: the page is loaded again with it. */
export async function install(onready: (take: () => void) => void): Promise<void> {
  if (!('serviceWorker' in navigator)) return;
  const container = navigator.serviceWorker;
  try {
    const registration = await container.register(WORKER, { scope: SCOPE, updateViaCache: 'none' });
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
  } catch (error) {
    // Without it the page works with the network only; a browser in a private window may refuse.
    console.info('service worker:', error);
  }
}
