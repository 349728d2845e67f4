/** Says something to a screen reader without moving the focus. */

let region: HTMLElement | null = null;

/** Announce a short text politely; the same text said twice is announced twice. */
export function announce(text: string): void {
  if (!region) {
    region = document.createElement('div');
    region.className = 'visually-hidden';
    region.setAttribute('role', 'status');
    region.setAttribute('aria-live', 'polite');
    document.body.append(region);
  }
  region.textContent = '';
  // A reader only notices a change: the text comes after the region was emptied.
  setTimeout(() => {
    if (region) region.textContent = text;
  }, 50);
}
