/** The states of cameras, missions and recordings, in words. */
import { say } from '../kit/i18n.svelte';
import type { Text } from '../kit/types';

const SOURCE: Record<string, Text> = {
  live: { fr: 'Émet', en: 'Sending' },
  waiting: { fr: 'Pas d’image, nouvel essai en cours', en: 'No picture, trying again' },
  connecting: { fr: 'Connexion…', en: 'Connecting…' },
  stopped: { fr: 'À l’arrêt', en: 'Stopped' },
  idle: { fr: 'À l’arrêt', en: 'Stopped' },
  off: { fr: 'À l’arrêt', en: 'Stopped' },
  unknown: { fr: 'Jamais vérifiée', en: 'Never checked' },
  checking: { fr: 'Vérification…', en: 'Checking…' },
  ready: { fr: 'Prête', en: 'Ready' },
  receiving: { fr: 'À l’écoute', en: 'Listening' },
  lost: { fr: 'Signal perdu', en: 'Signal lost' },
  failed: { fr: 'En panne', en: 'Broken' },
  error: { fr: 'En panne', en: 'Broken' },
};

/** The tone of a camera's state, as the lists show it. */
export function sourceTone(state: string): 'live' | 'amber' | 'grey' {
  if (state === 'live') return 'live';
  return ['waiting', 'connecting', 'checking', 'lost', 'failed', 'error'].includes(state) ? 'amber' : 'grey';
}

/** An unknown state is shown as the server says it. */
export function sourceState(state: string): string {
  return say(SOURCE[state] ?? { fr: state, en: state });
}

/** "14,2 Mo". */
export function megabytes(bytes: number, lang: 'fr' | 'en'): string {
  const value = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 }).format(bytes / 1_000_000);
  return `${value}\u00a0${lang === 'fr' ? 'Mo' : 'MB'}`;
}
