/**
 * What this person has to do: their tasks, the incidents of their missions, the drawings and the first steps; followed while
 * there is a link, kept sealed for when there is none.
 *
 * With a link the server's pushes are the truth. At each contact the whole brief of each mission is taken: the procedures come
 * from it, and all the rest where the contact has no live link. What is done without network goes to the outbox and is shown as
 * it will be (`steps.ts`).
 */
import { act, asFailure, Refusal } from '../kit/api';
import { live, type Drawing, type Incident, type Task } from '../kit/live.svelte';
import type { Text } from '../kit/types';
import { Incidents, type Board } from '../operations/incidents.svelte';
import { stepText } from '../operations/incident_words';
import type { Shift } from '../operations/duty.svelte';
import type { Pocket } from './pocket.svelte';
import { replay, type Replayed } from './steps';

interface FirstSteps {
  kind: string;
  title: Text;
  text: Text;
}

interface Brief {
  mission: { id: string };
  incidents: Incident[];
  tasks: Task[];
  drawings: Drawing[];
  procedures: FirstSteps[];
}

/** What stays readable without network. */
interface Kept extends Board {
  procedures: FirstSteps[];
  shift: Shift | null;
}

const RECORD = 'work';
/** A brief is an entry of the ledger: contacts that come close together take it once. */
const BRIEF_FRESH_MS = 60_000;

/** What is of some missions, put in the place of what was there of them. */
function instead<T>(all: T[], fresh: T[], of: (one: T) => boolean): T[] {
  return [...all.filter((one) => !of(one)), ...fresh];
}

export class Work {
  readonly board = new Incidents();
  procedures = $state.raw<FirstSteps[]>([]);
  /** How many open tasks of this person lie in the sealed store; null before anything was kept. */
  kept = $state<number | null>(null);

  readonly #pocket: Pocket;
  /** A brief came since the page opened. */
  #briefed = false;
  #asked = new Map<string, number>();

  constructor(pocket: Pocket) {
    this.#pocket = pocket;
  }

  /** As it will be once everything is sent. */
  now: Replayed = $derived.by(() => replay(this.board.tasks, this.board.incidents, this.#pocket.outbox?.entries ?? []));

  /** Follow the server; the returned function stops. `onnew`: somebody gave this person a task. */
  start(onnew: (task: Task) => void): () => void {
    const off = live.on('task', ({ task }) => {
      if (task.mine && task.state === 'proposed' && !this.board.tasks.some((one) => one.id === task.id)) onnew(task);
    });
    const stop = this.board.start();
    return () => {
      off();
      stop();
    };
  }

  /** What was kept, and with it the shift that ran then; null where nothing was. */
  async restore(): Promise<{ shift: Shift | null } | null> {
    const kept = await this.#pocket.recall<Kept>(RECORD);
    if (!kept) return null;
    if (!this.board.known) this.board.show(kept);
    this.procedures = kept.procedures;
    this.kept = kept.tasks.length;
    return { shift: kept.shift };
  }

  /** The brief of each mission, at a contact. */
  async brief(missions: Iterable<string>): Promise<void> {
    for (const mission of missions) {
      if (Date.now() - (this.#asked.get(mission) ?? 0) < BRIEF_FRESH_MS) continue;
      this.#asked.set(mission, Date.now());
      try {
        this.#take((await act<Brief>('operations.mission.brief', { mission })).result);
      } catch (error) {
        this.#asked.delete(mission);
        // Not, or no longer, this person's: nothing of it is left here.
        if (asFailure(error) instanceof Refusal) this.#take({ mission: { id: mission }, incidents: [], tasks: [], drawings: [], procedures: [] });
      }
    }
  }

  /** Keep what is shown of these missions. */
  async keep(missions: ReadonlySet<string>, shift: Shift | null): Promise<void> {
    if (!this.board.known && !this.#briefed) return;
    const { board } = this;
    const tasks = board.tasks.filter((task) => task.mine);
    const incidents = board.incidents.filter((one) => one.mission !== null && missions.has(one.mission));
    const within = new Set([...missions, ...incidents.map((one) => one.id)]);
    const drawings = board.drawings.filter((one) => within.has(one.of.id));
    const { kinds, units } = board;
    await this.#pocket.keep(RECORD, { tasks, incidents, drawings, kinds, units, procedures: this.procedures, shift } satisfies Kept);
    this.kept = tasks.length;
  }

  clear(): void {
    this.board.clear();
    this.procedures = [];
    this.kept = null;
    this.#briefed = false;
    this.#asked.clear();
  }

  /** One step of a task, or of an incident: kept, shown, and sent as soon as it can be; at once where this device keeps nothing. */
  async step(kind: 'task' | 'incident', of: Task | Incident, step: string, reason = ''): Promise<void> {
    const { fr, en } = stepText(step);
    const input = { [kind]: of.id, ...(reason ? { reason } : {}) };
    const { outbox } = this.#pocket;
    if (!outbox) return void (await this.board.act(`${kind}.${step}`, input));
    await outbox.add(`operations.${kind}.${step}`, input, { fr: `${fr} : ${of.title}`, en: `${en}: ${of.title}` });
  }

  #take({ mission: { id }, ...brief }: Brief): void {
    this.#briefed = true;
    const kinds = new Set(brief.procedures.map((one) => one.kind));
    this.procedures = instead(this.procedures, brief.procedures, (one) => kinds.has(one.kind));
    if (this.board.known && live.state === 'open') return;
    const { board } = this;
    const within = new Set([id, ...board.incidents.filter((one) => one.mission === id).map((one) => one.id)]);
    board.tasks = instead(board.tasks, brief.tasks, (one) => one.mission === id);
    board.incidents = instead(board.incidents, brief.incidents, (one) => one.mission === id);
    board.drawings = instead(board.drawings, brief.drawings, (one) => within.has(one.of.id));
  }
}
