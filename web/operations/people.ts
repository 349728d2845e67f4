/** The people a mission's crew may be made of, as far as this person may know them. */
import { act, asFailure, Refusal } from '../kit/api';
import { session } from '../kit/session.svelte';
import type { Named, Picture } from './types';

/**
 * The people the picture offers for a crew; without that, everyone the directory shows, or else the people already in a
 * crew and oneself.
 */
export async function knownPeople(picture: Picture | null): Promise<Named[]> {
  if (picture?.people) return picture.people;
  if (session.has('administrator')) {
    try {
      return (await act<{ people: Named[] }>('administration.people.list')).result.people;
    } catch (error) {
      const failure = asFailure(error);
      if (!(failure instanceof Refusal)) console.warn('people:', failure);
    }
  }
  const known = new Map<string, Named>();
  for (const mission of picture?.missions ?? []) for (const one of mission.roster) known.set(one.id, one);
  if (session.person) known.set(session.person.id, { id: session.person.id, name: session.person.name });
  return [...known.values()].sort((a, b) => a.name.localeCompare(b.name));
}
