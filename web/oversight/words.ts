/** What oversight says, and the acts by the name people use. */
import { dictionary, number, plural, say, type RiverEntry, type Text } from '../kit';

export const t = dictionary({
  title: { fr: 'Contrôle', en: 'Oversight' },
  intro: {
    fr: 'Ce qui se lit ici est ce qui a été décidé, avant que cela n’arrive.',
    en: 'What you read here is what was decided, before it happened.',
  },
  views: { fr: 'Vues du contrôle', en: 'Views of oversight' },
  river: { fr: 'Fil des actes', en: 'River of acts' },
  watches: { fr: 'Qui regarde quoi', en: 'Who watches what' },
  record: { fr: 'Registre des traitements', en: 'Record of processing' },
  ledger: { fr: 'Preuves', en: 'Proofs' },
  // River
  filters: { fr: 'Filtres', en: 'Filters' },
  who: { fr: 'Qui', en: 'Who' },
  act: { fr: 'Acte', en: 'Act' },
  anyAct: { fr: 'Tous les actes', en: 'All acts' },
  outcome: { fr: 'Issue', en: 'Outcome' },
  anyOutcome: { fr: 'Accordés et refusés', en: 'Allowed and refused' },
  allowed: { fr: 'accordé', en: 'allowed' },
  failed: { fr: 'accordé, sans effet', en: 'allowed, no effect' },
  refused: { fr: 'refusé', en: 'refused' },
  onlyAllowed: { fr: 'Accordés', en: 'Allowed' },
  onlyRefused: { fr: 'Refusés', en: 'Refused' },
  order: { fr: 'Arrêté', en: 'Order' },
  anyOrder: { fr: 'Tous, ou aucun', en: 'Any, or none' },
  clear: { fr: 'Tout montrer', en: 'Show all' },
  fresh: (n: number) => ({ fr: n > 1 ? `${n} nouveaux actes : les montrer` : '1 nouvel acte : le montrer', en: n > 1 ? `${n} new acts: show them` : '1 new act: show it' }),
  older: { fr: 'Actes plus anciens', en: 'Older acts' },
  start: { fr: 'C’est le début du registre.', en: 'This is the start of the ledger.' },
  nothing: { fr: 'Aucun acte ne correspond', en: 'No act matches' },
  nothingHow: { fr: 'Retirez un filtre pour en voir plus.', en: 'Take a filter away to see more.' },
  system: { fr: 'la plateforme', en: 'the platform' },
  under: { fr: 'sous', en: 'under' },
  noOrder: { fr: 'sans arrêté', en: 'no order' },
  verify: { fr: 'vérifier nº', en: 'verify no.' },
  following: { fr: 'suivi en direct', en: 'followed live' },
  notFollowing: { fr: 'suivi interrompu', en: 'not followed' },
  journal: { fr: 'journal d’urgence :', en: 'emergency journal:' },
  caller: { fr: 'une personne qui appelle à l’aide', en: 'somebody who calls for help' },
  unnamed: { fr: 'sans nom', en: 'no name' },
  called: (called: string, recorded: string) => ({ fr: `appelé à ${called}, inscrit à ${recorded}`, en: `called at ${called}, recorded at ${recorded}` }),
  notRead: { fr: 'motif non lisible avec vos droits', en: 'reason not readable with your rights' },
  // Watches
  watchesIntro: { fr: 'Les images ouvertes en ce moment, et ce qui les permet.', en: 'The pictures open right now, and what allows them.' },
  noWatch: { fr: 'Personne ne regarde une image en ce moment', en: 'Nobody is watching a picture right now' },
  noWatchHow: { fr: 'Cette page se met à jour toute seule.', en: 'This page updates by itself.' },
  source: { fr: 'Source', en: 'Source' },
  since: { fr: 'Depuis :', en: 'Since' },
  articles: { fr: 'Articles', en: 'Articles' },
  // Record
  recordIntro: {
    fr: 'Chaque traitement, tel qu’il est déclaré et tel qu’il tourne : les compteurs viennent du registre.',
    en: 'Each processing activity, as declared and as it runs: the counts come from the ledger.',
  },
  regime: { fr: 'Régime', en: 'Regime' },
  controller: { fr: 'Responsable', en: 'Controller' },
  purposes: { fr: 'Finalités', en: 'Purposes' },
  bases: { fr: 'Bases légales', en: 'Legal bases' },
  notInForce: { fr: 'pas en vigueur', en: 'not in force' },
  until: (to: string) => ({ fr: `jusqu’à ${to}`, en: `until ${to}` }),
  subjects: { fr: 'Personnes concernées', en: 'People concerned' },
  data: { fr: 'Données', en: 'Data' },
  recipients: { fr: 'Destinataires', en: 'Recipients' },
  retention: { fr: 'Durées de conservation', en: 'Retention' },
  security: { fr: 'Sécurité', en: 'Security' },
  acts: { fr: 'Actes', en: 'Acts' },
  verb: { fr: 'Verbe', en: 'Verb' },
  totalAllowed: (n: number) => ({ fr: plural(n, 'accordé', 'accordés', 'fr'), en: `${number(n)} allowed` }),
  totalRefused: (n: number) => ({ fr: plural(n, 'refusé', 'refusés', 'fr'), en: `${number(n)} refused` }),
  countAllowed: { fr: 'Accordés', en: 'Allowed' },
  countRefused: { fr: 'Refusés', en: 'Refused' },
  // Ledger
  head: { fr: 'La tête du registre', en: 'The head of the ledger' },
  headIntro: {
    fr: 'Une seule empreinte résume toutes les entrées. La changer, c’est la rendre fausse partout où elle a été copiée.',
    en: 'One hash sums up every entry. To change an entry is to make that hash wrong everywhere it was copied.',
  },
  size: { fr: 'Entrées', en: 'Entries' },
  root: { fr: 'Empreinte', en: 'Hash' },
  origin: { fr: 'Registre', en: 'Ledger' },
  key: { fr: 'Clé de signature', en: 'Signing key' },
  note: { fr: 'La note signée (format C2SP), à copier chez un témoin', en: 'The signed note (C2SP format), to copy to a witness' },
  refresh: { fr: 'Relire la tête', en: 'Read the head again' },
  one: { fr: 'Vérifier une entrée', en: 'Verify an entry' },
  oneIntro: {
    fr: 'Votre navigateur refait le calcul. La plateforme ne peut pas répondre à sa place.',
    en: 'Your browser does the sum again. The platform cannot answer for it.',
  },
  number: { fr: 'Numéro de l’entrée', en: 'Number of the entry' },
  numberBad: (last: number) => ({ fr: `Donnez un numéro de 0 à ${last}.`, en: `Give a number from 0 to ${last}.` }),
  check: { fr: 'Vérifier', en: 'Verify' },
  export: { fr: 'Emporter les preuves', en: 'Take the proofs away' },
  exportIntro: {
    fr: 'L’export se vérifie sans nous, avec un programme libre. Il est lui-même un acte inscrit.',
    en: 'The export can be verified without us, with a free program. It is itself a recorded act.',
  },
  exportPublic: { fr: 'Export public', en: 'Public export' },
  exportInspector: { fr: 'Export d’inspection', en: 'Inspection export' },
  publicLine: {
    fr: 'L’export public ne contient que des têtes et des empreintes : aucune donnée sur une personne.',
    en: 'The public export holds only heads and hashes: no data about a person.',
  },
  inspectorLine: {
    fr: 'L’export d’inspection contient les entrées. Il sort de la plateforme sous votre nom et votre responsabilité.',
    en: 'The inspection export holds the entries. It leaves the platform in your name and under your responsibility.',
  },
  motive: { fr: 'Pour quel contrôle, quelle demande ?', en: 'For which inspection, which request?' },
  ready: { fr: 'L’export est prêt.', en: 'The export is ready.' },
  download: { fr: 'Télécharger', en: 'Download' },
});

/** The entry's act in words, as the act itself is declared; its name when it no longer exists. */
export function entryName(entry: RiverEntry): string {
  return entry.summary ? say(entry.summary) : entry.act;
}

const VERBS: Record<string, Text> = {
  collect: { fr: 'collecter', en: 'collect' },
  alter: { fr: 'modifier', en: 'alter' },
  consult: { fr: 'consulter', en: 'consult' },
  disclose: { fr: 'communiquer', en: 'disclose' },
  combine: { fr: 'rapprocher', en: 'combine' },
  erase: { fr: 'effacer', en: 'erase' },
  view: { fr: 'regarder', en: 'view' },
  decide: { fr: 'décider', en: 'decide' },
  export: { fr: 'exporter', en: 'export' },
  anchor: { fr: 'ancrer', en: 'anchor' },
  administer: { fr: 'administrer', en: 'administer' },
};

/** A log verb in words. */
export function verbName(verb: string): string {
  return say(VERBS[verb] ?? { fr: verb, en: verb });
}
