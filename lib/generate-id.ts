// The ids of sessions, of sockets, and those with which clients come back: random, and not to be guessed.

import { randomFillSync } from "node:crypto";

/**
 * A new id: 120 random bits in the 20 characters `[A-Za-z0-9_-]` that load balancers and
 * adapters for Socket.IO look for.
 */
export function generateId(): string {
  if (randomOffset === RANDOM.length) randomOffset = 0;
  // For one id at a time the call takes longer than the bytes.
  if (randomOffset === 0) randomFillSync(RANDOM);
  randomOffset += ID_LENGTH;
  return RANDOM.toString("base64url", randomOffset - ID_LENGTH, randomOffset);
}

/** Returns whether a room may be that of a socket's id: a generated one, which clients of Socket.IO 1 and 2 have behind "#". */
export function mayBeSocketId(room: unknown): boolean {
  return typeof room === "string" && /(?:^|#)[\w-]{20}$/.test(room);
}

const ID_LENGTH = 15;
const RANDOM = Buffer.allocUnsafeSlow(ID_LENGTH * 128);
let randomOffset = 0;
