/** The script of `/field` and its forms. */
import { unwritten } from '../kit/store/database.ts';
import { Adding } from './field/adding.ts';
import { Device } from './field/device.ts';
import { Form } from './field/form.ts';
import { home } from './field/home.ts';
import { install } from './field/pack.ts';
import { dress, themes } from './field/themes.ts';
import { say, WORDS } from './field/words.ts';

dress();
const root = document.querySelector<HTMLElement>('[data-field]');
let draw = (): void => {};
let drawing = false;

/** Drawn once a frame, however much has changed. */
const device = new Device(() => {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    draw();
  });
});

addEventListener('unhandledrejection', (event) => {
  const why = unwritten(event.reason);
  if (why === null) console.error(event.reason);
  else event.preventDefault();
  const place = document.querySelector('[data-state]');
  if (place) place.textContent = say(WORDS[why ?? 'fault']);
});

if (root instanceof HTMLFormElement) {
  const form = root.dataset['field'] === 'form' ? new Form(root, device) : new Adding(root, device);
  draw = () => {
    form.status();
    void form.show();
  };
} else if (root) {
  root.append(themes());
  draw = home(root, device);
}
void install();
void device.start();
