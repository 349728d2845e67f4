/**
 * What the steps kept in the outbox will have done to tasks and incidents: shown at once, and marked until they are sent.
 *
 * The paths are those of the server (`operations/incident_model.py`), which decides again when the step arrives. States only go
 * forward, so that a step that was done and has not come back as a push yet can be shown in the same way.
 */
import type { Incident, NextStep, Task } from '../kit/live.svelte';
import type { Listed } from './outbox.svelte';

interface Path {
  from: string[];
  to: string;
}

const TASK: Record<string, Path> = {
  accept: { from: ['proposed'], to: 'accepted' },
  decline: { from: ['proposed', 'accepted'], to: 'declined' },
  start: { from: ['accepted'], to: 'under_way' },
  finish: { from: ['under_way'], to: 'done' },
};
const INCIDENT: Record<string, Path> = {
  arrive: { from: ['assigned'], to: 'on_scene' },
  resolve: { from: ['on_scene'], to: 'resolved' },
};
export const FORWARD = ['accept', 'start', 'finish'] as const;
export type Forward = (typeof FORWARD)[number];
const OVER = new Set(['done', 'declined', 'cancelled']);
/** What is in hand stays under the thumb: a new proposal never takes its place. */
const ORDER = ['under_way', 'accepted', 'proposed'];

/** The thing after those of its steps that wait, or were done; and whether one of them still waits. */
function after<T extends { id: string; state: string; steps: NextStep[] }>(thing: T, kind: 'task' | 'incident', entries: Listed[]): { thing: T; unsent: boolean } {
  const paths = kind === 'task' ? TASK : INCIDENT;
  let { state } = thing;
  let unsent = false;
  for (const entry of entries) {
    if (entry.input[kind] !== thing.id || !entry.act.startsWith(`operations.${kind}.`)) continue;
    if (entry.state !== 'waiting' && entry.state !== 'done') continue;
    const path = paths[entry.act.slice(`operations.${kind}.`.length)];
    if (!path?.from.includes(state)) continue;
    state = path.to;
    unsent ||= entry.state === 'waiting';
  }
  if (state === thing.state) return { thing, unsent };
  // What comes next from there; the server's reasons were about the state before.
  const steps = thing.steps.filter((step) => paths[step.name]?.from.includes(state)).map(({ name }) => ({ name, why: null }));
  return { thing: { ...thing, state, steps }, unsent };
}

export interface Replayed {
  tasks: Task[];
  incidents: Incident[];
  /** Ids of what has a step that is not sent yet. */
  unsent: Set<string>;
}

/** This person's open tasks, what is in hand first, and the incidents: as they will be once everything is sent. */
export function replay(tasks: Task[], incidents: Incident[], entries: Listed[]): Replayed {
  const unsent = new Set<string>();
  function each<T extends Task | Incident>(thing: T, kind: 'task' | 'incident'): T {
    const found = after(thing, kind, entries);
    if (found.unsent) unsent.add(thing.id);
    return found.thing;
  }
  const mine = tasks.filter((task) => task.mine).map((task) => each(task, 'task'));
  // What is over stays in sight only while that is not sent.
  const open = mine.filter((task) => !OVER.has(task.state) || unsent.has(task.id));
  const rank = (task: Task) => ORDER.indexOf(task.state) + 1 || ORDER.length + 1;
  open.sort((a, b) => rank(a) - rank(b) || (a.deadline ?? '9').localeCompare(b.deadline ?? '9') || a.created.localeCompare(b.created));
  return { tasks: open, incidents: incidents.map((incident) => each(incident, 'incident')), unsent };
}

/** The one thing that comes next of the first open task. */
export function firstStep(tasks: Task[]): { task: Task; step: Forward } | null {
  for (const task of tasks) {
    const step = FORWARD.find((name) => task.steps.some((one) => one.name === name && one.why === null));
    if (step) return { task, step };
  }
  return null;
}
