/** What the operations console says of itself; each part of it has its own words beside it. */
import { dictionary } from '../kit/i18n.svelte';

export const t = dictionary({
  title: { fr: 'Terrain', en: 'Operations' },
  keys: { fr: 'Touches', en: 'Keys' },
  recordings: { fr: 'Enregistrements', en: 'Recordings' },
  mission: { fr: 'Ouvrir une mission', en: 'Open a mission' },
  wall: { fr: 'Mur d’images', en: 'Wall' },
  centre: { fr: 'Centrer', en: 'Centre' },
  list: { fr: 'Liste', en: 'List' },
  incident: { fr: 'Incident', en: 'Incident' },
  camera: { fr: 'Caméra', en: 'Camera' },
  marks: { fr: 'Points', en: 'Points' },
  sheet: { fr: 'Feuille', en: 'Sheet' },
  bigger: { fr: 'Agrandir', en: 'Larger' },
  smaller: { fr: 'Réduire', en: 'Smaller' },
  watch: { fr: 'Regarder', en: 'Watch' },
  unwatch: { fr: 'Ne plus regarder', en: 'Stop watching' },
  resume: { fr: 'Reprendre la vue', en: 'Resume watching' },
  off: { fr: 'La caméra n’est pas en service : il faut d’abord la démarrer.', en: 'The camera is not on: it must be started first.' },
  choose: { fr: 'Choisissez d’abord une caméra.', en: 'Choose a camera first.' },
  marked: (n: number, lat: string, lon: string) => ({ fr: `Point ${n} marqué : ${lat}, ${lon}`, en: `Point ${n} marked: ${lat}, ${lon}` }),
  outside: { fr: 'Ce point n’est pas dans l’image.', en: 'This point is not in the picture.' },
  ended: { fr: 'La vue a été retirée.', en: 'The view was taken away.' },
});
