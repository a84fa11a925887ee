// All cases for clients.

import { join } from "node:path";

import type { ClientCase } from "../harness/client-case.ts";
import { loadClientCases } from "../transcripts/load.ts";
import { WEBSOCKET_CLIENT_CASES } from "./client/websocket.ts";

/**
 * The files with the cases for Socket.IO clients, in the order of the specifications. Malformed packets are last,
 * because a client that crashes runs no more cases.
 */
const SOCKETIO = ["engineio", "connect", "events", "acks", "disconnect", "malformed"];

export const CLIENT_CASES: readonly ClientCase[] = [
  ...WEBSOCKET_CLIENT_CASES,
  ...SOCKETIO.flatMap((name) =>
    loadClientCases(join(import.meta.dirname, "client/socketio", `${name}.wire`)),
  ),
];
