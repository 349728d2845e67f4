/**
 * Being woken without content (Web Push): offered only where the operator has allowed it and the browser can.
 * Source: W3C Push API; RFC 8292 (the platform's own key).
 */
import { act } from '../kit/api';

interface Offer {
  key: string | null;
}

export interface Wake {
  on: boolean;
  /** Subscribe or give it up; gives what is then so. */
  turn(): Promise<Wake | null>;
}

function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  const plain = atob(base64url.replace(/-/g, '+').replace(/_/g, '/'));
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
}

/** What can be offered for this terminal; null where nothing can. */
export async function wakeable(terminal: string): Promise<Wake | null> {
  if (!terminal || !('serviceWorker' in navigator) || !('PushManager' in globalThis)) return null;
  const { key } = (await act<Offer>('operations.push.offer')).result;
  if (!key) return null;
  const registration = await navigator.serviceWorker.getRegistration('/terminal');
  if (!registration) return null;
  const held = await registration.pushManager.getSubscription();
  return {
    on: held !== null,
    async turn() {
      if (held) {
        await act('operations.push.unsubscribe', { terminal });
        await held.unsubscribe();
      } else {
        const made = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) });
        await act('operations.push.subscribe', { terminal, endpoint: made.endpoint });
      }
      return wakeable(terminal);
    },
  };
}
