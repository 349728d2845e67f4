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

/** A hearing by video, as its officer sees it. */
export interface Hearing {
  slots: string[];
  slot: string;
  statement: string;
  /** SHA-256 of the statement as it is kept. */
  digest: string;
  /** The two may see and hear one another. */
  room: boolean;
  /** The law wants a hearing in person too. */
  due: boolean;
  in_person: { at: string; place: string } | null;
  lines: { id: string; at: string; officer: boolean; text: string }[];
  unanswered: number;
  /** When the person answered that they are not alone or not safe; "": they did not. */
  alone: string;
  call: string;
  recording: Recording | null;
}

/** How the recording of a hearing stands; null: nothing may be recorded, and nothing was. */
export interface Recording {
  allowed: boolean;
  title: Text;
  article: string;
  lines: { label: Text; fr: string; en: string }[];
  /** SHA-256 of what is agreed to. */
  words: string;
  asked: boolean;
  answer: '' | 'yes' | 'yes, kept' | 'no';
  running: string;
  since: string;
  may_stop: boolean;
  pieces: { id: string; began: string; ended: string; how: string; bytes: number; chain: string; kept: boolean }[];
}

/** A question and its answer, as people read them. */
export interface Line {
  id: string;
  label: Text;
  fr: string;
  en: string;
}

export interface Opened {
  file: {
    id: string;
    number: string;
    service: string;
    channel: string;
    state: string;
    since: string;
    due: string;
    late: boolean;
    closed: boolean;
    who: { given_name?: string; family_name?: string; birthdate?: string; document?: string; method?: string };
    events: {
      at: string;
      step: string;
      state: string;
      mine: boolean;
      text: string;
      said: Text;
      where: string;
      signed: ('passkey' | 'card')[];
      lines: Line[];
      late: boolean;
    }[];
    wrong: Text | null;
    documents: { id: string; title: Text; at: string; sha256: string; level: string; made: boolean; signed: ('passkey' | 'card')[] }[];
    hearing: Hearing | null;
  };
  title: Text;
  said: Text;
  lines: Line[];
  uploads: Sent[];
  /** `step_up`: signed with the officer's passkey; `card`: with their card too, where they have it at this desk. */
  steps: { act: string; say: Text; reason: boolean; signed: boolean; step_up: boolean; card: boolean }[];
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
  field: { fr: 'Sans réseau', en: 'Without network' },
  refresh: { fr: 'Actualiser', en: 'Refresh' },
  choose: { fr: 'Choisissez un dossier dans la liste.', en: 'Choose a file in the list.' },
  back: { fr: 'Retour à la liste', en: 'Back to the list' },
  due: { fr: 'à faire avant', en: 'due' },
  since: { fr: 'depuis', en: 'since' },
  by: { fr: 'Déposé par', en: 'Sent by' },
  unknown: { fr: 'Personne non identifiée', en: 'Person not identified' },
  wallet: { fr: 'identité prouvée par portefeuille', en: 'identity proved by wallet' },
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
  where: { fr: 'Position donnée par l’agent :', en: 'Position given by the officer:' },
  events: { fr: 'Ce qui s’est passé', en: 'What happened' },
  afterwards: { fr: 'après le délai', en: 'after the time' },
  resident: { fr: 'La personne', en: 'The person' },
  officer: { fr: 'Un agent', en: 'An officer' },
  words: { fr: 'Vos mots', en: 'Your words' },
  wordsHint: { fr: 'La personne les lira dans son dossier.', en: 'The person will read them in their file.' },
  wordsDue: { fr: 'Écrivez quelques mots.', en: 'Write a few words.' },
  keep: { fr: 'Ne rien changer', en: 'Change nothing' },
  passkey: { fr: 'signé avec sa clé d’accès', en: 'signed with their passkey' },
  card: { fr: 'signé avec sa carte', en: 'signed with their card' },
  verify: { fr: 'Vérifier', en: 'Verify' },
  verifyOf: (name: string) => ({ fr: `Vérifier la signature de ${name}`, en: `Verify the signature of ${name}` }),
  pin: { fr: 'Code de votre carte', en: 'PIN of your card' },
  pinHint: {
    fr: 'Votre carte est dans le lecteur de ce poste. Vide : vous signez sans elle. Après quelques codes faux, elle se bloque.',
    en: 'Your card is in the reader of this desk. Empty: you sign without it. After a few wrong PINs it locks itself.',
  },
  remote: { fr: 'en ligne', en: 'online' },
  counter: { fr: 'au guichet', en: 'at the counter' },
  mobile: { fr: 'sur place', en: 'on the spot' },
});
