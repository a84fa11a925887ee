// All cases for clients.

import type { ClientCase } from "./case.ts";
import { SOCKETIO_CLIENT_CASES } from "./cases-socketio.ts";
import { WEBSOCKET_CLIENT_CASES } from "./cases-websocket.ts";

export const CLIENT_CASES: readonly ClientCase[] = [
  ...WEBSOCKET_CLIENT_CASES,
  ...SOCKETIO_CLIENT_CASES,
];
