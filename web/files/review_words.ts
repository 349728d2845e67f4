/** What the desk says of acts done without network that are to be looked at, and what it is given. */
import { dictionary, type Text } from '../kit';

export interface ReviewLine {
  device: string;
  seq: number;
  title: Text;
  why: Text;
  at: string;
  made: string;
}

export interface Review {
  entry: ReviewLine;
  lines: { id: string; label: Text; fr: string; en: string }[];
  files: { upload: string; name: string }[];
  can_record: boolean;
}

export const r = dictionary({
  title: { fr: 'Faits sans réseau, à revoir', en: 'Done without network, to be looked at' },
  made: { fr: 'fait', en: 'made' },
  read: { fr: 'Lire', en: 'Read' },
  record: { fr: 'Enregistrer maintenant', en: 'Record it now' },
  recorded: (number: string) => ({ fr: `Enregistré : ${number}`, en: `Recorded: ${number}` }),
  aside: { fr: 'Écarter', en: 'Set aside' },
  asideEffect: { fr: 'Aucun dossier n’en sera fait ; l’agent qui l’a envoyé l’apprend.', en: 'No file will be made of it; the officer who sent it is told.' },
  files: (n: number) => ({ fr: `${n} fichier(s) avec cet envoi`, en: `${n} file(s) with this entry` }),
});
