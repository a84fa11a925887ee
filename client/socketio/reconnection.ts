// The states of a manager's connection, including the reconnection.
//
//   closed ── attempt ──▶ opening ─────── open ──────▶ open ◀───── open ────┐
//                         ▲     │                      │                   │
//                      attempt fail                   lost                 │
//                         │     ▼                      │                   │
//                        disconnected ◀────────────────┘                   │
//                               │                                          │
//                              wait                                        │
//                               ▼                                          │
//                            waiting ─── attempt ──▶ reopening ────────────┘
//                               ▲                        │
//                               └───────── fail ─────────┘
//
//   reopening ── stop ──▶ opening
//   disconnected · waiting ── stop ──▶ closed
//   every state but closed ── close ──▶ closed
//
//   closed        There is no connection, and the manager does not open a connection by itself.
//   opening       A connection is being opened because the program called open(), or a socket needs a connection.
//   open          The sockets can join their namespaces.
//   disconnected  The connection was lost or could not be opened, and the listeners are being called. A listener
//                 may call open(), which starts an attempt at once, or close(), which prevents the reconnection.
//                 After the listeners, the manager waits or stops.
//   waiting       A timer runs until the next attempt. A socket that connects in this state waits for the timer.
//   reopening     A connection is being opened as part of a reconnection. If the attempt succeeds, the manager emits
//                 "reconnect". If the attempt fails, the manager emits "reconnect_error", and waits again or stops.
//
// A reconnection lasts from `disconnected` to `open`, while `waiting` and `reopening` alternate. In the state
// `disconnected`, the number of attempts is set to 0.

/** A state in the diagram above. */
export type ConnectionState =
  | "closed"
  | "opening"
  | "open"
  | "disconnected"
  | "waiting"
  | "reopening";
/** An event that changes the state. */
export type ConnectionEvent =
  /** The program, a socket or the timer starts a connection. */
  | "attempt"
  /** The connection was opened. */
  | "open"
  /** The connection could not be opened. */
  | "fail"
  /** The connection was lost. */
  | "lost"
  /** The manager will make another attempt. */
  | "wait"
  /** No further attempt follows: the program disabled the reconnection, or all attempts have failed. */
  | "stop"
  /** The program closes the manager. */
  | "close";

// biome-ignore format: aligned table
const NEXT: Record<ConnectionState, Partial<Record<ConnectionEvent, ConnectionState>>> = {
  closed:       { attempt: "opening" },
  opening:      { open: "open", fail: "disconnected", close: "closed" },
  open:         { lost: "disconnected", close: "closed" },
  disconnected: { attempt: "opening", wait: "waiting", stop: "closed", close: "closed" },
  waiting:      { attempt: "reopening", wait: "waiting", stop: "closed", close: "closed" },
  reopening:    { open: "open", fail: "waiting", stop: "opening", close: "closed" },
};

/** Returns the state after `event`, or `undefined` if `event` cannot happen in `state`. */
export function nextConnectionState(
  state: ConnectionState,
  event: ConnectionEvent,
): ConnectionState | undefined {
  return NEXT[state][event];
}

/** Returns whether a connection is being opened. */
export function isConnecting(state: ConnectionState): boolean {
  return state === "opening" || state === "reopening";
}

/** Returns whether the manager is reconnecting: it waits for the next attempt, or the attempt is in progress. */
export function isReconnecting(state: ConnectionState): boolean {
  return state === "waiting" || state === "reopening";
}
