/**
 * The page's `default` Trusted Types policy. Import this file first, before anything that could touch the document.
 *
 * Why: the pages are served with `require-trusted-types-for 'script'`. A library that still hands plain strings to the
 * document (the map's attribution, a worker's address) passes here: markup is cleaned, a script may only be one of
 * this site's own files, and text is never run as code.
 * Source: W3C Trusted Types; https://w3c.github.io/trusted-types/dist/spec/
 */
import DOMPurify from 'dompurify';

interface PolicyRules {
  createHTML: (text: string) => string;
  createScriptURL: (address: string) => string;
}

interface PolicyFactory {
  createPolicy: (name: string, rules: PolicyRules) => unknown;
}

/** The address, if it is a file of this site; throws otherwise. */
export function ownScript(address: string): string {
  const wanted = new URL(address, location.href);
  if (wanted.origin !== location.origin) throw new TypeError(`not a script of this site: ${wanted.origin}`);
  return wanted.href;
}

const factory = (globalThis as { trustedTypes?: PolicyFactory }).trustedTypes;
factory?.createPolicy('default', {
  createHTML: (text) => DOMPurify.sanitize(text),
  createScriptURL: ownScript,
});
