/** `/field` itself: whether this device is ready, what waits, what became of the rest. Not sent never looks like sent. */
import type { Device } from './device';
import { button, element, set } from './dom';
import { brought, exported } from './export';
import { draft } from './form';
import { provisional, type Content, type Listed } from './outbox';
import { stopsOf, type Carried, type Pack, type Stop } from './carried';
import { day, moment, say, WORDS } from './words';

const PATH = '/field';
/** Entries on the page, the newest; the count says how many wait. */
const SHOWN = 100;

/** The platform knows no such device, and nothing opens what lies here: to give it up is the officer's to say. */
function lost(device: Device): boolean {
  return device.state === 'locked' && device.failure?.status === 404;
}

function state(device: Device): string {
  if (device.state === 'open') {
    const network = device.online ? WORDS.online : WORDS.offline;
    const who = device.stranger === 'somebody' ? WORDS.somebody : device.stranger === 'nobody' ? WORDS.signedOut : null;
    return [say(network), say(WORDS.open(moment(device.until))), who ? say(who) : '', device.anew ? say(WORDS.anew) : '', device.renewed ? say(WORDS.again) : ''].join(' ').trim();
  }
  if (lost(device)) return say(WORDS.over);
  return device.state === 'starting' ? '' : say(WORDS[device.state]);
}

function signIn(): HTMLAnchorElement {
  return element('a', say(WORDS.signIn), { class: 'button', href: `/sign-in?next=${encodeURIComponent(PATH)}` });
}

function taken(device: Device): Element[] {
  const { failure } = device;
  if (lost(device)) return [startingOver(device)];
  const wrong =
    failure && device.state !== 'open'
      ? [element('p', `${say(failure.body.title)} ${failure.body.do ? say(failure.body.do) : ''}`, { class: 'wrong', role: 'alert' })]
      : [];
  if (device.stranger === 'nobody') return [...wrong, signIn()];
  // Only where nothing is kept: a pack taken anew would take the place of what waits sealed.
  if (device.state === 'none' || device.state === 'revoked') return [...wrong, taking(device)];
  if (wrong.length > 0) return wrong;
  if (device.state === 'open' && !device.lasting) return [element('p', say(WORDS.loose), { class: 'small' })];
  return [];
}

function startingOver(device: Device): HTMLElement {
  const box = element('div');
  const more = element('details');
  more.append(
    element('summary', say(WORDS.restart)),
    element('p', say(WORDS.restartHow)),
    button(say(WORDS.restartNow), () => void device.startOver()),
  );
  box.append(element('p', say(WORDS.forgotten), { class: 'wrong', role: 'alert' }), more);
  return box;
}

function taking(device: Device): HTMLElement {
  const box = element('div');
  const input = element('input', '', { id: 'label', maxlength: '80', autocomplete: 'off', value: say(WORDS.labelled) });
  const press = button(say(WORDS.take), () => {
    press.disabled = true;
    press.textContent = say(WORDS.taking);
    void device.take(input.value).finally(() => (press.disabled = false));
  }, '');
  box.append(element('label', say(WORDS.label), { for: 'label' }), input, press);
  return box;
}

/** What lies here as a file, encrypted: for a device that cannot send any more. */
async function save(device: Device): Promise<void> {
  const file = device.vault && (await exported(device.vault));
  if (!file) return;
  const link = element('a', '', { download: 'egide-file-chiffree.json', href: URL.createObjectURL(file) });
  link.click();
  URL.revokeObjectURL(link.href);
}

function bringing(): HTMLElement {
  const box = element('details');
  const input = element('input', '', { type: 'file', id: 'bring', accept: 'application/json', 'aria-describedby': 'bring-hint' });
  const said = element('p', '', { role: 'status', 'data-brought': '' });
  input.addEventListener('change', () => {
    const [file] = Array.from(input.files ?? []);
    if (!file) return;
    void file
      .text()
      .then(brought)
      .then(
        ({ recorded, other }) => set(said, say(WORDS.brought(recorded, other))),
        () => set(said, say(WORDS.unbrought)),
      );
  });
  box.append(element('summary', say(WORDS.bring)), element('label', say(WORDS.bringHint), { for: 'bring', id: 'bring-hint' }), input, said);
  return box;
}

function line(device: Device, entry: Listed): HTMLLIElement {
  const item = element('li', '', { class: 'entry', 'data-entry': entry.state, 'data-id': entry.id });
  item.append(element('h3', say(entry.what)));
  const number = entry.event > 0 ? WORDS.event(entry.number, entry.event) : WORDS.number(entry.number);
  const word = entry.state === 'done' ? say(number) : say(WORDS.provisional(provisional(entry.id)));
  const head = element('p', '', { class: 'state' });
  head.append(element('strong', say(WORDS[entry.state])), element('span', word, { 'data-number': entry.number }));
  item.append(head, element('p', say(WORDS.made(moment(entry.made))), { class: 'small' }));
  if (entry.files.length > 0) {
    const left = entry.files.filter((one) => !one.sent && !one.why).length;
    const words = say(WORDS.photos(entry.files.length)) + (entry.state === 'waiting' && left > 0 ? ` · ${say(WORDS.unsent(left))}` : '');
    item.append(element('p', words, { class: 'small' }));
  }
  for (const file of entry.files) if (file.why) item.append(element('p', `${file.name} — ${say(file.why.title)} ${file.why.do ? say(file.why.do) : ''}`, { class: 'mistake' }));
  if (entry.code) item.append(element('p', say(WORDS.code(entry.code)), { class: 'small' }));
  if (entry.why) {
    item.append(element('p', `${say(entry.why.title)} ${entry.why.do ? say(entry.why.do) : ''}`, { class: 'mistake' }));
    for (const reason of entry.why.reasons ?? []) item.append(element('p', `${say(reason)} (${reason.article})`, { class: 'small' }));
  }
  if (entry.state === 'refused') item.append(button(say(WORDS.correct), () => void correct(device, entry)));
  if (entry.state !== 'waiting') item.append(button(say(WORDS.away), () => void device.outbox?.putAway(entry)));
  return item;
}

/** A refused act is taken up again as it was typed: it becomes a new one. */
async function correct(device: Device, entry: Listed): Promise<void> {
  const content = JSON.parse(entry.link.body) as Content;
  const typed = (text: string): string[] => (text ? [text] : []);
  const { form, who } =
    content.act === 'take' ? content : { form: { target: [content.target], text: typed('text' in content ? content.text : '') }, who: {} };
  const files = entry.files.map((one) => ({ ...one, sent: false, why: null }));
  await device.vault?.keep(draft(entry.service), { form, who, files });
  await device.outbox?.takeUp(entry);
  location.assign(`${PATH}/${entry.service}?lang=${document.documentElement.lang}`);
}

/** A part of the page, hidden where there is nothing in it. */
function fill(part: HTMLElement | null, items: HTMLLIElement[]): void {
  if (!part) return;
  part.hidden = items.length === 0;
  part.querySelector('ol')?.replaceChildren(...items);
}

/** Opens a form for this one; what was being typed into it for another stays as it is. */
async function open(device: Device, kind: 'add' | 'pass', target: string): Promise<void> {
  const kept = await device.vault?.recall<{ form: Record<string, string[]>; files: unknown[] }>(draft(kind));
  const begun = (kept?.form['text'] ?? []).length > 0 || (kept?.files ?? []).length > 0;
  if (!begun) await device.vault?.keep(draft(kind), { form: { target: [target] }, who: {}, files: [] });
  location.assign(`${PATH}/${kind}?lang=${document.documentElement.lang}`);
}

/** A button that stands beside many of its kind, told with what it is about. */
function named(press: HTMLButtonElement, about: string): HTMLButtonElement {
  press.setAttribute('aria-label', `${press.textContent ?? ''} : ${about}`);
  return press;
}

function mine(device: Device, file: Carried): HTMLLIElement {
  const item = element('li', '', { class: 'home', 'data-carried': file.id });
  item.append(element('h3', say(file.title)), element('p', `${file.number} · ${say(file.said)}`));
  if (file.place) item.append(element('p', file.place, { class: 'small' }));
  item.append(named(button(say(WORDS.addTo), () => void open(device, 'add', file.id), 'quiet inline'), file.number));
  return item;
}

function passing(device: Device, { stop, last, waits }: { stop: Stop; last: string; waits: boolean }): HTMLLIElement {
  const item = element('li', '', { class: 'home', 'data-stop': stop.file });
  item.append(element('h3', stop.address), element('p', `${say(stop.kind)} · ${say(WORDS.absent(day(stop.leave), day(stop.back)))}`));
  const seen = element('p', '', { 'data-last': last });
  seen.append(element('strong', last ? say(WORDS.seenAt(moment(last))) : say(WORDS.never)), waits ? ` · ${say(WORDS.waiting)}` : '');
  item.append(seen);
  if (stop.signs) item.append(element('p', stop.signs, { class: 'small' }));
  item.append(named(button(say(WORDS.passed), () => void open(device, 'pass', stop.file), 'quiet inline'), stop.address));
  return item;
}

export function home(root: HTMLElement, device: Device): () => void {
  const at = (name: string) => root.querySelector<HTMLElement>(`[data-${name}]`);
  let shown = '';
  let listed: Listed[] | null = null;
  let carried: Pack | null = null;
  return () => {
    root.dataset['device'] = device.state;
    root.dataset['online'] = String(device.online);
    set(at('state'), state(device));
    const waiting = device.outbox?.waiting.length ?? 0;
    // Not known until the store was read, which takes a while where much waits: that nothing waits is not said before.
    const looking = device.state === 'starting';
    root.dataset['waiting'] = looking ? '' : String(device.sealed || waiting);
    set(at('count'), looking ? '' : device.sealed > 0 ? say(WORDS.sealed(device.sealed)) : waiting > 0 ? say(WORDS.waits(waiting)) : say(WORDS.nothing));
    const forms = at('forms');
    if (forms) forms.hidden = device.state !== 'open';
    const key = [device.state, device.stranger, device.lasting, device.failure?.body.code, waiting > 0 || device.sealed > 0, device.online].join();
    if (key !== shown) {
      shown = key;
      at('pack')?.replaceChildren(...taken(device));
      const out = waiting > 0 || device.sealed > 0 ? [button(say(WORDS.export), () => void save(device), 'quiet inline')] : [];
      at('ways')?.replaceChildren(...out, ...(device.online && device.stranger === null ? [bringing()] : []));
    }
    const [entries, pack] = [device.outbox?.entries ?? null, device.pack];
    if (entries === listed && pack === carried) return;
    [listed, carried] = [entries, pack];
    const stops = stopsOf(pack, entries ?? []);
    fill(at('stops'), stops.map((one) => passing(device, one)));
    fill(at('mine'), (pack?.files ?? []).map((one) => mine(device, one)));
    at('queue')?.replaceChildren(...(entries ?? []).slice(-SHOWN).reverse().map((entry) => line(device, entry)));
  };
}
