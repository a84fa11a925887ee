// Generates the ids of sessions and sockets, and the secret ids with which clients recover their sessions. All ids are
// random and cannot be guessed.

import { randomFillSync } from "node:crypto";

/**
 * Returns a new id: 120 random bits as 20 characters of `[A-Za-z0-9_-]`. Load balancers and adapters for Socket.IO
 * expect this form.
 */
export function generateId(): string {
  if (randomOffset === RANDOM.length) randomOffset = 0;
  // One call of randomFillSync() fills the bytes of 128 ids, because the call itself takes longer than the filling.
  if (randomOffset === 0) randomFillSync(RANDOM);
  randomOffset += ID_LENGTH;
  return RANDOM.toString("base64url", randomOffset - ID_LENGTH, randomOffset);
}

/**
 * Returns whether the name of a room has the form of a socket's id: a generated id or, for clients of Socket.IO 1 and 2,
 * the namespace, "#" and a generated id. Each socket is in the room with its id.
 */
export function mayBeSocketId(room: unknown): boolean {
  return typeof room === "string" && /(?:^|#)[\w-]{20}$/.test(room);
}

const ID_LENGTH = 15;
const RANDOM = Buffer.allocUnsafeSlow(ID_LENGTH * 128);
let randomOffset = 0;
