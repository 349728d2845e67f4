/** The states and steps of incidents and tasks in words, their icons and tones. */
import Briefcase from '@lucide/svelte/icons/briefcase';
import CircleAlert from '@lucide/svelte/icons/circle-alert';
import CloudLightning from '@lucide/svelte/icons/cloud-lightning';
import Flame from '@lucide/svelte/icons/flame';
import HeartPulse from '@lucide/svelte/icons/heart-pulse';
import PackageSearch from '@lucide/svelte/icons/package-search';
import ShieldAlert from '@lucide/svelte/icons/shield-alert';
import TriangleAlert from '@lucide/svelte/icons/triangle-alert';
import UserSearch from '@lucide/svelte/icons/user-search';
import Users from '@lucide/svelte/icons/users';
import { say } from '../kit/i18n.svelte';
import type { Icon } from '../kit/icon';
import type { Text } from '../kit/types';

const SYMBOLS: Record<string, Icon> = {
  briefcase: Briefcase,
  'cloud-lightning': CloudLightning,
  flame: Flame,
  'heart-pulse': HeartPulse,
  'package-search': PackageSearch,
  'shield-alert': ShieldAlert,
  'triangle-alert': TriangleAlert,
  'user-search': UserSearch,
  users: Users,
};

export function symbol(name: string | undefined): Icon {
  return SYMBOLS[name ?? ''] ?? CircleAlert;
}

const STATES: Record<string, Text> = {
  reported: { fr: 'Signalé', en: 'Reported' },
  confirmed: { fr: 'Confirmé', en: 'Confirmed' },
  assigned: { fr: 'Affecté', en: 'Assigned' },
  on_scene: { fr: 'Sur place', en: 'On scene' },
  resolved: { fr: 'Résolu', en: 'Resolved' },
  closed: { fr: 'Clos', en: 'Closed' },
  dismissed: { fr: 'Écarté', en: 'Dismissed' },
  merged: { fr: 'Fusionné', en: 'Merged' },
  proposed: { fr: 'Proposée', en: 'Proposed' },
  accepted: { fr: 'Acceptée', en: 'Accepted' },
  under_way: { fr: 'En cours', en: 'Under way' },
  done: { fr: 'Faite', en: 'Done' },
  declined: { fr: 'Déclinée', en: 'Declined' },
  cancelled: { fr: 'Annulée', en: 'Cancelled' },
};

const STEPS: Record<string, Text> = {
  confirm: { fr: 'Confirmer', en: 'Confirm' },
  assign: { fr: 'Affecter une mission', en: 'Assign a mission' },
  arrive: { fr: 'Sur place', en: 'On scene' },
  resolve: { fr: 'Résolu', en: 'Resolved' },
  close: { fr: 'Clore', en: 'Close' },
  dismiss: { fr: 'Écarter', en: 'Dismiss' },
  merge: { fr: 'Fusionner', en: 'Merge' },
  accept: { fr: 'Accepter', en: 'Accept' },
  decline: { fr: 'Décliner', en: 'Decline' },
  start: { fr: 'Commencer', en: 'Start' },
  finish: { fr: 'Terminer', en: 'Finish' },
  cancel: { fr: 'Annuler', en: 'Cancel' },
};

/** An unknown word is shown as the server says it. */
export function stateWord(state: string): string {
  return say(STATES[state] ?? { fr: state, en: state });
}

export function stepText(step: string): Text {
  return STEPS[step] ?? { fr: step, en: step };
}

export function stepWord(step: string): string {
  return say(stepText(step));
}

/** Amber: it waits for a human. */
export function stateTone(state: string): 'amber' | 'accent' | 'grey' {
  if (['reported', 'confirmed', 'proposed'].includes(state)) return 'amber';
  return ['assigned', 'on_scene', 'accepted', 'under_way'].includes(state) ? 'accent' : 'grey';
}

const PRIORITIES: Record<number, Text> = {
  1: { fr: 'Immédiat', en: 'At once' },
  2: { fr: 'Urgent', en: 'Urgent' },
  3: { fr: 'Normal', en: 'Normal' },
  4: { fr: 'Différé', en: 'When there is time' },
};

export function priorityWord(priority: number): string {
  return say(PRIORITIES[priority] ?? { fr: String(priority), en: String(priority) });
}
