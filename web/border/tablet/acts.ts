/** The officer's acts, and how a tablet opens what a room sealed to it alone. */
import { act, live } from '../../kit';
import { named, type Realm } from '../gate/acts';
import { newKey, open } from '../shared/seal';

export interface Case {
  case: string;
  point: string;
  since: string;
  why: string;
  realm: Realm;
}

export type Word = 'let-through' | 'to-the-desk' | 'second-line';
export type Reason = 'same-person' | 'other-person' | 'cannot-tell' | 'document-doubtful' | 'camera-or-light' | 'asked-for-a-person';

/** What the room shows one tablet: pictures as base64, "" where there is none; what the token said. */
export interface Seen {
  live: string;
  portrait: string;
  claims: Record<string, string>;
  why: string;
}

const REALMS: readonly Realm[] = ['facilitation', 'border-police'];

/** Follows the passages that wait in both realms, the longest waiting first; until the returned function is called. */
export function follow(onlist: (cases: Case[]) => void, onerror: (error: unknown) => void): () => void {
  const known = new Map<Realm, Case[]>();
  const take = (realm: Realm, result: unknown): void => {
    const { cases } = result as { cases: Omit<Case, 'realm'>[] };
    known.set(realm, cases.map((one) => ({ ...one, realm })));
    onlist([...known.values()].flat().sort((a, b) => a.since.localeCompare(b.since)));
  };
  const list = (realm: Realm): string => named(realm, 'officer.list');
  const offs = REALMS.map((realm) => live.keep(list(realm), {}, onerror, (result) => take(realm, result)));
  offs.push(
    live.on('border.cases', ({ realm }) => {
      const one = REALMS.find((each) => each === realm);
      if (one) live.act(list(one)).then(({ result }) => take(one, result), onerror);
    }),
  );
  return () => offs.forEach((off) => off());
}

/** The pictures, opened here with a key that was drawn for this look and is gone with it. */
export async function look(of: Case, document_in_hand: boolean): Promise<Seen> {
  const own = await newKey();
  const given = { case: of.case, tablet: own.publicKey, document_in_hand };
  const { result } = await act<{ sealed: string }>(named(of.realm, 'officer.look'), given);
  return JSON.parse(new TextDecoder().decode(await open(result.sealed, own))) as Seen;
}

/** At the border whoever is let through has a document: its chip was proved, or the guard holds it (Schengen Borders Code, 8(2)). */
export async function decide(of: Case, word: Word, reason: Reason, document_in_hand: boolean): Promise<string> {
  const given = { case: of.case, word, reason, ...(of.realm === 'border-police' ? { document_in_hand } : {}) };
  const { result } = await act<{ receipt: string }>(named(of.realm, 'officer.decide'), given);
  return result.receipt;
}

/** The two words of a realm. */
export function wordsOf(realm: Realm): [Word, Word] {
  return ['let-through', realm === 'border-police' ? 'second-line' : 'to-the-desk'];
}
