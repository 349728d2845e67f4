/** What the devices' page says. */
import { dictionary } from '../kit';

export const t = dictionary({
  title: { fr: 'Appareils TAK', en: 'TAK devices' },
  intro: {
    fr: 'Vos téléphones et tablettes avec ATAK, WinTAK ou iTAK : les enrôler, les révoquer.',
    en: 'Your phones and tablets with ATAK, WinTAK or iTAK: enrol them, revoke them.',
  },
  enrol: { fr: 'Enrôler un appareil', en: 'Enrol a device' },
  off: { fr: 'L’enrôlement est éteint sur cette plateforme.', en: 'Enrolment is switched off on this platform.' },
  offDo: { fr: 'L’administrateur l’allume par le réglage tak_enrol_port.', en: 'The administrator switches it on with the setting tak_enrol_port.' },
  mine: { fr: 'Mes appareils', en: 'My devices' },
  others: { fr: 'Appareils des autres', en: 'Other people’s devices' },
  none: { fr: 'Aucun appareil', en: 'No device' },
  noneDo: { fr: 'Enrôlez-en un : il suffit de photographier un code.', en: 'Enrol one: photographing a code is all it takes.' },
  signed: { fr: 'enrôlé', en: 'enrolled' },
  ends: { fr: 'certificat jusqu’au', en: 'certificate until' },
  revoked: { fr: 'révoqué', en: 'revoked' },
  over: { fr: 'certificat terminé', en: 'certificate over' },
  revoke: { fr: 'Révoquer', en: 'Revoke' },
  revokeTitle: { fr: 'Révoquer l’appareil', en: 'Revoke the device' },
  revokeLine: {
    fr: 'L’appareil perd aussitôt tout accès. Pour revenir, il devra être enrôlé de nouveau.',
    en: 'The device loses all access at once. To come back it must be enrolled again.',
  },
  callsign: { fr: 'Indicatif', en: 'Callsign' },
  callsignHint: { fr: 'Le nom que vos équipiers verront sur la carte.', en: 'The name your team will see on the map.' },
  callsignMissing: { fr: 'Écrivez un indicatif, de 1 à 40 caractères.', en: 'Write a callsign of 1 to 40 characters.' },
  show: { fr: 'Montrer le code', en: 'Show the code' },
  cancel: { fr: 'Abandonner', en: 'Give up' },
  scan: { fr: 'Photographiez ce code avec l’appareil à enrôler', en: 'Photograph this code with the device to enrol' },
  scanHow: {
    fr: 'Visez-le avec son appareil photo, puis ouvrez le lien dans ATAK. Le code sert une fois, et ne contient rien sur vous.',
    en: 'Aim its camera at it, then open the link in ATAK. The code works once, and holds nothing about you.',
  },
  codeAlt: { fr: 'Code à photographier', en: 'Code to photograph' },
  left: { fr: 'Il expire', en: 'It expires' },
  expired: { fr: 'Ce code a expiré : demandez-en un autre.', en: 'This code has expired: ask for another.' },
  here: { fr: 'Ouvrir sur cet appareil', en: 'Open on this device' },
  package: { fr: 'Prendre le paquet (ZIP)', en: 'Take the package (ZIP)' },
  packageHow: {
    fr: 'Pas d’appareil photo ? Prenez le paquet (une seule fois, dans la minute), copiez-le sur l’appareil et importez-le. Il contient le code : effacez-le ensuite.',
    en: 'No camera? Take the package (once, within a minute), copy it to the device and import it there. It holds the code: delete it afterwards.',
  },
  finished: { fr: 'J’ai terminé', en: 'I have finished' },
  done: { fr: 'C’est fait.', en: 'Done.' },
});
