// All cases of Socket.IO 5.

import type { Case } from "../kit/case.ts";
import { SOCKETIO_ACKS } from "./socketio-acks.ts";
import { SOCKETIO_BINARY } from "./socketio-binary.ts";
import { SOCKETIO_CONNECT } from "./socketio-connect.ts";
import { SOCKETIO_DISCONNECT } from "./socketio-disconnect.ts";
import { SOCKETIO_EVENTS } from "./socketio-events.ts";
import { SOCKETIO_MALFORMED } from "./socketio-malformed.ts";
import { SOCKETIO_POLLING } from "./socketio-polling.ts";

export const SOCKETIO: readonly Case[] = [
  ...SOCKETIO_CONNECT,
  ...SOCKETIO_EVENTS,
  ...SOCKETIO_BINARY,
  ...SOCKETIO_ACKS,
  ...SOCKETIO_DISCONNECT,
  ...SOCKETIO_MALFORMED,
  ...SOCKETIO_POLLING,
];
