/** Where the officer is, only when they press: put into the form as hidden boxes, and taken out again where it need not be told. */
import { button, element, set } from './dom';
import { say, WORDS } from './words';

const PARTS = ['lat', 'lon', 'accuracy'];
const PATIENCE_MS = 20_000;

export function hidden(question: HTMLElement, name: string, value: string): void {
  const there = question.querySelector<HTMLInputElement>(`input[name="${name}"]`) ?? element('input', '', { type: 'hidden', name });
  there.value = value;
  if (!there.isConnected) question.append(there);
}

/** The button of a question of place; `spot`: of that alone, with its accuracy, and a way to take it back. */
export function locating(question: HTMLElement, saved: () => void): void {
  if (!('geolocation' in navigator)) return;
  const { q: id = '', kind } = question.dataset;
  const said = element('span', '', { role: 'status', class: 'small' });
  const box = element('p', '', { class: 'place' });
  const back = button(
    say(WORDS.unlocate),
    () => {
      for (const part of PARTS) question.querySelector(`input[name="${id}-${part}"]`)?.remove();
      set(said, say(WORDS.unlocated));
      back.hidden = true;
      saved();
    },
    'quiet inline',
  );
  back.hidden = true;
  const press = button(
    say(WORDS.here),
    () =>
      navigator.geolocation.getCurrentPosition(
        ({ coords }) => {
          hidden(question, `${id}-lat`, coords.latitude.toFixed(6));
          hidden(question, `${id}-lon`, coords.longitude.toFixed(6));
          if (kind === 'spot') hidden(question, `${id}-accuracy`, String(Math.round(coords.accuracy)));
          set(said, say(WORDS.located(Math.round(coords.accuracy))));
          back.hidden = kind !== 'spot';
          saved();
        },
        () => set(said, say(WORDS.lost)),
        { enableHighAccuracy: true, timeout: PATIENCE_MS },
      ),
    'quiet inline',
  );
  box.append(press, back, said);
  question.append(box);
}
