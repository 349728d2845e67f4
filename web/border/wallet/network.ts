/**
 * The answer by network (OpenID4VP 1.0), where there is one: the request behind the gate's picture, and the post of what is shown.
 *
 * It is an aid and never a condition: what does not come, or does not hold, within two seconds is as if there were no network,
 * and the picture goes. Nothing that tells who asks travels with either (no cookie, no referrer).
 */
import type { PublicKey } from '../shared/seal';
import { pathOf, readRequest, type Allowed, type Request } from './crypto/request';
import type { Question } from './crypto/question';

/** ms: a traveller before a gate does not wait for a network that is not there. */
const WITHIN_MS = 2000;
const HOW = { cache: 'no-store', credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer' } as const;

/** The request of the control whose picture was read; null where none came in time that asks the same. */
export async function requested(question: Question, allowed: Allowed | null, keyOf: (kid: string) => PublicKey | null): Promise<Request | null> {
  if (!allowed || !navigator.onLine) return null;
  try {
    const answer = await fetch(pathOf(question), { ...HOW, signal: AbortSignal.timeout(WITHIN_MS) });
    if (!answer.ok) return null;
    return await readRequest(await answer.text(), question, allowed, keyOf, { origin: location.origin, now: Math.floor(Date.now() / 1000) });
  } catch (error) {
    console.info('gate by network:', error);
    return null;
  }
}

/** Whether the gate has it. */
export async function posted(request: Request, body: string): Promise<boolean> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  try {
    return (await fetch(request.answers, { ...HOW, method: 'POST', headers, body, signal: AbortSignal.timeout(WITHIN_MS) })).ok;
  } catch (error) {
    console.info('gate by network:', error);
    return false;
  }
}
