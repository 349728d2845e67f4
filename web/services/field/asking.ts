/** Asks the platform for an act, as `kit/api.ts` does, without what only the consoles need. */
import type { ProblemBody } from '../../kit/types';

const ANSWER_WITHIN_MS = 60_000;

/** No answer, or none that can be read: whether it was done nobody knows. */
export class Lost extends Error {}

/** The platform said no, in words. */
export class Said extends Error {
  readonly status: number;
  readonly body: ProblemBody;

  constructor(status: number, body: ProblemBody) {
    super(body.title.en);
    this.status = status;
    this.body = body;
  }
}

/** Asked again later: nothing was done, or nobody knows. */
export function later(error: unknown): boolean {
  return error instanceof Lost || (error instanceof Said && (error.status >= 500 || error.status === 429 || error.status === 408));
}

async function answered(address: string, how: RequestInit): Promise<Response> {
  try {
    return await fetch(address, { ...how, credentials: 'same-origin', cache: 'no-store', signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  } catch {
    throw new Lost(address);
  }
}

async function said(answer: Response): Promise<unknown> {
  let body: unknown;
  try {
    body = await answer.json();
  } catch {
    throw new Lost('unreadable');
  }
  if (!answer.ok) {
    if (typeof body !== 'object' || body === null || !('title' in body)) throw new Lost('unreadable');
    throw new Said(answer.status, body as ProblemBody);
  }
  return body;
}

/** @throws Said, Lost */
export async function act<T>(name: string, input: object = {}): Promise<T> {
  const answer = await answered(`/api/acts/${name}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(input) });
  return ((await said(answer)) as { result: T }).result;
}

/** One chunk of a file under its grant; gives how many bytes the platform has. @throws Said, Lost */
export async function put(upload: string, secret: string, at: number, content: ArrayBuffer): Promise<number> {
  const headers = { 'upload-secret': secret, 'upload-offset': String(at) };
  const answer = await answered(`/api/uploads/${upload}`, { method: 'PUT', headers, body: content });
  if (!answer.ok) await said(answer);
  return Number(answer.headers.get('upload-offset'));
}

/** How many bytes of a file the platform has; null where its grant is over or it is sealed. @throws Lost */
export async function there(upload: string, secret: string): Promise<number | null> {
  const answer = await answered(`/api/uploads/${upload}`, { method: 'HEAD', headers: { 'upload-secret': secret } });
  if (answer.status >= 500) throw new Lost('later');
  return answer.ok ? Number(answer.headers.get('upload-offset')) : null;
}
