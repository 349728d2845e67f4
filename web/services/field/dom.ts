/** Elements without a framework: the offline pages are the server's, and only what the device knows is put in here. */

export function element<K extends keyof HTMLElementTagNameMap>(name: K, text = '', marks: Record<string, string> = {}): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(marks)) made.setAttribute(key, value);
  return made;
}

export function button(text: string, press: () => void, kind = 'quiet'): HTMLButtonElement {
  const made = element('button', text, { type: 'button', class: kind });
  made.addEventListener('click', press);
  return made;
}

/** Puts words where they differ, so that a reader is told once. */
export function set(place: Element | null, text: string): void {
  if (place && place.textContent !== text) place.textContent = text;
}
