/** What the offline pages say where only the device knows; the rest is the server's. */
import type { Text } from '../../kit/types';
import { named, said } from '../../kit/wall';

const english = (): boolean => document.documentElement.lang.startsWith('en');
export const say = (words: Text): string => (english() ? words.en : words.fr);
const locale = (): string => (english() ? 'en-GB' : 'fr-FR');
/** The platform's time zone, as the page brings it along. */
const zone = document.querySelector<HTMLMetaElement>('meta[name="egide-zone"]')?.content ?? '';

/** "27 nov. 14:05": on the station's wall, as at the desk; the zone is named where this device's clock says something else. */
export function moment(at: number | string): string {
  const name = named(at, zone, !english());
  return `${said(at, zone, locale(), { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })}${name && ` (${name})`}`;
}

/** "12 août": a day without its year, for what is near. */
export function day(date: string): string {
  return new Intl.DateTimeFormat(locale(), { day: 'numeric', month: 'short', timeZone: 'UTC' }).format(new Date(date));
}

export const WORDS = {
  none: {
    fr: 'Rien n’est prêt sur cet appareil. Prenez le paquet tant qu’il y a du réseau.',
    en: 'Nothing is ready on this device. Take the pack while there is a network.',
  },
  open: (until: string): Text => ({
    fr: `Prêt. Tout s’ouvre sans réseau jusqu’au ${until} ; chaque contact prolonge de 72 h.`,
    en: `Ready. All of it opens without network until ${until}; each contact gives 72 hours more.`,
  }),
  locked: {
    fr: 'Bail terminé : ce qui attend reste chiffré et ne s’ouvre plus. Reprenez contact avec le réseau.',
    en: 'The lease is over: what waits stays encrypted and opens no more. Get in contact with the network.',
  },
  revoked: {
    fr: 'Appareil révoqué : tout ce qu’il gardait est détruit.',
    en: 'This device was revoked: all that it kept is destroyed.',
  },
  unable: {
    fr: 'Ce navigateur ne peut rien garder ici. Utilisez Chromium, hors navigation privée ; si l’appareil est plein, faites de la place et relancez-le.',
    en: 'This browser cannot keep anything here. Use Chromium, not a private window; if the device is full, make room and start it again.',
  },
  offline: { fr: 'Hors réseau.', en: 'No network.' },
  online: { fr: 'En réseau.', en: 'Connected.' },
  signedOut: { fr: 'Identifiez-vous pour envoyer.', en: 'Sign in to send.' },
  signIn: { fr: 'S’identifier', en: 'Sign in' },
  somebody: { fr: 'Un autre agent s’est identifié sur cet appareil : ce que vous gardez reste à part.', en: 'Another officer signed in on this device: what you keep stays apart.' },
  label: { fr: 'Nom de cet appareil', en: 'Name of this device' },
  labelled: { fr: 'Téléphone de service', en: 'Service phone' },
  take: { fr: 'Prendre le paquet hors ligne', en: 'Take the offline pack' },
  taking: { fr: 'Préparation…', en: 'Preparing…' },
  needed: { fr: 'Prenez d’abord le paquet hors ligne.', en: 'Take the offline pack first.' },
  loose: {
    fr: 'Ce navigateur peut effacer ce qu’il garde s’il manque de place : mettez cette page en favori, et envoyez sans tarder.',
    en: 'This browser may erase what it keeps where room is short: bookmark this page, and send without delay.',
  },
  over: { fr: 'Bail terminé : ce qui attend reste chiffré et ne s’ouvre plus.', en: 'The lease is over: what waits stays encrypted and opens no more.' },
  anew: {
    fr: 'Rétablie d’une sauvegarde, la plateforme avait oublié cet appareil. Il est repris et ce qu’il gardait repart : un agent en reverra ce qui est ancien.',
    en: 'Restored from a backup, the platform had forgotten this device. It has it again, and what was kept goes again: an officer will look at what is old.',
  },
  forgotten: {
    fr: 'La plateforme ne connaît pas cet appareil : elle a pu être rétablie d’une sauvegarde. Ce qui attend reste sous clé, et s’ouvrira si une sauvegarde plus récente est rétablie.',
    en: 'The platform does not know this device: it may have been restored from a backup. What waits stays under lock, and opens if a newer backup is restored.',
  },
  restart: { fr: 'Repartir sans ce qui est sous clé', en: 'Start over without what is under lock' },
  restartHow: { fr: 'Ce qui attend ici sera effacé, pour toujours.', en: 'What waits here will be erased, for good.' },
  restartNow: { fr: 'Effacer et repartir', en: 'Erase and start over' },
  nothing: { fr: 'Rien n’attend.', en: 'Nothing waits.' },
  waits: (n: number): Text => ({
    fr: n === 1 ? '1 envoi attend : il n’est pas encore parti.' : `${n} envois attendent : ils ne sont pas encore partis.`,
    en: n === 1 ? '1 entry waits: it has not been sent yet.' : `${n} entries wait: they have not been sent yet.`,
  }),
  sealed: (n: number): Text => ({ fr: `${n} envoi(s) sous clé.`, en: `${n} entries under lock.` }),
  waiting: { fr: 'Pas encore envoyé', en: 'Not sent yet' },
  done: { fr: 'Envoyé', en: 'Sent' },
  refused: { fr: 'Refusé', en: 'Refused' },
  review: { fr: 'À revoir par un agent', en: 'To be looked at by an officer' },
  provisional: (code: string): Text => ({ fr: `code provisoire ${code}`, en: `provisional code ${code}` }),
  number: (number: string): Text => ({ fr: `n° ${number}`, en: `no. ${number}` }),
  event: (number: string, event: number): Text => ({ fr: `n° ${number}, événement ${event}`, en: `no. ${number}, event ${event}` }),
  code: (code: string): Text => ({ fr: `Code pour la personne : ${code}`, en: `Code for the person: ${code}` }),
  made: (when: string): Text => ({ fr: `fait le ${when}, heure de l’appareil`, en: `made ${when}, by this device’s clock` }),
  photos: (n: number): Text => ({ fr: n === 1 ? '1 fichier' : `${n} fichiers`, en: n === 1 ? '1 file' : `${n} files` }),
  unsent: (n: number): Text => ({ fr: `${n} à envoyer`, en: `${n} to be sent` }),
  correct: { fr: 'Reprendre et corriger', en: 'Take up and correct' },
  away: { fr: 'J’ai lu, ranger', en: 'I have read it, put away' },
  export: { fr: 'Exporter ce qui attend, chiffré', en: 'Export what waits, encrypted' },
  bring: { fr: 'Apporter la file d’un autre appareil', en: 'Bring another device’s queue' },
  bringHint: { fr: 'Le fichier chiffré que cet appareil a exporté.', en: 'The encrypted file that it exported.' },
  brought: (recorded: number, other: number): Text => ({
    fr: `${recorded} envoi(s) enregistré(s)${other > 0 ? `, ${other} à revoir` : ''}.`,
    en: `${recorded} entries recorded${other > 0 ? `, ${other} to be looked at` : ''}.`,
  }),
  unbrought: { fr: 'Ce fichier n’a pas pu être ouvert : il vient d’un autre agent, ou l’appareil est révoqué.', en: 'This file could not be opened: it is another officer’s, or the device was revoked.' },
  kept: { fr: 'Gardé sur cet appareil. Pas encore envoyé.', en: 'Kept on this device. Not sent yet.' },
  full: {
    fr: 'Plus de place sur cet appareil : ceci n’est pas gardé. Sans fermer cette page, envoyez ce qui attend ou libérez de la place, puis recommencez.',
    en: 'No room left on this device: this is not kept. Without closing this page, send what waits or make room, then try again.',
  },
  shut: {
    fr: 'Le navigateur ne garde plus rien : l’appareil est sans doute plein. Recopiez ce que vous venez de saisir, faites de la place et relancez le navigateur : ce qui était gardé y est.',
    en: 'The browser keeps nothing more: the device is probably full. Copy what you have just typed, make room and start the browser again: what was kept is there.',
  },
  draft: { fr: 'Gardé au fur et à mesure, chiffré sur cet appareil.', en: 'Kept as you go, encrypted on this device.' },
  restored: { fr: 'Votre saisie est retrouvée.', en: 'What you had typed is back.' },
  mistakes: { fr: 'Il y a quelque chose à revoir', en: 'Something needs another look' },
  drop: (name: string): Text => ({ fr: `Retirer ${name}`, en: `Take back ${name}` }),
  sealing: (name: string): Text => ({ fr: `Chiffrement de ${name}…`, en: `Encrypting ${name}…` }),
  many: { fr: '20 fichiers au plus.', en: '20 files at most.' },
  large: (name: string): Text => ({ fr: `${name} est trop grand : 64 Mio au plus sans réseau.`, en: `${name} is too large: 64 MiB at most without network.` }),
  here: { fr: 'Ma position', en: 'My position' },
  located: (metres: number): Text => ({ fr: `Position jointe, à ${metres} m près.`, en: `Position added, within ${metres} m.` }),
  lost: { fr: 'Position introuvable.', en: 'The position could not be found.' },
  unlocate: { fr: 'Ne pas joindre', en: 'Leave it out' },
  unlocated: { fr: 'Aucune position jointe.', en: 'No position added.' },
  addTo: { fr: 'Compléter ce dossier', en: 'Add to this file' },
  passed: { fr: 'Passé devant', en: 'Passed by' },
  seenAt: (when: string): Text => ({ fr: `Vu le ${when}`, en: `Seen ${when}` }),
  never: { fr: 'Jamais vu', en: 'Not seen yet' },
  absent: (leave: string, back: string): Text => ({ fr: `absents du ${leave} au ${back}`, en: `away from ${leave} to ${back}` }),
  noFiles: { fr: 'Aucun dossier n’est emporté sur cet appareil.', en: 'No file was taken along on this device.' },
  noStops: { fr: 'Aucun logement à surveiller ces jours-ci.', en: 'No home to pass by these days.' },
  sketch: { fr: 'Faire un croquis', en: 'Make a sketch' },
  sketchHint: { fr: 'Dessinez au doigt, au stylet ou à la souris. Sans dessiner : décrivez les lieux avec des mots, plus bas.', en: 'Draw with a finger, a pen or a mouse. Without drawing: describe the scene in words, below.' },
  sketchWords: { fr: 'Ou décrivez les lieux', en: 'Or describe the scene' },
  sketchAdd: { fr: 'Joindre le croquis', en: 'Add the sketch' },
  sketchName: { fr: 'croquis', en: 'sketch' },
  sketchEmpty: { fr: 'Dessinez, ou écrivez une description.', en: 'Draw, or write a description.' },
  strokes: (n: number): Text => ({ fr: n === 0 ? 'Croquis : rien n’est dessiné' : `Croquis : ${n} trait${n > 1 ? 's' : ''}`, en: n === 0 ? 'Sketch: nothing drawn' : `Sketch: ${n} stroke${n > 1 ? 's' : ''}` }),
  undo: { fr: 'Annuler le trait', en: 'Undo the stroke' },
  clear: { fr: 'Tout effacer', en: 'Clear all' },
  themes: { fr: 'Affichage', en: 'Display' },
  day: { fr: 'Jour', en: 'Day' },
  night: { fr: 'Nuit', en: 'Night' },
  red: { fr: 'Rouge', en: 'Red' },
  again: { fr: 'Un nouveau paquet est prêt. Il sert dès la prochaine page.', en: 'A new pack is ready. It serves from the next page on.' },
  fault: { fr: 'Cette page a rencontré un défaut : rien de ce qui est gardé n’est perdu. Rechargez-la.', en: 'This page met a fault: nothing that is kept is lost. Reload it.' },
} as const;
