/** The words for how a picture comes, the same wherever they are shown. */
import { dictionary } from '../kit/i18n.svelte';
import type { Mode, Transport } from './delivery.svelte';

const t = dictionary({
  automatic: { fr: 'selon la liaison', en: 'as the link allows' },
  normal: { fr: 'complète', en: 'full' },
  low: { fr: 'images clés seules', en: 'key frames only' },
  minimal: { fr: 'texte seul', en: 'text only' },
  webrtc: { fr: 'liaison avec pertes : WebRTC', en: 'link with losses: WebRTC' },
  lowNote: {
    fr: 'Liaison faible : environ une image par seconde. L’image complète revient avec la liaison.',
    en: 'Weak link: about one picture a second. The full picture comes back with the link.',
  },
  minimalNote: {
    fr: 'Texte seul : pas d’image sur cette liaison. La position, la carte et les messages restent à jour.',
    en: 'Text only: no picture on this link. Position, map and messages stay up to date.',
  },
});

/** What a person may choose. */
export const MODES = ['automatic', 'normal', 'low', 'minimal'] as const;

export function modeWord(mode: Mode | 'automatic'): string {
  return t(mode);
}

export function modeNote(mode: 'low' | 'minimal'): string {
  return t(mode === 'low' ? 'lowNote' : 'minimalNote');
}

/** The word for a way that a person should know of; null for the ordinary ones. */
export function wayWord(transport: Transport): string | null {
  return transport === 'webrtc' ? t('webrtc') : null;
}
