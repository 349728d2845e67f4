/** What the officer's tablet says. */
import { dictionary, say, type Text } from '../../kit';
import type { Reason, Word } from './acts';

export const t = dictionary({
  title: { fr: 'Passages à décider', en: 'Passages to decide' },
  intro: { fr: 'La machine a un doute, ou quelqu’un préfère une personne. C’est vous qui décidez.', en: 'The machine is unsure, or somebody prefers a person. You decide.' },
  none: { fr: 'Personne n’attend', en: 'Nobody is waiting' },
  noneHow: { fr: 'Cette page se met à jour toute seule.', en: 'This page updates by itself.' },
  waiting: { fr: 'En attente', en: 'Waiting' },
  since: { fr: 'attend depuis', en: 'waiting for' },
  why: { fr: 'Pourquoi', en: 'Why' },
  inHand: { fr: 'J’ai le document du voyageur en main', en: 'I have the traveller’s document in my hand' },
  inHandFirst: { fr: 'Demandez le document au voyageur, puis cochez la case.', en: 'Ask the traveller for the document, then tick the box.' },
  look: { fr: 'Voir les images', en: 'See the pictures' },
  live: { fr: 'Devant la porte', en: 'At the gate' },
  portrait: { fr: 'Portrait de la puce', en: 'The chip’s portrait' },
  document: { fr: 'Document en main', en: 'Document in hand' },
  noLive: { fr: 'La caméra n’a pas donné d’image. Regardez la personne.', en: 'The camera gave no picture. Look at the person.' },
  noPortrait: { fr: 'Comparez avec le document que vous avez en main.', en: 'Compare with the document in your hand.' },
  shown: { fr: 'Ce que le jeton dit', en: 'What the token says' },
  nothingShown: { fr: 'Aucun jeton n’a été présenté.', en: 'No token was presented.' },
  decision: { fr: 'Votre décision', en: 'Your decision' },
  reason: { fr: 'Motif', en: 'Reason' },
  decide: { fr: 'Décider', en: 'Decide' },
  both: { fr: 'Choisissez une décision et un motif.', en: 'Choose a decision and a reason.' },
  consequence: { fr: 'Les images disparaissent avec la décision. Rien n’en est gardé.', en: 'The pictures vanish with the decision. Nothing of them is kept.' },
  decided: { fr: 'Décidé.', en: 'Decided.' },
  receipt: { fr: 'Reçu pour le portefeuille du voyageur', en: 'Receipt for the traveller’s wallet' },
  receiptHow: { fr: 'Montrez-le si le voyageur le veut : lui seul le garde.', en: 'Show it if the traveller wants it: only they keep it.' },
  next: { fr: 'Passage suivant', en: 'Next passage' },
});

const WORDS: Record<Word, Text> = {
  'let-through': { fr: 'Laisser passer', en: 'Let through' },
  'to-the-desk': { fr: 'Accompagner au comptoir', en: 'Take to the desk' },
  'second-line': { fr: 'Deuxième ligne', en: 'Second line' },
};

const REASONS: Record<Reason, Text> = {
  'same-person': { fr: 'C’est la même personne', en: 'It is the same person' },
  'other-person': { fr: 'C’est une autre personne', en: 'It is another person' },
  'cannot-tell': { fr: 'Impossible à dire', en: 'It cannot be told' },
  'document-doubtful': { fr: 'Le document est douteux', en: 'The document is doubtful' },
  'camera-or-light': { fr: 'La caméra ou la lumière', en: 'The camera or the light' },
  'asked-for-a-person': { fr: 'La personne a demandé un agent', en: 'The person asked for an officer' },
};

/** In plain words, why a machine turned to a person. The codes are the room's (room/messages.py, protocols/wallet/errors.py). */
const WHYS: Record<string, Text> = {
  '': { fr: 'La personne a demandé un agent, ou la porte n’a pas pu finir.', en: 'The person asked for an officer, or the gate could not finish.' },
  asked: { fr: 'La personne a demandé un agent.', en: 'The person asked for an officer.' },
  camera: { fr: 'La caméra de la porte ne répond plus.', en: 'The gate’s camera no longer answers.' },
  refused: { fr: 'La porte n’a pas pu finir le contrôle.', en: 'The gate could not finish the control.' },
  unsure: { fr: 'Deux essais : la ressemblance n’est pas assez nette.', en: 'Two tries: the likeness is not clear enough.' },
  'no-match': { fr: 'Deux essais : le visage ne ressemble pas à la référence.', en: 'Two tries: the face is not like the reference.' },
  'no-face': { fr: 'Aucun visage devant la caméra.', en: 'No face before the camera.' },
  'two-faces': { fr: 'Deux visages devant la caméra.', en: 'Two faces before the camera.' },
  changed: { fr: 'Le visage a changé pendant le contrôle.', en: 'The face changed during the control.' },
  still: { fr: 'Les mouvements demandés n’ont pas été vus : photo, écran, ou geste trop petit.', en: 'The movements asked for were not seen: a photo, a screen, or too small a gesture.' },
  early: { fr: 'Un mouvement avant la demande : un enregistrement, peut-être.', en: 'A movement before it was asked for: perhaps a recording.' },
  other: { fr: 'Un autre mouvement que celui demandé.', en: 'Another movement than the one asked for.' },
  few: { fr: 'Trop peu d’images lisibles.', en: 'Too few readable frames.' },
  aside: { fr: 'La personne ne regardait pas la caméra.', en: 'The person did not look at the camera.' },
  time: { fr: 'Les images ne tiennent pas dans le temps du contrôle.', en: 'The frames do not fit the time of the control.' },
  device: { fr: 'Le capteur de la porte ne voit personne de vivant : photo, écran ou masque, peut-être.', en: 'The gate’s sensor sees nobody alive: perhaps a photo, a screen or a mask.' },
  'no-device': { fr: 'Le capteur de la porte n’a pas répondu : rien contre la personne.', en: 'The gate’s sensor did not answer: nothing against the person.' },
  poor: { fr: 'Images trop sombres, floues ou lointaines.', en: 'Pictures too dark, blurred or far.' },
  unreadable: { fr: 'Images ou réponse illisibles.', en: 'Unreadable pictures or answer.' },
  expired: { fr: 'Le jeton a expiré.', en: 'The token has expired.' },
  revoked: { fr: 'Le jeton est révoqué.', en: 'The token is revoked.' },
  replayed: { fr: 'Ce jeton a déjà servi.', en: 'This token was already used.' },
  nonce: { fr: 'La réponse est celle d’un autre contrôle.', en: 'The answer is of another control.' },
  audience: { fr: 'La réponse est pour une autre porte.', en: 'The answer is for another gate.' },
  control: { fr: 'Le jeton est pour un autre contrôle.', en: 'The token is for another control.' },
  holder: { fr: 'Le téléphone ne prouve pas qu’il tient ce jeton.', en: 'The phone does not prove that it holds this token.' },
  issuer: { fr: 'L’émetteur n’est pas sur la liste de confiance.', en: 'The issuer is not on the trust list.' },
  signature: { fr: 'La signature du jeton ne tient pas.', en: 'The token’s signature does not hold.' },
  encryption: { fr: 'La réponse n’a pas pu être ouverte.', en: 'The answer could not be opened.' },
  malformed: { fr: 'La réponse du téléphone n’a pas la forme attendue.', en: 'The phone’s answer does not have the expected form.' },
  'too-large': { fr: 'La réponse du téléphone est trop volumineuse.', en: 'The phone’s answer is too large.' },
  type: { fr: 'Ce n’est pas un jeton de passage.', en: 'This is not a passage token.' },
  vct: { fr: 'Ce jeton est d’une autre sorte.', en: 'This token is of another kind.' },
  algorithm: { fr: 'La signature est d’une sorte qui n’est pas acceptée.', en: 'The signature is of a kind that is not accepted.' },
  certificate: { fr: 'Le certificat de l’émetteur ne mène pas à une autorité de confiance.', en: 'The issuer’s certificate leads to no trusted authority.' },
  disclosure: { fr: 'Une donnée du jeton n’est pas signée par l’émetteur.', en: 'A value of the token is not signed by the issuer.' },
  'too-early': { fr: 'Le jeton n’est pas encore valable.', en: 'The token is not valid yet.' },
  hash: { fr: 'La preuve du téléphone porte sur un autre jeton.', en: 'The phone’s proof is about another token.' },
  level: { fr: 'Le jeton vaut moins que ce qui est demandé ici.', en: 'The token is worth less than is asked for here.' },
  claim: { fr: 'Une donnée demandée manque dans le jeton.', en: 'A value that is asked for is not in the token.' },
  state: { fr: 'La réponse est celle d’un autre contrôle.', en: 'The answer is of another control.' },
  verifier: { fr: 'Le téléphone n’a pas reconnu cette porte.', en: 'The phone did not recognise this gate.' },
  denied: { fr: 'La personne a refusé de montrer le jeton.', en: 'The person declined to show the token.' },
  unavailable: { fr: 'Un service nécessaire n’a pas répondu : rien contre la personne.', en: 'A service that is needed did not answer: nothing against the person.' },
  stale: { fr: 'La liste des statuts est trop ancienne : rien contre la personne.', en: 'The status list is too old: nothing against the person.' },
  status: { fr: 'Le statut du jeton n’a pas pu être lu : rien contre la personne.', en: 'The token’s status could not be read: nothing against the person.' },
  document: { fr: 'Le jeton est d’un autre document.', en: 'The token is of another document.' },
  chip: { fr: 'La puce du document n’est pas prouvée.', en: 'The document’s chip is not proved.' },
};

const CLAIMS: Record<string, Text> = {
  name: { fr: 'Nom', en: 'Name' },
  nationality: { fr: 'Nationalité', en: 'Nationality' },
  flight: { fr: 'Vol', en: 'Flight' },
  doc_ok: { fr: 'Document vérifié', en: 'Document checked' },
};

export const wordName = (word: Word): string => say(WORDS[word]);
export const reasonName = (reason: Reason): string => say(REASONS[reason]);
export const REASON_LIST = Object.keys(REASONS) as Reason[];
export const whyName = (why: string): string => say(WHYS[why]) || why;
export const claimName = (claim: string): string => say(CLAIMS[claim]) || claim;
/** What a token says, for people: it says yes and no as a program does. */
export const claimValue = (value: string): string => say({ True: { fr: 'oui', en: 'yes' }, False: { fr: 'non', en: 'no' } }[value]) || value;
