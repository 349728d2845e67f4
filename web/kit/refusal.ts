/** A refusal in words: for the card, the clipboard and the message to the person who can grant it. */
import { colon, say } from './i18n.svelte';
import { roleName } from './roles';
import type { Reason, Receipt, Text } from './types';

export interface RefusalLike {
  title: Text;
  act: string;
  receipt: Receipt | null;
  reasons: Reason[];
}

const WORDS = {
  number: { fr: 'Inscrit au registre sous le nº', en: 'Recorded in the ledger as no.' },
  remedy: { fr: 'Pour que ce soit légal', en: 'What would make it lawful' },
  ask: { fr: 'Peut l’accorder', en: 'Can grant it' },
  hello: {
    fr: 'Bonjour,\n\nJ’ai besoin de votre décision. La plateforme n’a pas fait ceci :',
    en: 'Hello,\n\nI need your decision. The platform did not do this:',
  },
};

/** "Code de la sécurité intérieure, art. L242-4, al. 2". */
export function citation(reason: Reason): string {
  const article = /^art/i.test(reason.article) ? reason.article : `art. ${reason.article}`;
  return `${say(reason.text_title)}, ${article}`;
}

/** The plain sentence of a reason in the reader's language. */
export function sentence(reason: Reason): string {
  return say({ fr: reason.fr, en: reason.en });
}

/** Who can grant what was refused, without repetition; empty when nobody can. */
export function whoCanGrant(reasons: Reason[]): string[] {
  return [...new Set(reasons.map((r) => r.ask).filter((who): who is string => !!who && who !== 'nobody'))];
}

/** The whole refusal as plain text. */
export function refusalText(refusal: RefusalLike): string {
  const lines = [say(refusal.title), ''];
  for (const reason of refusal.reasons) {
    lines.push(`• ${citation(reason)}${colon()}${sentence(reason)}`);
    if (reason.remedy) lines.push(`  → ${say(WORDS.remedy)}${colon()}${say(reason.remedy)}`);
  }
  const who = whoCanGrant(refusal.reasons);
  if (who.length > 0) lines.push('', `${say(WORDS.ask)}${colon()}${who.map(roleName).join(', ')}`);
  if (refusal.receipt) lines.push(`${say(WORDS.number)} ${refusal.receipt.index} (${refusal.receipt.realm})`);
  return lines.join('\n');
}

/** A message ready to be sent to the person who can grant it. */
export function requestText(refusal: RefusalLike): string {
  return `${say(WORDS.hello)}\n\n${refusalText(refusal)}\n`;
}
