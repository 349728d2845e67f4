/** What the portal says, and the demonstration's story. */
import type { Text } from '../kit';
import { dictionary, plural } from '../kit';

export const t = dictionary({
  title: { fr: 'Bienvenue', en: 'Welcome' },
  hello: (name: string) => ({ fr: `Bonjour, ${name}`, en: `Hello, ${name}` }),
  intro: {
    fr: 'Ici, chaque usage des données d’une personne est décidé par la loi avant, et prouvé après.',
    en: 'Here, every use of a person’s data is decided by law before, and proved after.',
  },
  todo: { fr: 'Que voulez-vous faire ?', en: 'What do you want to do?' },
  storyDone: { fr: 'vu', en: 'seen' },
  story: { fr: 'L’histoire, en six étapes', en: 'The story, in six steps' },
  storyIntro: {
    fr: 'Chaque étape vous met à la place de quelqu’un. Un seul clic suffit.',
    en: 'Each step puts you in someone’s place. One click is enough.',
  },
  go: (name: string) => ({ fr: `Devenir ${name} et y aller`, en: `Become ${name} and go` }),
  goThere: { fr: 'Y aller', en: 'Go there' },
  anyone: { fr: 'Ou prenez le rôle de votre choix', en: 'Or take the role you like' },
  status: { fr: 'État de la plateforme', en: 'Platform status' },
  working: { fr: 'Tout fonctionne.', en: 'Everything works.' },
  trouble: { fr: 'La plateforme signale un défaut.', en: 'The platform reports a fault.' },
  silent: { fr: 'La plateforme ne répond pas.', en: 'The platform does not answer.' },
  asking: { fr: 'Question posée…', en: 'Asking…' },
  entries: (n: number) => ({ fr: `Registre : ${plural(n, 'entrée', 'entrées', 'fr')},`, en: `Ledger: ${plural(n, 'entry', 'entries', 'en')},` }),
  checked: { fr: 'vérifié', en: 'checked' },
});

export interface Errand {
  href: string;
  title: Text;
  about: Text;
}

const WATCH: Errand = {
  href: '/operations',
  title: { fr: 'Voir le terrain', en: 'See the field' },
  about: { fr: 'Carte, missions et images en direct', en: 'Map, missions and live pictures' },
};
const ORDERS: Errand = {
  href: '/desk',
  title: { fr: 'Lire les arrêtés en vigueur', en: 'Read the orders in force' },
  about: { fr: 'But, lieu, temps restant', en: 'Purpose, place, time left' },
};
const RIVER: Errand = {
  href: '/oversight',
  title: { fr: 'Savoir qui a fait quoi', en: 'Know who did what' },
  about: { fr: 'Le fil des actes, accordés et refusés', en: 'The river of acts, allowed and refused' },
};
const WATCHES: Errand = {
  href: '/oversight#watches',
  title: { fr: 'Savoir qui regarde quoi maintenant', en: 'Know who watches what now' },
  about: { fr: 'Avec l’arrêté et l’article', en: 'With the order and the article' },
};
const RECORD: Errand = {
  href: '/oversight#record',
  title: { fr: 'Ouvrir le registre des traitements', en: 'Open the record of processing' },
  about: { fr: 'Bases légales, durées, compteurs', en: 'Legal bases, retention, counts' },
};
const PROVE: Errand = {
  href: '/oversight#ledger',
  title: { fr: 'Vérifier une preuve', en: 'Check a proof' },
  about: { fr: 'Dans votre navigateur, sans nous croire', en: 'In your browser, without trusting us' },
};
const PEOPLE: Errand = {
  href: '/administration',
  title: { fr: 'Gérer agents et habilitations', en: 'Manage officers and clearances' },
  about: { fr: 'Comptes, clés d’accès, invitations', en: 'Accounts, passkeys, invitations' },
};
const SIGN: Errand = {
  href: '/desk',
  title: { fr: 'Signer ou retirer un arrêté', en: 'Sign or revoke an order' },
  about: { fr: 'Ce qui attend votre décision', en: 'What waits for your decision' },
};
const DRAFT: Errand = {
  href: '/desk#new',
  title: { fr: 'Préparer une demande d’arrêté', en: 'Prepare a request for an order' },
  about: { fr: 'Les huit points de la demande', en: 'The eight items of the request' },
};
const SEALED: Errand = {
  href: '/operations',
  title: { fr: 'Demander un enregistrement scellé', en: 'Ask for a sealed recording' },
  about: { fr: 'Avec la référence de la procédure', en: 'With the reference of the procedure' },
};
const ENTER: Errand = {
  href: '/sign-in',
  title: { fr: 'M’identifier', en: 'Sign in' },
  about: { fr: 'Avec ma clé d’accès', en: 'With my passkey' },
};
const SERVICES: Errand = {
  href: '/services',
  title: { fr: 'Faire une démarche', en: 'Use a service' },
  about: { fr: 'Porter plainte, déclarer une perte, suivre un dossier', en: 'Report, declare a loss, follow a file' },
};
const TRAVEL: Errand = {
  href: '/pass',
  title: { fr: 'Préparer mon passage', en: 'Prepare my way through' },
  about: { fr: 'À l’aéroport ou à la frontière, avec mon téléphone', en: 'At the airport or the border, with my phone' },
};
const FILES: Errand = {
  href: '/files',
  title: { fr: 'Traiter les dossiers', en: 'Deal with files' },
  about: { fr: 'Ce que les usagers ont déposé', en: 'What residents have sent' },
};
const INVITED: Errand = {
  href: '/sign-in#invited',
  title: { fr: 'J’ai reçu une invitation', en: 'I received an invitation' },
  about: { fr: 'Enregistrer ma première clé d’accès', en: 'Register my first passkey' },
};

const BY_ROLE: [string, Errand[]][] = [
  ['prefect', [SIGN, WATCH, RECORD]],
  ['command', [WATCH, DRAFT, ORDERS]],
  ['pilot', [WATCH, ORDERS, RECORD]],
  ['officer', [WATCH, FILES, ORDERS]],
  ['dpo', [RIVER, RECORD, WATCHES]],
  ['inspector', [WATCHES, PROVE, RECORD]],
  ['magistrate', [SEALED, RECORD, PROVE]],
  ['administrator', [PEOPLE, RECORD, PROVE]],
];

/** The three things most done by someone with these roles; the doors for someone who is not signed in, a traveller's only where there is a border. */
export function errands(roles: string[] | null, capabilities: string[]): Errand[] {
  if (roles === null) return [SERVICES, ...(capabilities.includes('border') ? [TRAVEL] : []), ENTER, INVITED];
  return BY_ROLE.find(([role]) => roles.includes(role))?.[1] ?? [ORDERS, RECORD, PROVE];
}

export interface StoryStep {
  title: Text;
  about: Text;
  /** Who lives this step: the first of these roles that someone has. */
  roles: string[];
  /** Someone in particular, when that person exists. */
  persona?: string;
  href: string;
}

export const STORY: StoryStep[] = [
  {
    title: { fr: 'La préfecture signe', en: 'The prefecture signs' },
    about: {
      fr: 'Rien ne filme sans un arrêté : un but, un lieu, un nombre de caméras, une fin.',
      en: 'Nothing films without an order: a purpose, a place, a number of cameras, an end.',
    },
    roles: ['prefect'],
    href: '/desk',
  },
  {
    title: { fr: 'Le commandement voit', en: 'Command sees' },
    about: {
      fr: 'Une image de drone s’ouvre sous cet arrêté. L’accord est inscrit avant la première image.',
      en: 'A drone’s picture opens under that order. The decision is recorded before the first frame.',
    },
    roles: ['command', 'officer', 'pilot'],
    href: '/operations',
  },
  {
    title: { fr: 'Un refus, et pourquoi', en: 'A refusal, and why' },
    about: {
      fr: 'Quelqu’un d’une autre équipe demande la même image : la plateforme cite l’article et dit ce qui serait légal.',
      en: 'Someone of another team asks for the same picture: the platform cites the article and says what would be lawful.',
    },
    persona: 'other-officer',
    roles: ['officer', 'pilot', 'command'],
    href: '/operations',
  },
  {
    title: { fr: 'L’arrêté est retiré', en: 'The order is revoked' },
    about: {
      fr: 'En deux secondes au plus, l’image s’arrête sur tous les écrans.',
      en: 'Within two seconds, the picture stops on every screen.',
    },
    roles: ['prefect'],
    href: '/desk',
  },
  {
    title: { fr: 'Qui a regardé quoi', en: 'Who watched what' },
    about: {
      fr: 'La protection des données lit le fil des actes, refus compris.',
      en: 'The data protection officer reads the river of acts, refusals included.',
    },
    roles: ['dpo'],
    href: '/oversight',
  },
  {
    title: { fr: 'La preuve, sans nous croire', en: 'The proof, without trusting us' },
    about: {
      fr: 'L’inspection vérifie une entrée du registre dans son propre navigateur.',
      en: 'The inspector checks a ledger entry in their own browser.',
    },
    roles: ['inspector', 'dpo'],
    href: '/oversight#ledger',
  },
];
