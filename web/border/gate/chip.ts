/** The chip of the travel document at the border's gate: read by the reader beside it, sealed to the room before it leaves the page. */
import { readChip, reader } from '../kiosk/reader';
import type { PublicKey } from '../shared/seal';

/** Between two looks at the reader. */
const EVERY_MS = 500;

/** Waits until a document lies there. @throws Error where `going` ends. */
export async function laid(going: () => boolean): Promise<void> {
  while (going()) {
    if ((await reader()).zone.length > 0) return;
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
  throw new Error('no document');
}

/** The chip's files, sealed. */
export function chipRead(key: PublicKey): Promise<string> {
  return readChip(key);
}
