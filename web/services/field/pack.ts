/**
 * The offline pack: the pages of `/field` in the browser's cache, each the bytes the platform named, all of them or none.
 *
 * The service worker answers from it. The pages are the same for everybody and hold nothing of anybody. A new pack is filled beside the
 * old one and takes its place when it is whole; a page that is open goes on as it is. Source: W3C Service Workers; W3C SRI.
 */
import { register } from '../../kit/install';

const PREFIX = 'egide-field-';

interface Pack {
  fingerprint: string;
  pages: [string, string][];
}

export async function install(): Promise<void> {
  const registration = await register('/field');
  // A new build may take over at once: pages keep what is typed sealed, and the old files stay until nothing asks for them.
  registration?.waiting?.postMessage('take-over');
}

/** Whether the pack on this device is the platform's; filled where it is not. Gives true where a new one came. */
export async function refresh(): Promise<boolean> {
  const pack = (await (await fetch('/field/pack.json', { cache: 'no-store' })).json()) as Pack;
  const name = PREFIX + pack.fingerprint;
  const had = (await caches.keys()).filter((one) => one.startsWith(PREFIX));
  if (had.includes(name)) return false;
  const filling = await caches.open(`filling-${name}`);
  for (const [address, sha256] of pack.pages) {
    await filling.put(address, await fetch(address, { integrity: `sha256-${sha256}`, cache: 'reload', credentials: 'same-origin' }));
  }
  const whole = await caches.open(name);
  for (const [address] of pack.pages) {
    const page = await filling.match(address);
    if (page) await whole.put(address, page);
  }
  await caches.delete(`filling-${name}`);
  for (const old of had) await caches.delete(old);
  return had.length > 0;
}
