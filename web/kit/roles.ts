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
  resident: { fr: 'habitant', en: 'resident' },
};

/** A role's everyday name in the reader's language. */
export function roleName(role: string): string {
  return say(ROLES[role] ?? { fr: role.replaceAll('_', ' '), en: role.replaceAll('_', ' ') });
}
