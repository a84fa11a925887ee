// A case for a client under test. The kit is the server.

import type { Case } from "./case.ts";
import type { ClientContext } from "./client-context.ts";

/** Connections to the path of Socket.IO belong to Socket.IO clients, all other connections to WebSocket clients. */
export type ClientKind = "websocket" | "socketio";

export interface ClientCase extends Omit<Case, "run" | "alone"> {
  readonly kind: ClientKind;
  /** How often the client must connect. Default: 1. */
  readonly connections?: number;
  readonly run: (context: ClientContext) => Promise<void>;
}
