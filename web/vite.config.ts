/**
 * One HTML entry per page, built into the Python package's static folder.
 *
 * The pages are served under a policy that admits no inline script or style and no outside host, so nothing is inlined
 * and every font, worker and picture is a file of our own.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { firstScript } from './build/first.ts';
import { builtManifest } from './build/manifest.ts';
import { field, pass, pocket } from './build/pocket.ts';

const root = import.meta.dirname;

/** Pages whose folder holds a `main.ts`: a page that is not there is left out, not broken. */
const pages = ['portal', 'sign-in', 'operations', 'terminal', 'files', 'desk', 'oversight', 'devices', 'administration']
  .filter((page) => existsSync(resolve(root, page, 'main.ts')))
  .map((page) => resolve(root, page === 'portal' ? 'index.html' : `${page}.html`));

/** Pages of the border: their sources lie together in border/. */
pages.push(
  ...['pass', 'pass-enrol', 'kiosk', 'border', 'gate', 'tablet'].map((page) => resolve(root, `${page}.html`)).filter((page) => existsSync(page)),
);

/** `EGIDE_GALLERY=1 npm run build -- --outDir …` adds a page that shows every part of the kit; it is never shipped. */
if (process.env['EGIDE_GALLERY']) pages.push(resolve(root, 'dev/gallery.html'));

/** Scripts of residents' pages, whose HTML the server writes: it finds each by its name in assets/. */
pages.push(...['upload', 'hearing', 'field'].map((name) => resolve(root, `services/${name}-page.ts`)));

export default defineConfig({
  root,
  base: '/',
  publicDir: resolve(root, 'public'),
  plugins: [svelte(), firstScript(root), pocket(root), pass(root), field(root), builtManifest(root)],
  build: {
    outDir: resolve(root, '../src/egide/static'),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    sourcemap: false,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1300,
    rolldownOptions: { input: pages },
  },
});
