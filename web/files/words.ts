/** What the officer's desk of services says, and what it is given. */
import { dictionary, lang, type Text } from '../kit';

export interface Waiting {
  id: string;
  number: string;
  service: string;
  title: Text;
  state: string;
  said: Text;
  since: string;
  due: string;
  late: boolean;
  mine: boolean;
  taken: boolean;
}

/** A file that came with a request. */
export interface Sent {
  upload: string;
  name: string;
  bytes: number;
  scan: 'waiting' | 'clean' | 'found' | 'unscanned';
  copy: 'waiting' | 'ready' | 'none' | 'failed';
  said: Text;
}

export interface Opened {
  file: {
    id: string;
    number: string;
    channel: string;
    state: string;
    since: string;
    due: string;
    late: boolean;
    closed: boolean;
    who: { given_name?: string; family_name?: string; birthdate?: string; document?: string };
    events: { at: string; step: string; state: string; mine: boolean; text: string }[];
    wrong: Text | null;
    documents: { id: string; title: Text; at: string; sha256: string; level: string }[];
  };
  title: Text;
  said: Text;
  lines: { id: string; label: Text; fr: string; en: string }[];
  uploads: Sent[];
  steps: { act: string; say: Text; reason: boolean; signed: boolean }[];
}

/** "340 ko", "14,2 Mo". */
export function size(bytes: number): string {
  const small = bytes < 1e6;
  const value = new Intl.NumberFormat(lang(), { maximumFractionDigits: small ? 0 : 1 }).format(bytes / (small ? 1e3 : 1e6));
  return `${value}\u00a0${small ? 'k' : 'M'}${lang() === 'fr' ? 'o' : 'B'}`;
}

export const t = dictionary({
  title: { fr: 'Dossiers', en: 'Files' },
  intro: { fr: 'Ce que les usagers ont déposé, le plus urgent d’abord.', en: 'What residents have sent, the most urgent first.' },
  list: { fr: 'Dossiers en attente', en: 'Files that wait' },
  late: { fr: 'En retard', en: 'Late' },
  waiting: { fr: 'À prendre', en: 'To take up' },
  mine: { fr: 'Les miens', en: 'Mine' },
  others: { fr: 'Pris par d’autres', en: 'Taken by others' },
  none: { fr: 'Rien n’attend', en: 'Nothing waits' },
  noneHow: { fr: 'Un dossier déposé apparaît ici aussitôt.', en: 'A file that is sent appears here at once.' },
  take: { fr: 'Recueillir une demande', en: 'Take down a request' },
  refresh: { fr: 'Actualiser', en: 'Refresh' },
  choose: { fr: 'Choisissez un dossier dans la liste.', en: 'Choose a file in the list.' },
  back: { fr: 'Retour à la liste', en: 'Back to the list' },
  due: { fr: 'à faire avant', en: 'due' },
  since: { fr: 'depuis', en: 'since' },
  by: { fr: 'Déposé par', en: 'Sent by' },
  unknown: { fr: 'Personne non identifiée', en: 'Person not identified' },
  document: (what: string) => ({ fr: `pièce vue : ${what}`, en: `document seen: ${what}` }),
  declared: { fr: 'Ce qui est déclaré', en: 'What is declared' },
  empty: { fr: 'Non renseigné', en: 'Not given' },
  sent: { fr: 'Fichiers reçus', en: 'Files received' },
  documents: { fr: 'Documents établis', en: 'Documents made' },
  found: { fr: 'Programme malveillant', en: 'Malicious program' },
  read: { fr: 'Lire la copie', en: 'Read the copy' },
  readOf: (name: string) => ({ fr: `Lire la copie de ${name}`, en: `Read the copy of ${name}` }),
  original: { fr: 'Original', en: 'Original' },
  originalOf: (name: string) => ({ fr: `Original de ${name}`, en: `Original of ${name}` }),
  open: { fr: 'Ouvrir', en: 'Open' },
  openOf: (name: string) => ({ fr: `Ouvrir ${name}`, en: `Open ${name}` }),
  seal: (level: string) => ({ fr: `cachet ${level}`, en: `seal ${level}` }),
  reason: { fr: 'Pourquoi vous le faut-il ?', en: 'Why do you need it?' },
  reasonHint: { fr: 'La raison est inscrite au registre, avec votre nom.', en: 'The reason is kept in the ledger, with your name.' },
  events: { fr: 'Ce qui s’est passé', en: 'What happened' },
  resident: { fr: 'La personne', en: 'The person' },
  officer: { fr: 'Un agent', en: 'An officer' },
  words: { fr: 'Vos mots', en: 'Your words' },
  wordsHint: { fr: 'La personne les lira dans son dossier.', en: 'The person will read them in their file.' },
  wordsDue: { fr: 'Écrivez quelques mots.', en: 'Write a few words.' },
  keep: { fr: 'Ne rien changer', en: 'Change nothing' },
  remote: { fr: 'en ligne', en: 'online' },
  counter: { fr: 'au guichet', en: 'at the counter' },
  mobile: { fr: 'sur place', en: 'on the spot' },
});
