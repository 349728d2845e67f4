/** Day, night, red-night: kept on this device; without a choice, the device's own setting is followed. */

export type Theme = 'day' | 'night' | 'red';

const KEY = 'egide.theme';

function current(): Theme {
  const set = document.documentElement.dataset['theme'];
  return set === 'night' || set === 'red' ? set : 'day';
}

const state = $state<{ theme: Theme }>({ theme: current() });

/** The theme in use. */
export function theme(): Theme {
  return state.theme;
}

/** Change the theme of this device. */
export function setTheme(next: Theme): void {
  state.theme = next;
  document.documentElement.dataset['theme'] = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Storage may be switched off: the theme then holds for this page only.
  }
}
