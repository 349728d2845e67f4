/** Which gate a page is, in its address: a screen that is switched off and on is the same gate again. Nothing in it is a traveller's. */
import type { Place, Realm } from './acts';

const REALMS: readonly Realm[] = ['facilitation', 'border-police'];

export function toHash({ realm, point, gate, external }: Place): string {
  return `#${new URLSearchParams({ realm, point, gate, external: String(external) })}`;
}

/** The gate of an address; null where it names none. */
export function placeOf(hash: string): Place | null {
  const said = new URLSearchParams(hash.slice(1));
  const realm = REALMS.find((one) => one === said.get('realm'));
  const [point, gate] = [said.get('point'), said.get('gate')];
  return realm && point && gate ? { realm, point, gate, external: said.get('external') !== 'false' } : null;
}
