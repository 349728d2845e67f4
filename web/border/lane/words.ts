/** What the border's console says. */
import { dictionary } from '../../kit';

export const t = dictionary({
  title: { fr: 'Frontière', en: 'Border' },
  intro: {
    fr: 'À chaque contrôle, deux voies : avec le jeton, et sans biométrie. La seconde ne doit jamais être la plus lente.',
    en: 'At every control, two lanes: with the token, and without biometrics. The second must never be the slower one.',
  },
  tools: { fr: 'Écrans de la frontière', en: 'Screens of the border' },
  gate: { fr: 'Ouvrir une porte', en: 'Open a gate' },
  tablet: { fr: 'Passages à décider', en: 'Passages to decide' },
  worse: { fr: 'La voie sans biométrie est plus lente que celle du jeton.', en: 'The lane without biometrics is slower than the token’s.' },
  worseDo: { fr: 'Ouvrez un guichet de plus, ou fermez la voie du jeton.', en: 'Open one more desk, or close the token’s lane.' },
  p95: { fr: '95 voyageurs sur 100 attendent au plus', en: '95 travellers of 100 wait at most' },
  few: { fr: 'trop peu de passages pour le dire', en: 'too few passages to say' },
  tokenLane: { fr: 'Avec le jeton', en: 'With the token' },
  equalLane: { fr: 'Sans biométrie', en: 'Without biometrics' },
  equalOpen: { fr: 'La voie sans biométrie est ouverte', en: 'The lane without biometrics is open' },
  staffed: { fr: 'Un agent est à son poste', en: 'An officer is at the post' },
  closed: { fr: 'La porte n’ouvre à personne tant que ces deux cases ne sont pas cochées.', en: 'The gate opens for nobody until both boxes are ticked.' },
  enters: { fr: 'Entre', en: 'Enters' },
  leaves: { fr: 'Sort', en: 'Leaves' },
  inLane: (n: number) => ({ fr: `${n} dans la voie`, en: `${n} in the lane` }),
  enterIn: (lane: string, point: string) => ({ fr: `Quelqu’un entre : ${lane}, ${point}`, en: `Somebody enters: ${lane}, ${point}` }),
  leaveFrom: (lane: string, point: string) => ({ fr: `Quelqu’un sort : ${lane}, ${point}`, en: `Somebody leaves: ${lane}, ${point}` }),
  lastHour: { fr: 'sur la dernière heure', en: 'over the last hour' },
});
