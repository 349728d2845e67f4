/** Puts a page's component on the screen. The Trusted Types policy and the styles come first. */
import './trusted';
import './base.css';
import { mount, type Component } from 'svelte';

/** Mount the page. `resident` pages use the resident typeface; consoles keep the cockpit one. */
export function start(page: Component, type: 'console' | 'resident' = 'console'): void {
  document.documentElement.dataset['type'] = type;
  const target = document.getElementById('page');
  if (!target) throw new Error('the page has no #page element');
  mount(page, { target });
}
