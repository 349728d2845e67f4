/**
 * A stand-in for the server while pages are drawn: built files under the real policy, canned acts, a real small ledger.
 *
 * Development only: never built, never shipped. `npm run mock`, then http://localhost:8799. PORT and STATIC change where
 * it listens and what it serves; TICK=1 adds an act every four seconds.
 */
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const PORT = Number(process.env.PORT ?? 8799);
const ROOT = process.env.STATIC ?? join(import.meta.dirname, '../../src/egide/static');
const PAGES = { '/gallery': 'dev/gallery', '/': 'index', '/sign-in': 'sign-in', '/operations': 'operations', '/desk': 'desk', '/oversight': 'oversight', '/administration': 'administration' };
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.json': 'application/json' };
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self'; media-src blob:; connect-src 'self'; img-src 'self' data: blob:; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default svelte-trusted-html dompurify";

// ---- ledger -------------------------------------------------------------------------------------------------------
const sha = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
const leafHash = (leaf) => sha(Buffer.of(0), leaf);
const node = (a, b) => sha(Buffer.of(1), a, b);
const split = (n) => { let k = 1; while (k * 2 < n) k *= 2; return k; };
const rootOf = (h) => (h.length === 1 ? h[0] : node(rootOf(h.slice(0, split(h.length))), rootOf(h.slice(split(h.length)))));
const pathOf = (m, h) => {
  if (h.length === 1) return [];
  const k = split(h.length);
  return m < k ? [...pathOf(m, h.slice(0, k)), rootOf(h.slice(k))] : [...pathOf(m - k, h.slice(k)), rootOf(h.slice(0, k))];
};
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const rawKey = Buffer.concat([Buffer.of(1), publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)]);
const ORIGIN = 'egide.test/police';
const keyId = sha(Buffer.from(`${ORIGIN}\n`), rawKey).subarray(0, 4);
const vkey = `${ORIGIN}+${keyId.toString('hex')}+${rawKey.toString('base64')}`;
const leaves = [];
const entries = [];
function note() {
  const root = rootOf(leaves.map(leafHash));
  const text = `${ORIGIN}\n${leaves.length}\n${root.toString('base64')}\n`;
  const signature = Buffer.concat([keyId, sign(null, Buffer.from(text), privateKey)]).toString('base64');
  return { note: `${text}\n\u2014 ${ORIGIN} ${signature}\n`, root: root.toString('base64'), vkey, size: leaves.length, origin: ORIGIN };
}
function record(entry) {
  const index = entries.length;
  const full = { index, at: new Date().toISOString(), summary: { fr: entry.act, en: entry.act }, order: null, order_title: null, articles: [], reasons: [], actor: null, ...entry };
  entries.push(full);
  leaves.push(Buffer.from(JSON.stringify({ index, at: full.at, act: full.act, outcome: full.outcome, body: sha(Buffer.from(String(index))).toString('hex') })));
  push({ push: 'act', entry: full });
  return { realm: 'police', index };
}

// ---- the story ----------------------------------------------------------------------------------------------------
const at = (minutes) => new Date(Date.now() + minutes * 60000).toISOString();
const csi = (fr, en, article, rule, remedy, ask) => ({
  rule, text: 'fr/csi-l242', text_title: { fr: 'Code de la sécurité intérieure', en: 'Internal Security Code' }, article, fr, en, remedy, ask,
});
const REASONS = [
  csi('Aucun arrêté préfectoral en vigueur ne couvre ce lieu à cette heure.', 'No prefect’s order in force covers this place at this time.', 'L242-5, IV', 'CSI-242-5-IV', { fr: 'Un arrêté signé qui couvre la zone et l’heure.', en: 'A signed order that covers the area and the hour.' }, 'prefect'),
  csi('Le nombre de caméras en service atteint déjà le plafond de l’arrêté.', 'The number of cameras in use already reaches the order’s cap.', 'L242-5, IV, 8°', 'CSI-242-5-cap', { fr: 'Arrêter une caméra, ou faire modifier l’arrêté.', en: 'Stop a camera, or have the order changed.' }, 'prefect'),
];
const PERSONAS = [
  { id: 'p1', name: 'Claire Delmas', roles: ['prefect'], about: { fr: 'Signe et retire les arrêtés de captation.', en: 'Signs and revokes filming orders.' } },
  { id: 'p2', name: 'Samir Haddad', roles: ['command'], about: { fr: 'Suit les images en salle de commandement.', en: 'Follows the pictures in the command room.' } },
  { id: 'p3', name: 'Louise Perrin', roles: ['pilot'], about: { fr: 'Pilote le drone au-dessus de la place.', en: 'Flies the drone above the square.' } },
  { id: 'p4', name: 'Hugo Marchetti', roles: ['dpo'], about: { fr: 'Veille à la protection des données.', en: 'Watches over data protection.' } },
  { id: 'p5', name: 'Inès Caron', roles: ['inspector'], about: { fr: 'Contrôle la plateforme, preuves à l’appui.', en: 'Inspects the platform, with proof.' } },
  { id: 'p6', name: 'Marc Olivier', roles: ['administrator'], about: { fr: 'Tient les comptes et les habilitations.', en: 'Keeps accounts and clearances.' } },
];
const square = (lon, lat, d = 0.004) => ({ type: 'Polygon', coordinates: [[[lon - d, lat - d], [lon + d, lat - d], [lon + d, lat + d], [lon - d, lat + d], [lon - d, lat - d]]] });
const PURPOSES = [
  { code: 'gathering', article: 'L242-5, I, 2°', label: { fr: 'Sécurité des rassemblements sur la voie publique', en: 'Safety of gatherings on the public road' } },
  { code: 'property-persons', article: 'L242-5, I, 1°', label: { fr: 'Prévention des atteintes aux personnes et aux biens', en: 'Prevention of harm to persons and property' } },
  { code: 'rescue', article: 'L242-5, I, 6°', label: { fr: 'Secours aux personnes', en: 'Rescue of persons' } },
];
const order = (o) => ({
  purpose: 'gathering', perimeter: square(24.941, 60.17), cap: 2, issuer: 'p1', issuer_name: 'Claire Delmas', necessity: 'Afflux de 12 000 personnes attendu sur la place, axes de secours étroits.',
  less_intrusive: 'Caméras fixes insuffisantes : deux angles morts au nord de la place.', public_information: 'given', information_exemption: '', service: 'police',
  signed_at: at(-300), revoked_at: null, reason: null, renewal_of: null, paper: null, ...o,
});
const ORDERS = [
  order({ id: 'o1', title: 'Marché de la place centrale', place: 'Place centrale', starts: at(-120), ends: at(95), state: 'in_force' }),
  order({ id: 'o2', title: 'Match au stade du Port', place: 'Stade du Port', starts: at(-170), ends: at(11), state: 'in_force', purpose: 'property-persons' }),
  order({ id: 'o3', title: 'Concert des quais', place: 'Quai nord', starts: at(60 * 26), ends: at(60 * 31), state: 'draft', signed_at: null, issuer: null, issuer_name: null }),
  order({ id: 'o4', title: 'Recherche d’une personne disparue', place: 'Forêt de l’Est', starts: at(-600), ends: at(-240), state: 'revoked', revoked_at: at(-280), reason: 'Personne retrouvée saine et sauve.', purpose: 'rescue' }),
  order({ id: 'o5', title: 'Cortège du 14', place: 'Avenue de la Gare', starts: at(-3000), ends: at(-2700), state: 'ended', paper: { reference: '2026-0117', sha256: sha(Buffer.from('x')).toString('hex'), imported_by: 'p6' } }),
];
let person = null;
const PEOPLE = {
  roles: ['administrator', 'officer', 'pilot', 'command', 'prefect', 'inspector', 'dpo', 'magistrate'],
  scopes: [{ id: '*', fr: 'Tout le service', en: 'The whole service' }, { id: 'drone-images', fr: 'Captation d’images par drone', en: 'Images captured by drone' }, { id: 'recordings', fr: 'Enregistrements', en: 'Recordings' }],
  units: [{ id: 'u1', name: 'Préfecture' }, { id: 'u2', name: 'Commissariat central' }, { id: 'u3', name: 'Contrôle' }],
  people: PERSONAS.map((p, i) => ({
    id: p.id, name: p.name, roles: p.roles, unit: ['Préfecture', 'Commissariat central', 'Commissariat central', 'Contrôle', 'Contrôle', 'Commissariat central'][i], active: i !== 2,
    habilitations: i === 1 ? [{ id: 'h1', scope: 'drone-images', until: at(60 * 24 * 120) }, { id: 'h2', scope: 'recordings', until: at(60 * 24 * 8) }] : [],
    passkeys: i < 2 ? [{ id: `k${i}`, label: 'Clé de poste', added: at(-60 * 24 * 30) }] : [],
  })),
};
const RECORD = {
  activities: [{
    id: 'drone-images', title: { fr: 'Captation d’images par drone', en: 'Images captured by drone' }, regime: 'LED', controller: 'Préfecture — ministère de l’intérieur',
    purposes: [{ fr: 'Sécurité des rassemblements', en: 'Safety of gatherings' }, { fr: 'Secours aux personnes', en: 'Rescue of persons' }],
    bases: [{ text: 'Code de la sécurité intérieure', article: 'L242-5', in_force: true, until: null }], subjects: ['Personnes présentes dans le périmètre'], data: ['Images, sans son', 'Jour, heure, lieu'],
    recipients: ['Agents habilités du service'], retention: [{ category: 'Enregistrement', rule: { fr: 'Effacé 7 jours après la fin de l’arrêté, sauf procédure.', en: 'Erased 7 days after the order ends, except for a procedure.' } }],
    security: ['Scellement AES-256', 'Registre de Merkle signé'], acts: [{ name: 'operations.watch.open', verb: 'view', allowed: 42, refused: 3 }, { name: 'operations.recording.open', verb: 'consult', allowed: 2, refused: 1 }],
  }, {
    id: 'accounts', title: { fr: 'Comptes et habilitations', en: 'Accounts and clearances' }, regime: 'GDPR', controller: 'Direction départementale',
    purposes: [{ fr: 'Savoir qui a le droit de quoi', en: 'Know who may do what' }], bases: [{ text: 'RGPD', article: 'art. 6, 1, e', in_force: false, until: null }], subjects: ['Agents'], data: ['Nom, unité, rôles', 'Clés d’accès publiques'],
    recipients: ['Administrateur'], retention: [{ category: 'Compte', rule: { fr: 'Un an après le départ.', en: 'One year after departure.' } }], security: ['Clés d’accès sans mot de passe'], acts: [{ name: 'administration.person.add', verb: 'administer', allowed: 6, refused: 0 }],
  }],
};
const refuse = (act, title, reasons) => ({ refusal: true, act, title, reasons });
const id = () => Math.random().toString(36).slice(2, 10);
const find = (o) => ORDERS.find((x) => x.id === o);
const ACTS = {
  'administration.session.show': () => ({ signed_in: !!person, person: person && { ...person, unit: 'u1' }, demo: true, personas: PERSONAS, realm: 'police', jurisdiction: 'fr', capabilities: ['operations', 'services', 'border'], time_zone: 'Europe/Paris' }),
  'administration.demo.enter': ({ persona }) => { person = PERSONAS.find((p) => p.id === persona); return { person }; },
  'administration.sign_out': () => { person = null; return {}; },
  'administration.people.list': () => PEOPLE,
  'administration.person.add': ({ name, unit, roles }) => { PEOPLE.people.push({ id: id(), name, unit, roles, habilitations: [], passkeys: [], active: true }); return { id: id(), invitation: 'K7QF-29MX-PA4T' }; },
  'administration.person.invite': () => ({ invitation: 'K7QF-29MX-PA4T' }),
  'administration.unit.add': ({ name }) => { PEOPLE.units.push({ id: id(), name }); return {}; },
  'administration.habilitation.grant': ({ person: p, scope, until }) => { PEOPLE.people.find((x) => x.id === p).habilitations.push({ id: id(), scope, until }); return {}; },
  'administration.habilitation.withdraw': ({ habilitation }) => { for (const p of PEOPLE.people) p.habilitations = p.habilitations.filter((h) => h.id !== habilitation); return {}; },
  'administration.passkey.revoke': ({ passkey }) => { for (const p of PEOPLE.people) p.passkeys = p.passkeys.filter((k) => k.id !== passkey); return {}; },
  'administration.sign_in.begin': () => ({ ceremony: 'c', options: { challenge: 'AAAA', rpId: 'localhost', timeout: 60000, userVerification: 'required', allowCredentials: [] } }),
  'administration.sign_in.finish': () => { person = PERSONAS[0]; return { person }; },
  'administration.passkey.begin': () => ({ ceremony: 'c', options: { rp: { id: 'localhost', name: 'Égide' }, user: { id: 'cDE', name: 'Claire', displayName: 'Claire' }, challenge: 'AAAA', pubKeyCredParams: [{ type: 'public-key', alg: -7 }], timeout: 60000, authenticatorSelection: { residentKey: 'required', userVerification: 'required' } } }),
  'administration.passkey.finish': ({ credential }) => { if (!credential.response.attestationObject) throw new Error('no attestation'); person = PERSONAS[0]; return { person }; },
  'orders.list': () => ({ orders: ORDERS, purposes: PURPOSES, department_cap: 8 }),
  'orders.draft': (d) => { const o = order({ ...d, id: id(), state: 'draft', signed_at: null, issuer: null, issuer_name: null }); ORDERS.unshift(o); return { id: o.id }; },
  'orders.import_paper': (d) => { const o = order({ ...d, id: id(), state: 'signed', paper: { reference: d.reference, sha256: sha(Buffer.from(d.document, 'base64')).toString('hex'), imported_by: 'p6' } }); delete o.document; ORDERS.unshift(o); return { id: o.id }; },
  'orders.sign': ({ order: o }) => (person?.roles.includes('prefect') ? (Object.assign(find(o), { state: 'signed', signed_at: at(0), issuer_name: person.name }), {}) : refuse('orders.sign', { fr: 'L’arrêté n’a pas été signé.', en: 'The order was not signed.' }, [csi('Seul le représentant de l’État dans le département peut autoriser.', 'Only the State’s representative in the department may authorise.', 'L242-5, IV', 'CSI-242-5-IV-auth', { fr: 'Le préfet signe lui-même.', en: 'The prefect signs in person.' }, 'prefect')])),
  'orders.extend': ({ order: o, ends }) => { const n = order({ ...find(o), id: id(), ends, state: 'signed', renewal_of: o }); ORDERS.unshift(n); return { order: n.id }; },
  'orders.revoke': ({ order: o, reason }) => { Object.assign(find(o), { state: 'revoked', revoked_at: at(0), reason }); return {}; },
  'oversight.river': ({ before, limit, act, outcome, order: o }) => ({ entries: entries.filter((e) => (before == null || e.index < before) && (!act || e.act.includes(act)) && (!outcome || e.outcome === outcome) && (!o || e.order === o)).slice(-limit).reverse() }),
  'oversight.watches': () => ({ watches: [{ id: 'w1', actor: { id: 'p2', name: 'Samir Haddad' }, source: 's1', source_name: 'Drone 1', order: 'o1', order_title: 'Marché de la place centrale', articles: ['L242-5, I, 2°', 'L242-4, al. 2'], since: at(-14) }, { id: 'w2', actor: { id: 'p3', name: 'Louise Perrin' }, source: 's2', source_name: 'Mât nord', order: 'o1', order_title: 'Marché de la place centrale', articles: ['L242-5, I, 2°'], since: at(-3) }] }),
  'oversight.record': () => RECORD,
  'oversight.ledger.head': () => note(),
  'oversight.ledger.proof': ({ index }) => ({ index, leaf: leaves[index].toString('base64'), hashes: pathOf(index, leaves.map(leafHash)).map((h) => h.toString('base64')), ...note() }),
  'oversight.ledger.export': () => ({ url: '/favicon.svg' }),
  'oversight.follow': () => ({}),
  'operations.picture': () => ({ missions: [], sources: [], map: { pmtiles: null, center: [24.941, 60.17], zoom: 14, attribution: '' } }),
};
const READS = /show|list|head|proof|river|watches|record$|follow|picture|begin/;
const VERBS = { watch: 'view', camera: 'collect', orders: 'decide', recording: 'consult', administration: 'administer' };
const verb = (act) => Object.entries(VERBS).find(([k]) => act.includes(k))?.[1] ?? 'consult';

function perform(act, input) {
  const handler = ACTS[act];
  if (!handler) return [404, { code: 'not_found', title: { fr: `Cet acte n’existe pas : ${act}.`, en: `There is no such act: ${act}.` }, do: null }];
  const result = handler(input);
  const base = { act, verb: verb(act), activity: 'drone-images', actor: person && { id: person.id, name: person.name }, order: input.order ?? null, order_title: find(input.order)?.title ?? null };
  if (result.refusal) {
    const receipt = record({ ...base, outcome: 'refused', reasons: result.reasons, articles: result.reasons.map((r) => r.article) });
    return [403, { code: 'refused', title: result.title, act, receipt, reasons: result.reasons }];
  }
  return [200, { result, receipt: READS.test(act) ? null : record({ ...base, outcome: 'allowed' }) }];
}

// ---- doors --------------------------------------------------------------------------------------------------------
const sockets = new Set();
function frame(text) {
  const body = Buffer.from(text);
  const head = body.length < 126 ? Buffer.of(0x81, body.length) : Buffer.of(0x81, 126, body.length >> 8, body.length & 255);
  return Buffer.concat([head, body]);
}
function push(message) {
  for (const socket of sockets) socket.write(frame(JSON.stringify(message)));
}
const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://x');
  const send = (status, type, body) => response.writeHead(status, { 'content-type': type, 'content-security-policy': CSP, 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp', 'cache-control': 'no-store' }).end(body);
  if (url.pathname.startsWith('/api/acts/')) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const [status, body] = perform(decodeURIComponent(url.pathname.slice(10)), JSON.parse(Buffer.concat(chunks).toString() || '{}'));
    return send(status, 'application/json', JSON.stringify(body));
  }
  if (url.pathname === '/healthz') return send(200, 'application/json', JSON.stringify({ ok: true }));
  const page = PAGES[url.pathname];
  const file = normalize(join(ROOT, page ? `${page}.html` : url.pathname));
  try {
    if (!file.startsWith(ROOT)) throw new Error('outside');
    send(200, TYPES[extname(file)] ?? 'application/octet-stream', await readFile(file));
  } catch {
    send(404, 'text/plain', 'not found');
  }
});
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  sockets.add(socket);
  const end = () => sockets.delete(socket);
  socket.on('close', end).on('error', end).on('data', (data) => {
    // Small masked text frames only, one per packet: enough for the pages' requests.
    if ((data[0] & 15) !== 1) return socket.end();
    let length = data[1] & 127;
    let offset = 2;
    if (length === 126) { length = data.readUInt16BE(2); offset = 4; }
    const mask = data.subarray(offset, offset + 4);
    const body = Buffer.from(data.subarray(offset + 4, offset + 4 + length)).map((b, i) => b ^ mask[i % 4]);
    const { id: n, act, input } = JSON.parse(body.toString());
    const [status, answer] = perform(act, input ?? {});
    socket.write(frame(JSON.stringify(status === 200 ? { id: n, ...answer } : { id: n, error: answer })));
  });
});

const S = { id: 'p2', name: 'Samir Haddad' };
const P = { id: 'p1', name: 'Claire Delmas' };
const T = 'Marché de la place centrale';
for (let i = 0; i < 60; i++) record({ act: 'operations.source.list', verb: 'consult', activity: 'drone-images', outcome: 'allowed', actor: S, at: at(-400 + i) });
record({ act: 'orders.sign', verb: 'decide', activity: 'drone-images', outcome: 'allowed', actor: P, order: 'o1', order_title: T, articles: ['L242-5, IV'], at: at(-300) });
record({ act: 'operations.camera.start', verb: 'collect', activity: 'drone-images', outcome: 'allowed', actor: S, order: 'o1', order_title: T, articles: ['L242-5, I, 2°'], at: at(-118) });
record({ act: 'operations.watch.open', verb: 'view', activity: 'drone-images', outcome: 'allowed', actor: S, order: 'o1', order_title: T, articles: ['L242-5, I, 2°', 'L242-4, al. 2'], at: at(-14) });
record({ act: 'operations.camera.start', verb: 'collect', activity: 'drone-images', outcome: 'refused', actor: S, articles: ['L242-5, IV', 'L242-5, IV, 8°'], reasons: REASONS, at: at(-6) });
record({ act: 'operations.watch.open', verb: 'view', activity: 'drone-images', outcome: 'allowed', actor: { id: 'p3', name: 'Louise Perrin' }, order: 'o1', order_title: T, articles: ['L242-5, I, 2°'], at: at(-3) });
if (process.env.TICK) setInterval(() => record({ act: 'operations.note.add', verb: 'alter', activity: 'drone-images', outcome: 'allowed', actor: S, order: 'o1', order_title: T }), 4000).unref();

server.listen(PORT, '127.0.0.1', () => console.log(`http://localhost:${PORT}`));
