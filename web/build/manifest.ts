/**
 * Writes `built.json` beside the built files: for each one its SHA-256, its size and the licences of what is inside.
 *
 * Why: built files are never committed, so the wheel carries this list and the platform can check, when it starts, that
 * what it serves is what was built.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import type { Plugin } from 'vite';

const OWN = 'EUPL-1.2';

interface Built {
  sha256: string;
  bytes: number;
  /** `SPDX` for our own code, `SPDX name@version` for a package that the file contains. */
  licences: string[];
}

/** "MIT svelte@5.57.3" for a file inside node_modules, our own licence otherwise. */
function licenceOf(file: string): string {
  const marker = `${sep}node_modules${sep}`;
  const at = file.lastIndexOf(marker);
  if (at < 0) return OWN;
  const rest = file.slice(at + marker.length).split(sep);
  const name = rest[0]?.startsWith('@') ? `${rest[0]}/${rest[1]}` : (rest[0] ?? '');
  const manifest = join(file.slice(0, at + marker.length), name, 'package.json');
  if (!existsSync(manifest)) return `unknown ${name}`;
  const read = JSON.parse(readFileSync(manifest, 'utf8')) as { license?: string; version?: string };
  return `${read.license ?? 'unknown'} ${name}@${read.version ?? '?'}`;
}

function clean(id: string): string {
  return id.replace(/^\0/, '').replace(/[?#].*$/, '').split('/').join(sep);
}

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}

export function builtManifest(root: string): Plugin {
  const inside = new Map<string, Set<string>>();
  let out = '';
  return {
    name: 'egide-built-manifest',
    apply: 'build',
    configResolved(config) {
      out = resolve(root, config.build.outDir);
    },
    writeBundle(_options, bundle) {
      for (const [name, item] of Object.entries(bundle)) {
        const sources = item.type === 'chunk' ? item.moduleIds.map(clean) : item.originalFileNames.map((f) => resolve(root, f));
        const found = sources.filter((file) => file.includes(sep)).map(licenceOf);
        inside.set(name, new Set(found.length > 0 ? found : [OWN]));
      }
      const files: Record<string, Built> = {};
      for (const path of walk(out).sort()) {
        const name = relative(out, path).split(sep).join('/');
        if (name === 'built.json') continue;
        const bytes = readFileSync(path);
        files[name] = {
          sha256: createHash('sha256').update(bytes).digest('hex'),
          bytes: bytes.length,
          licences: [...(inside.get(name) ?? new Set([OWN]))].sort(),
        };
      }
      writeFileSync(join(out, 'built.json'), `${JSON.stringify({ files }, null, 1)}\n`);
    },
  };
}
