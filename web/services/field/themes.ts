/** Day, night, red-night, as the consoles have them and on this device: chosen there or here, the same everywhere. */
import { button, element } from './dom';
import { say, WORDS } from './words';

/** Where `kit/theme.svelte.ts` keeps it. */
const KEY = 'egide.theme';
const THEMES = ['day', 'night', 'red'] as const;

/** What was chosen; without a choice the style follows the device's own setting. */
export function dress(): void {
  const chosen = localStorage.getItem(KEY);
  if (THEMES.some((one) => one === chosen)) document.documentElement.dataset['theme'] = chosen ?? '';
}

export function themes(): HTMLElement {
  const box = element('div', '', { role: 'group', 'aria-label': say(WORDS.themes), class: 'place' });
  const show = (): void => {
    for (const one of box.querySelectorAll<HTMLElement>('button')) one.setAttribute('aria-pressed', String(one.dataset['theme'] === document.documentElement.dataset['theme']));
  };
  for (const theme of THEMES) {
    const press = button(
      say(WORDS[theme]),
      () => {
        localStorage.setItem(KEY, theme);
        dress();
        show();
      },
      'quiet inline',
    );
    press.dataset['theme'] = theme;
    box.append(press);
  }
  show();
  return box;
}
