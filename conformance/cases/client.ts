// All cases for clients.

import type { ClientCase } from "../harness/client-case.ts";
import { SOCKETIO_CLIENT_CASES } from "./client/socketio.ts";
import { WEBSOCKET_CLIENT_CASES } from "./client/websocket.ts";

export const CLIENT_CASES: readonly ClientCase[] = [
  ...WEBSOCKET_CLIENT_CASES,
  ...SOCKETIO_CLIENT_CASES,
];
