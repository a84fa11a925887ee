// A case for a client: the kit is the server to which it connects.

import type { Case } from "./case.ts";
import type { ClientContext } from "./client-context.ts";

/** What comes to the path of Socket.IO is of a Socket.IO client; all else of a WebSocket client. */
export type ClientKind = "websocket" | "socketio";

export interface ClientCase extends Omit<Case, "run" | "alone"> {
  readonly kind: ClientKind;
  /** How often the client has to come. Default 1. */
  readonly connections?: number;
  readonly run: (context: ClientContext) => Promise<void>;
}
