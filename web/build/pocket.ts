/**
 * Makes `/terminal` and `/pass` installable: their manifests and icons, and service workers that know by name and SHA-256 every
 * file the page is made of.
 *
 * Why our own: the worker is a hundred lines (kit/worker.ts), and the list of files is this build's own knowledge.
 * Source: W3C Service Workers; W3C Web Application Manifest.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { build, type Plugin, type Rollup } from 'vite';
import { icon } from './icon.ts';

/** A page that is installed: its HTML, its address (asked for beside what the bundle says), its worker's source and name. */
interface Installed {
  page: string;
  address: string;
  source: string;
  worker: string;
  manifest: { name: string; short_name: string; description: string };
}

const TERMINAL: Installed = {
  page: 'terminal.html',
  address: '/terminal',
  source: 'terminal/worker.ts',
  worker: 'terminal-worker.js',
  manifest: {
    name: 'Égide — terminal',
    short_name: 'Égide',
    description: 'La carte, la mission et les notes, aussi sans réseau. / Map, mission and notes, also without network.',
  },
};

const PASS: Installed = {
  page: 'pass.html',
  address: '/pass',
  source: 'border/wallet/worker.ts',
  worker: 'pass-worker.js',
  manifest: {
    name: 'Égide — mon passage',
    short_name: 'Mon passage',
    description: 'Mes jetons de passage, aussi sans réseau. / My passage tokens, also without network.',
  },
};

type Bundle = Rollup.OutputBundle;
type Metadata = { importedCss?: Set<string>; importedAssets?: Set<string> };

function digest(content: string | Uint8Array, form: 'hex' | 'base64'): string {
  return createHash('sha256').update(content).digest(form);
}

function named(name: string, type: string, source: Buffer | string): { fileName: string; source: Buffer | string } {
  return { fileName: `assets/${name}-${digest(source, 'hex').slice(0, 8)}.${type}`, source };
}

function dressing({ page, address, manifest: words }: Installed) {
  const icons = [192, 512].map((size) => ({ size, purpose: 'any', file: named(`icon-${size}`, 'png', icon(size, false)) }));
  icons.push({ size: 512, purpose: 'maskable', file: named('icon-maskable', 'png', icon(512, true)) });
  const manifest = {
    id: address,
    ...words,
    lang: 'fr',
    start_url: address,
    scope: address,
    display: 'standalone',
    background_color: '#0d1215',
    theme_color: '#0b4f58',
    icons: icons.map(({ size, purpose, file }) => ({ src: `/${file.fileName}`, sizes: `${size}x${size}`, type: 'image/png', purpose })),
  };
  return { manifest: named(page.replace('.html', ''), 'webmanifest', JSON.stringify(manifest)), icons: icons.map((one) => one.file) };
}

/** Every built file that the page may ask for, whatever it is used for. `entry`: its HTML, or the script of a page that the server writes. */
function reachable(bundle: Bundle, entry: string): Set<string> {
  const found = new Set<string>();
  const look = (name: string): void => {
    const item = bundle[name];
    if (!item || found.has(name)) return;
    found.add(name);
    if (item.type === 'chunk') {
      const { importedCss, importedAssets } = (item as unknown as { viteMetadata?: Metadata }).viteMetadata ?? {};
      for (const next of [...item.imports, ...item.dynamicImports, ...(importedCss ?? []), ...(importedAssets ?? [])]) look(next);
    } else if (/\.(css|html)$/.test(name)) {
      for (const [, next] of String(item.source).matchAll(/["'(]\/(assets\/[^"')?#]+)/g)) if (next) look(next);
    }
  };
  look(entry);
  for (const [name, item] of Object.entries(bundle)) {
    if (item.type === 'chunk' && item.facadeModuleId?.endsWith(entry)) look(name);
  }
  return found;
}

/** The built file's address and SHA-256; the page's own by the address under which it is asked for. */
function listed(bundle: Bundle, entry: string, address = ''): [string, string][] {
  return [...reachable(bundle, entry)].sort().map((name): [string, string] => {
    const item = bundle[name];
    const content = item?.type === 'chunk' ? item.code : (item?.source ?? '');
    return [name === entry ? address : `/${name}`, digest(content, 'base64')];
  });
}

function favicon(root: string): [string, string] {
  return ['/favicon.svg', digest(readFileSync(resolve(root, 'public/favicon.svg')), 'base64')];
}

async function worker(root: string, source: string, fileName: string, shell: [string, string][]): Promise<string> {
  const made = await build({
    configFile: false,
    root,
    logLevel: 'error',
    publicDir: false,
    define: { SHELL: JSON.stringify(shell), VERSION: JSON.stringify(digest(JSON.stringify(shell), 'hex').slice(0, 16)) },
    build: {
      write: false,
      target: 'es2022',
      rolldownOptions: { input: resolve(root, source), output: { format: 'iife', entryFileNames: fileName } },
    },
  });
  const { output } = (Array.isArray(made) ? made[0] : made) as Rollup.RollupOutput;
  return output[0].code;
}

export function pocket(root: string): Plugin {
  return installable(root, TERMINAL);
}

export function pass(root: string): Plugin {
  return installable(root, PASS);
}

function installable(root: string, one: Installed): Plugin {
  const { page: html, source, worker: fileName } = one;
  const { manifest, icons } = dressing(one);
  return {
    name: `egide-installable-${html}`,
    apply: 'build',
    enforce: 'post',
    transformIndexHtml: {
      order: 'post',
      handler: (_html, { path }) =>
        path !== `/${html}`
          ? []
          : [
              { tag: 'link', attrs: { rel: 'manifest', href: `/${manifest.fileName}` }, injectTo: 'head' },
              { tag: 'link', attrs: { rel: 'apple-touch-icon', href: `/${icons[0]?.fileName}` }, injectTo: 'head' },
              { tag: 'meta', attrs: { name: 'theme-color', content: '#0b4f58' }, injectTo: 'head' },
            ],
    },
    generateBundle: {
      order: 'post',
      async handler(_options, bundle) {
        if (!bundle[html]) return;
        for (const file of [manifest, ...icons]) this.emitFile({ type: 'asset', ...file });
        const shell = [...listed(bundle, html, one.address), favicon(root)];
        this.emitFile({ type: 'asset', fileName, source: await worker(root, source, fileName, shell) });
      },
    },
  };
}

const FIELD = 'services/field-page.ts';
const FIELD_WORKER = 'field-worker.js';

/** The service worker of `/field`, whose pages the server writes: it knows their script's files by name and SHA-256. */
export function field(root: string): Plugin {
  return {
    name: 'egide-field',
    apply: 'build',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      async handler(_options, bundle) {
        if (!Object.values(bundle).some((item) => item.type === 'chunk' && item.facadeModuleId?.endsWith(FIELD))) return;
        const shell = [...listed(bundle, FIELD), favicon(root)];
        this.emitFile({ type: 'asset', fileName: FIELD_WORKER, source: await worker(root, 'services/field-worker.ts', FIELD_WORKER, shell) });
      },
    },
  };
}
