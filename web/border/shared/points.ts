/** The control points of both realms, as their files say them: public, the same for everyone. */
import { problem, say, type Text } from '../../kit';

export interface Point {
  id: string;
  title: Text;
  purpose: Text;
  realm: 'facilitation' | 'border-police';
  equal: Text;
}

/** Every point that is served here. @throws Problem where they cannot be read. */
export async function points(): Promise<Point[]> {
  try {
    const answer = await fetch('/pass/points.json');
    return (await answer.json()) as Point[];
  } catch {
    throw problem('points', { fr: 'Les points de contrôle n’ont pas pu être lus.', en: 'The control points could not be read.' });
  }
}

export function pointName(point: Point): string {
  return say(point.title);
}
