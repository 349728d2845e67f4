/**
 * The one way a page does something: `act('orders.sign', { order })`.
 *
 * An act gives its result and its receipt, or throws one of two errors: `Refusal` (the law says no: articles, remedy, who
 * can grant it) or `Problem` (something else: what happened, what to do).
 */
import { learnServerTime } from './time.svelte';
import type { ProblemBody, Reason, Receipt, RefusalBody, Text } from './types';

export interface Done<T> {
  result: T;
  receipt: Receipt | null;
}

/** The act was refused by a rule of law, and the refusal is in the ledger. */
export class Refusal extends Error {
  readonly code = 'refused';
  readonly title: Text;
  readonly act: string;
  readonly receipt: Receipt | null;
  readonly reasons: Reason[];

  constructor(body: RefusalBody) {
    super(body.title.en);
    this.name = 'Refusal';
    this.title = body.title;
    this.act = body.act;
    this.receipt = body.receipt ?? null;
    this.reasons = body.reasons ?? [];
  }
}

/** The act was not done, for a reason that is not a rule of law. `do` says what to do now. */
export class Problem extends Error {
  readonly code: string;
  readonly status: number;
  readonly title: Text;
  readonly do: Text | null;

  constructor(status: number, body: ProblemBody) {
    super(body.title.en);
    this.name = 'Problem';
    this.code = body.code;
    this.status = status;
    this.title = body.title;
    this.do = body.do ?? null;
  }
}

const UNREACHABLE: ProblemBody = {
  code: 'unreachable',
  title: { fr: 'La plateforme ne répond pas.', en: 'The platform does not answer.' },
  do: {
    fr: 'Rien n’a été fait. Vérifiez le réseau, puis recommencez.',
    en: 'Nothing was done. Check the network, then try again.',
  },
};

const UNREADABLE: ProblemBody = {
  code: 'unreadable',
  title: { fr: 'La réponse de la plateforme n’a pas pu être lue.', en: 'The platform’s answer could not be read.' },
  do: { fr: 'Rechargez la page avant de recommencer.', en: 'Reload the page before trying again.' },
};

function isText(value: unknown): value is Text {
  return typeof value === 'object' && value !== null && 'fr' in value && 'en' in value;
}

/** The typed error for an error object of the server, whatever door it came through. */
export function failure(body: unknown, status = 0): Refusal | Problem {
  if (typeof body !== 'object' || body === null) return new Problem(status, UNREADABLE);
  const said = body as Partial<RefusalBody & ProblemBody>;
  if (!isText(said.title)) return new Problem(status, UNREADABLE);
  if (said.code === 'refused') return new Refusal(said as RefusalBody);
  return new Problem(status, said as ProblemBody);
}

/** Any thrown value as one of our two errors; a fault of our own code is logged and told plainly. */
export function asFailure(error: unknown): Refusal | Problem {
  if (error instanceof Refusal || error instanceof Problem) return error;
  console.error(error);
  return new Problem(0, {
    code: 'fault',
    title: { fr: 'Cette page a rencontré un défaut.', en: 'This page met a fault.' },
    do: { fr: 'Rechargez la page. Si cela revient, prévenez l’administrateur.', en: 'Reload the page. If it comes back, tell the administrator.' },
  });
}

/** The page's own problem, said in both languages. */
export function problem(code: string, title: Text, next: Text | null = null): Problem {
  return new Problem(0, { code, title, do: next });
}

/**
 * Perform an act through the HTTP door.
 *
 * @throws Refusal when a rule of law says no; Problem for anything else, including a lost network.
 */
export async function act<T = unknown>(name: string, input: object = {}, signal?: AbortSignal): Promise<Done<T>> {
  let response: Response;
  try {
    response = await fetch(`/api/acts/${encodeURIComponent(name)}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      credentials: 'same-origin',
      body: JSON.stringify(input),
      signal: signal ?? null,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, UNREACHABLE);
  }
  learnServerTime(response.headers.get('date'));
  let body: unknown;
  try {
    body = await response.json();
  } catch {
    throw new Problem(response.status, UNREADABLE);
  }
  if (!response.ok) throw failure(body, response.status);
  const done = body as { result: T; receipt?: Receipt | null };
  return { result: done.result, receipt: done.receipt ?? null };
}
