/** The two lanes of each point, and the tickets that measure how long people wait: drawn numbers, nobody's. */
import { act } from '../../kit';
import { named } from '../gate/acts';
import type { Point } from '../shared/points';

export type Lane = 'token' | 'equal';

export interface Standing {
  point: string;
  equal_open: boolean;
  staffed: boolean;
  /** Seconds, the upper end of a band; null: fewer waits than can be shown. */
  token_p95_s: number | null;
  equal_p95_s: number | null;
}

export async function standing(point: Point): Promise<Standing> {
  return (await act<Standing>(named(point.realm, 'lane.show'), { point: point.id })).result;
}

export async function set(point: Point, equal_open: boolean, staffed: boolean): Promise<void> {
  await act(named(point.realm, 'lane.set'), { point: point.id, equal_open, staffed });
}

export async function enter(point: Point, lane: Lane): Promise<string> {
  return (await act<{ ticket: string }>(named(point.realm, 'lane.enter'), { point: point.id, lane })).result.ticket;
}

export async function leave(point: Point, ticket: string): Promise<void> {
  await act(named(point.realm, 'lane.leave'), { ticket });
}

/** Whoever refuses the token waits longer: consent is then no longer free (GDPR 7(4)). */
export function worse({ token_p95_s: token, equal_p95_s: equal }: Standing): boolean {
  return token !== null && equal !== null && equal > token;
}
