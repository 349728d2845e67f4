/** The next thing to do: what the one big button says. The first that applies. */
import type { Mission } from '../operations/types';
import type { PocketState } from './pocket.svelte';
import type { Forward } from './steps';

export type Next = 'wait' | 'sign-in' | 'prepare' | 'contact' | 'refusals' | 'send-note' | Forward | 'note' | 'look';

export interface Situation {
  state: PocketState;
  /** Null while nobody knows. */
  signedIn: boolean | null;
  reachable: boolean;
  /** Acts that the law refused, or that could not be done. */
  unsettled: number;
  writing: boolean;
  mission: Mission | null;
  /** What comes next of the first open task. */
  step: Forward | null;
  /** The person is reading the list of what was refused. */
  reading: boolean;
}

export function next(now: Situation): Next {
  if (now.state === 'starting') return 'wait';
  if (now.signedIn === false && now.reachable) return 'sign-in';
  if (now.state === 'locked') return 'contact';
  if ((now.state === 'none' || now.state === 'revoked') && now.signedIn) return 'prepare';
  if (now.writing) return 'send-note';
  if (now.unsettled > 0 && !now.reading) return 'refusals';
  if (now.step) return now.step;
  if (now.mission) return 'note';
  return 'look';
}
