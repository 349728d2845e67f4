/**
 * Runs the wallet's own modules in Node.js, for what Python wrote or must be able to read: `node wallet_job.mjs OUT`, from web/.
 * The job comes as JSON on the standard input, the answer goes out as JSON. rolldown, which Vite brings, bundles them.
 */
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const MODULES = ['answer', 'base45', 'bytes', 'cbor', 'enrol', 'erasure', 'presentation', 'qr', 'question', 'request', 'template'];
const [out] = process.argv.slice(2);
const job = JSON.parse(readFileSync(0, 'utf8'));

const { rolldown } = await import(pathToFileURL(createRequire(resolve('package.json')).resolve('rolldown')));
const source = [...MODULES.map((name) => `crypto/${name}`), 'face/sface', 'face/yunet', '../kiosk/zone']
  .map((name) => `export * from ${JSON.stringify(resolve('border/wallet', `${name}.ts`))};`)
  .join('\n');
const entry = { name: 'entry', resolveId: (id) => (id === 'entry' ? id : null), load: (id) => (id === 'entry' ? source : null) };
const bundle = await rolldown({ input: 'entry', cwd: process.cwd(), plugins: [entry], logLevel: 'silent' });
await bundle.write({ file: out, format: 'esm' });
globalThis.document = { documentElement: { lang: 'fr', dataset: {} } }; // what the kit looks at when it is loaded
const wallet = await import(pathToFileURL(out));

const keyOf = (keys, role) => (kid) => keys.find((key) => key.kid === kid && (!role || key.role === role)) ?? null;

const JOBS = {
  async templates({ embeddings, secrets }) {
    const made = embeddings.map(async (values, n) => wallet.protect(Float32Array.from(values), wallet.fromHex(secrets[n])));
    return (await Promise.all(made)).map((one) => wallet.hex(new Uint8Array(one.buffer)));
  },
  async question({ texts, keys, now }) {
    const read = async (text) => {
      try {
        const { kid, control, claims, until, nonce } = await wallet.readQuestion(text, keyOf(keys), now);
        return { kid, control, claims, until, nonce: wallet.hex(nonce) };
      } catch (error) {
        return { why: error.why ?? `fault: ${error}` };
      }
    };
    return Promise.all(texts.map(read));
  },
  async answer({ text, keys, now, token, secret, holder }) {
    const question = await wallet.readQuestion(text, keyOf(keys), now);
    const key = await crypto.subtle.importKey('jwk', holder, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
    return wallet.answerText(question, wallet.fromHex(token), wallet.fromHex(secret), key);
  },
  /** The request behind a picture, read; where it holds and a token is given, the body that is posted too. */
  async network({ text, requests, keys, allowed, origin, now, credential, secret, holder }) {
    const question = await wallet.readQuestion(text, keyOf(keys), now);
    const key = await crypto.subtle.importKey('jwk', holder, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
    const read = async (token) => {
      try {
        const request = await wallet.readRequest(token, question, allowed, keyOf(keys), { origin, now });
        return { request, body: await wallet.respond(request, credential, wallet.fromHex(secret), key, now) };
      } catch (error) {
        return { why: String(error.message) };
      }
    };
    return { path: wallet.pathOf(question), read: await Promise.all(requests.map(read)) };
  },
  async cbor({ texts }) {
    return texts.map((text) => {
      try {
        return wallet.hex(wallet.encode(wallet.decode(wallet.fromHex(text))));
      } catch (error) {
        return error instanceof wallet.CborError ? 'refused' : `fault: ${error}`;
      }
    });
  },
  async base45({ texts }) {
    return texts.map((text) => wallet.hex(wallet.fromBase45(wallet.toBase45(wallet.fromHex(text)))));
  },
  async ask({ room, embedding, flight, now }) {
    const asking = await wallet.ask(room, Float32Array.from(embedding), flight, now);
    return { sealed: asking.sealed, frame: await wallet.sealFrame(1234.6, wallet.fromHex('cafe'), room.key) };
  },
  async erasure({ cases, keys }) {
    const check = async ({ receipt, proof, list }) => {
      try {
        return (await wallet.verifyErasure(receipt, proof, list, keyOf(keys, 'issuer'))).statuses;
      } catch (error) {
        return String(error.message);
      }
    };
    return Promise.all(cases.map(check));
  },
  async offers({ texts }) {
    return texts.map(wallet.enrolmentOf);
  },
  async consent({ consent, secret }) {
    return wallet.consentOf(wallet.consentText(consent, secret));
  },
  async zones({ seen }) {
    return seen.map((one) => ({ settled: wallet.settled(one), choices: wallet.choices(one) }));
  },
  async spelt({ line, among }) {
    return wallet.spelt(line, among).map(({ letter, apart }) => [letter, apart, wallet.isDigit(letter)]);
  },
  async pictures({ texts }) {
    return texts.map((text) => wallet.drawn(text));
  },
  async faces({ outputs }) {
    const floats = (text) => new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);
    return wallet.faces((name) => floats(outputs[name])).map(({ box, points, score }) => [...box, ...points.flat(), score]);
  },
  async aligned({ width, height, rgba, points }) {
    const pixels = { width, height, data: Uint8ClampedArray.from(Buffer.from(rgba, 'base64')) };
    return Buffer.from(Uint8Array.from(wallet.aligned(pixels, { points }))).toString('base64');
  },
};

process.stdout.write(JSON.stringify(await JOBS[job.job](job)));
