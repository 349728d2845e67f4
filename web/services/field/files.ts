/**
 * Photos and other files, sealed piece by piece as they are chosen; sent piece by piece before the act that names them.
 *
 * Nothing of them lies in clear on the device. A lost answer gives the same grant again (`client_id`), a cut one goes on from where
 * the platform says it is.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import type { Vault } from '../../kit/store/vault';
import type { ProblemBody } from '../../kit/types';
import { act, later, Lost, put, Said, there } from './asking';
import { hex } from './chain';

/** Bytes sealed at once: what the platform takes as one chunk. */
const PIECE = 1024 * 1024;
export const MOST_FILES = 20;
export const MOST_BYTES = 64 * PIECE;

export interface Kept {
  id: string;
  name: string;
  type: string;
  bytes: number;
  sha256: string;
  sent: boolean;
  /** Why the platform did not take it. */
  why: ProblemBody | null;
}

/** Seals a file; durable when it returns. */
export async function seal(vault: Vault, file: File): Promise<Kept> {
  const id = crypto.randomUUID();
  const hash = sha256.create();
  try {
    for (let at = 0, number = 0; at < file.size; at += PIECE, number += 1) {
      const piece = new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer());
      hash.update(piece);
      await vault.keepPiece(id, number, piece);
    }
  } catch (error) {
    await vault.forgetFile(id).catch(() => undefined); // no room for all of it: none of it stays
    throw error;
  }
  return { id, name: file.name, type: file.type, bytes: file.size, sha256: hex(hash.digest()), sent: false, why: null };
}

interface Opened {
  id: string;
  secret: string;
}

/** Sends a file for `owner`, from its opened pieces. @throws Lost, Said */
export async function send(owner: string, file: Kept, piece: (number: number) => Promise<ArrayBuffer>): Promise<void> {
  const given = { owner, name: file.name, bytes: file.bytes, media: file.type, sha256: file.sha256, client_id: file.id };
  const grant = await act<Opened>('services.upload.open', given);
  let at = await there(grant.id, grant.secret);
  while (at !== null && at < file.bytes) {
    const content = await piece(Math.floor(at / PIECE));
    at = await put(grant.id, grant.secret, at, content.slice(at % PIECE)).catch((error: unknown) => {
      // A chunk that broke off, or one that had come though its answer was lost: of the file itself nothing is wrong.
      throw error instanceof Said && [400, 409].includes(error.status) ? new Lost('broke off') : error;
    });
  }
  await act('services.upload.seal', { upload: grant.id, secret: grant.secret, sha256: file.sha256 });
}

/** Whether it says nothing about the file: it is sent again, and what names it waits. */
export function goesOn(error: unknown): boolean {
  return later(error) || (error instanceof Said && [401, 403, 409].includes(error.status));
}

/** Brings a file to the platform for `owner`; says of itself whether it is there, or why it was not taken. @throws Lost, Said (later) */
export async function bring(vault: Vault, owner: string, file: Kept): Promise<Kept> {
  try {
    await send(owner, file, (number) => vault.piece(file.id, number));
    return { ...file, sent: true };
  } catch (error) {
    if (!(error instanceof Said) || goesOn(error)) throw error;
    return { ...file, why: error.body };
  }
}
