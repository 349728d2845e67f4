/**
 * The service worker of `/field`: the offline forms and the files of their script, answered from the device.
 *
 * The forms are filled into a cache by the page itself (field/pack.ts). The files of the build before stay while the pack may still
 * name them: they go with the next one.
 */
import { keep, orNetwork } from '../kit/worker';

const PAGES = '/field';

/** A page in the language asked for, else the browser's first. */
function named(address: URL): string {
  const asked = address.searchParams.get('lang');
  const lang = asked === 'fr' || asked === 'en' ? asked : /^fr\b/i.test(navigator.language) ? 'fr' : 'en';
  return `${address.pathname.replace(/\/$/, '')}?lang=${lang}`;
}

keep({
  prefix: 'egide-fieldshell-',
  earlier: 1,
  also: (address, request) => {
    const form = address.pathname === PAGES || address.pathname.startsWith(`${PAGES}/`);
    if (request.mode === 'navigate' && form) return orNetwork(caches.match(named(address)), request);
    return address.pathname.startsWith('/assets/') ? orNetwork(caches.match(address.pathname), request) : undefined;
  },
});
