/** Who is signed in on this device, shared by the header and the page. */
import { act, asFailure, type Problem, type Refusal } from './api';
import { live } from './live.svelte';
import type { Person, Session } from './types';
import { learnZone } from './zone.svelte';

class Current {
  /** Null until the server has answered. */
  value = $state<Session | null>(null);
  error = $state<Refusal | Problem | null>(null);

  get person(): Person | null {
    return this.value?.person ?? null;
  }

  get demo(): boolean {
    return this.value?.demo ?? false;
  }

  has(role: string): boolean {
    return this.person?.roles.includes(role) ?? false;
  }

  /** Ask the server who is signed in. Never throws: the failure is in `error`. */
  async load(): Promise<void> {
    try {
      this.value = (await act<Session>('administration.session.show')).result;
      learnZone(this.value.time_zone);
      this.error = null;
    } catch (error) {
      this.error = asFailure(error);
    }
  }

  /** Demo mode only: take one of the story's roles. */
  async enter(persona: string): Promise<void> {
    await act('administration.demo.enter', { persona });
    live.close();
    await this.load();
  }

  async signOut(): Promise<void> {
    await act('administration.sign_out');
    live.close();
    await this.load();
  }
}

export const session = new Current();
