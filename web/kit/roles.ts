/** The roles of the platform by the name people use. An unknown role is shown as it is. */
import { say } from './i18n.svelte';
import type { Text } from './types';

const ROLES: Record<string, Text> = {
  administrator: { fr: 'administrateur', en: 'administrator' },
  officer: { fr: 'agent', en: 'officer' },
  pilot: { fr: 'télépilote', en: 'remote pilot' },
  command: { fr: 'commandement', en: 'command' },
  prefect: { fr: 'préfet', en: 'prefect' },
  inspector: { fr: 'inspecteur', en: 'inspector' },
  dpo: { fr: 'délégué à la protection des données', en: 'data protection officer' },
  magistrate: { fr: 'magistrat', en: 'magistrate' },
  gate: { fr: 'porte de contrôle', en: 'control gate' },
  kiosk: { fr: 'borne d’enrôlement', en: 'enrolment kiosk' },
  resident: { fr: 'habitant', en: 'resident' },
};

/** Whom one turns to, after "ask": French needs the article. */
const TO_ROLE: Record<string, Text> = {
  prefect: { fr: 'au préfet', en: 'the prefect' },
  administrator: { fr: 'à l’administrateur', en: 'the administrator' },
  dpo: { fr: 'au délégué à la protection des données', en: 'the data protection officer' },
  magistrate: { fr: 'au magistrat', en: 'the magistrate' },
};

/** "au préfet", "the prefect": what follows "Demander" or "Ask". */
export function toRole(role: string): string {
  return say(TO_ROLE[role] ?? { fr: `à : ${roleName(role)}`, en: `the ${roleName(role)}` });
}

/** A role's everyday name in the reader's language. */
export function roleName(role: string): string {
  return say(ROLES[role] ?? { fr: role.replaceAll('_', ' '), en: role.replaceAll('_', ' ') });
}
