// Puts the number of a worker into the ids of its sessions, so that every worker can find out which worker has a
// session.
//
//   A C k3…      20 characters of [A-Za-z0-9_-]
//   └─┘ └─ 108 random bits
//    └─ the worker's number, from 1 to 4095

import { generateId } from "../generate-id.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const ID_LENGTH = 20;

/** The largest number that a worker can have. */
export const MAX_WORKER_NUMBER = 4095;

/** Returns a new session id for the worker with this number. */
export function generateSessionId(number: number): string {
  const prefix = ALPHABET.charAt(number >> 6) + ALPHABET.charAt(number & 63);
  return prefix + generateId().slice(prefix.length);
}

/**
 * Returns the number of the worker that has a session. Returns `undefined` if the id was not created by
 * generateSessionId().
 */
export function ownerOf(sid: string): number | undefined {
  if (sid.length !== ID_LENGTH) return undefined;
  const high = ALPHABET.indexOf(sid.charAt(0));
  const low = ALPHABET.indexOf(sid.charAt(1));
  return high === -1 || low === -1 ? undefined : high * 64 + low;
}
