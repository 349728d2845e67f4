/** The text on which a control rests, in words: what it asks, how it is called, the article. Its identifier is for the record. */
import type { Text } from '../../kit/types';

export interface Basis {
  /** Null where the text has no one sentence for it. */
  says: Text | null;
  title: Text;
  article: string;
}

/** "À la frontière, … (Code frontières Schengen, article 8(2))". */
export function basisText({ says, title, article }: Basis): Text {
  const line = (of: keyof Text): string => {
    const cited = `${title[of]}, article ${article}`;
    return says ? `${says[of].replace(/\.$/, '')} (${cited})` : cited;
  };
  return { fr: line('fr'), en: line('en') };
}
