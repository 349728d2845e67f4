/**
 * French and English, side by side in one typed dictionary per page; French is the default.
 *
 * A page writes `const t = dictionary({ hello: { fr: 'Bonjour', en: 'Hello' } })` and says `t('hello')`. A text that
 * needs values is a function that returns both languages. Text from the server (`{fr, en}`) is said by `say`.
 */
import type { Text } from './types';

export type Lang = 'fr' | 'en';

type Line = Text | ((...values: never[]) => Text);
type Values<L> = L extends (...values: infer V) => Text ? V : [];

const KEY = 'egide.lang';
const state = $state<{ lang: Lang }>({ lang: document.documentElement.lang === 'en' ? 'en' : 'fr' });

/** The language in use; reading it inside a component or an effect follows its changes. */
export function lang(): Lang {
  return state.lang;
}

/** The locale for dates and numbers: British English, because the day has 24 hours here. */
export function locale(): string {
  return state.lang === 'fr' ? 'fr-FR' : 'en-GB';
}

/** Change the language of this device: the page, `<html lang>` and the next visit. */
export function setLang(next: Lang): void {
  state.lang = next;
  document.documentElement.lang = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Storage may be switched off: the language then holds for this page only.
  }
}

/** The text in the reader's language; the other one if it is missing. */
export function say(text: Text | null | undefined): string {
  if (!text) return '';
  return text[state.lang] || text.fr || text.en;
}

/** The words of a page: `t(key)` in the reader's language, checked by the compiler. */
export function dictionary<D extends Record<string, Line>>(lines: D) {
  return <K extends keyof D>(key: K, ...values: Values<D[K]>): string => {
    const line: Line = lines[key] as Line;
    return say(typeof line === 'function' ? (line as (...v: unknown[]) => Text)(...values) : line);
  };
}

/** What stands between a word and what it announces: French has a space before it. */
export function colon(): string {
  return state.lang === 'fr' ? '\u00a0: ' : ': ';
}

/** A number as people of this language write it. */
export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);
}

/** "1 order", "2 orders": zero counts as singular in French and plural in English. */
export function plural(n: number, one: string, many: string, language: Lang = state.lang): string {
  const alone = language === 'fr' ? Math.abs(n) < 2 : Math.abs(n) === 1;
  return `${number(n)} ${alone ? one : many}`;
}
