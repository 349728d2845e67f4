/**
 * Puts `first.js` in every page as a small blocking script of our own, under a hashed name.
 *
 * Why: it sets theme and language before the first paint; the page policy admits no inline script, and a module would run
 * too late.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Plugin } from 'vite';

export function firstScript(root: string): Plugin {
  const source = readFileSync(resolve(root, 'build/first.js'), 'utf8');
  const name = `assets/first-${createHash('sha256').update(source).digest('hex').slice(0, 8)}.js`;
  return {
    name: 'egide-first-script',
    apply: 'build',
    transformIndexHtml: () => [{ tag: 'script', attrs: { src: `/${name}` }, injectTo: 'head-prepend' }],
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: name, source });
    },
  };
}
