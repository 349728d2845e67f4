/** The incidents, tasks and drawings that this person may see, kept as the server tells them; and the acts on them. */
import { act, Refusal, type Done } from '../kit/api';
import { live, type Drawing, type Incident, type Task } from '../kit/live.svelte';
import type { Text } from '../kit/types';

export interface Kind {
  id: string;
  label: Text;
  symbol: string;
  sidc: string;
}

export interface Line {
  id: string;
  at: string;
  kind: string;
  person: string;
  text: string;
  before: string;
  after: string;
  other: string;
  /** What the device's clock said; shown as such. */
  made_at: string;
}

export interface Whole {
  incident: Incident;
  lines: Line[];
  tasks: Task[];
  drawings: Drawing[];
  procedure: Text;
}

export interface Board {
  incidents: Incident[];
  tasks: Task[];
  drawings: Drawing[];
  kinds: Kind[];
  units: { id: string; name: string }[];
}

/** Changes come in bursts: the open incident is read again once after them. */
const SETTLE_MS = 150;

function with_<T extends { id: string }>(all: T[], one: T): T[] {
  return all.some((each) => each.id === one.id) ? all.map((each) => (each.id === one.id ? one : each)) : [one, ...all];
}

export class Incidents {
  incidents = $state.raw<Incident[]>([]);
  tasks = $state.raw<Task[]>([]);
  drawings = $state.raw<Drawing[]>([]);
  kinds = $state.raw<Kind[]>([]);
  units = $state.raw<{ id: string; name: string }[]>([]);
  /** The incident that is open in the panel. */
  selected = $state<string | null>(null);
  whole = $state.raw<Whole | null>(null);
  failure = $state<unknown>(null);
  /** False for who is not in operations: they have no list. */
  known = $state(false);

  #again: ReturnType<typeof setTimeout> | undefined;

  /** Most urgent first, then newest. */
  get sorted(): Incident[] {
    return [...this.incidents].sort((a, b) => a.priority - b.priority || b.opened.localeCompare(a.opened));
  }

  /** Follow the server; the returned function stops. */
  start(): () => void {
    const offs = [
      live.on('incident', ({ incident }) => {
        this.incidents = incident.closed ? this.incidents.filter((one) => one.id !== incident.id) : with_(this.incidents, incident);
        if (incident.id === this.selected) this.#readSoon();
      }),
      live.on('incident.gone', (push) => {
        this.incidents = this.incidents.filter((one) => one.id !== push.incident);
        if (push.incident === this.selected) this.close();
      }),
      live.on('task', ({ task }) => {
        this.tasks = with_(this.tasks, task);
        if (task.incident === this.selected) this.#readSoon();
      }),
      live.on('drawing', ({ drawing }) => (this.drawings = with_(this.drawings, drawing))),
      live.on('drawing.gone', (push) => (this.drawings = this.drawings.filter((one) => one.id !== push.drawing))),
      live.on('incidents', () => void this.refresh()),
      live.keep('operations.incident.follow', {}, () => (this.known = false), (result) => this.#take(result as Board)),
    ];
    return () => {
      for (const off of offs) off();
      clearTimeout(this.#again);
    };
  }

  async refresh(): Promise<void> {
    try {
      this.#take((await live.act<Board>('operations.incident.follow')).result);
    } catch (error) {
      // What the law takes back is not left on the screen; a link that is lost asks again by itself.
      if (error instanceof Refusal) this.clear();
    }
    if (this.selected) await this.read();
  }

  #take(board: Board): void {
    this.show(board);
    this.known = true;
  }

  /** Show what was kept on the device, until the server tells what is now. */
  show(board: Board): void {
    ({ incidents: this.incidents, tasks: this.tasks, drawings: this.drawings, kinds: this.kinds, units: this.units } = board);
  }

  clear(): void {
    [this.known, this.incidents, this.tasks, this.drawings] = [false, [], [], []];
  }

  kind(id: string): Kind | null {
    return this.kinds.find((one) => one.id === id) ?? null;
  }

  open(id: string): void {
    this.selected = id;
    this.whole = null;
    void this.read();
  }

  close(): void {
    this.selected = null;
    this.whole = null;
    this.failure = null;
  }

  async read(): Promise<void> {
    const id = this.selected;
    if (!id) return;
    try {
      const { result } = await act<Whole>('operations.incident.read', { incident: id });
      if (this.selected === id) [this.whole, this.failure] = [result, null];
    } catch (error) {
      if (this.selected === id) this.failure = error;
    }
  }

  /** Perform an act whose effect comes back as a push. */
  async act<T>(name: string, input: object): Promise<Done<T>> {
    return live.act<T>(`operations.${name}`, { ...input, client_id: crypto.randomUUID(), made_at: new Date().toISOString() });
  }

  #readSoon(): void {
    clearTimeout(this.#again);
    this.#again = setTimeout(() => void this.read(), SETTLE_MS);
  }
}
