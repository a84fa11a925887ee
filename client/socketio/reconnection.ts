// The connection of a manager and its reconnection, as a table.
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
//   closed        There is no connection, and the manager makes none by itself.
//   opening       A connection is being made because the program asked for it.
//   open          The sockets can join their namespaces.
//   disconnected  The connection was lost or could not be made, and listeners are being called. Nothing is
//                 decided: a listener that connects starts an attempt at once, and a listener that closes the
//                 manager prevents the reconnection. After the listeners, the manager waits or stops.
//   waiting       A timer runs until the next attempt. A socket that connects waits too.
//   reopening     A connection is being made as part of a reconnection: its success is a "reconnect", and
//                 its failure a "reconnect_error", after which the reconnection goes on.
//
// So a reconnection is the time from `disconnected` to `open`, with `waiting` and `reopening` taking turns.
// Its attempts are counted from `disconnected` on.

export type ConnectionState =
  | "closed"
  | "opening"
  | "open"
  | "disconnected"
  | "waiting"
  | "reopening";
export type ConnectionEvent =
  /** The program, a socket or the timer starts a connection. */
  | "attempt"
  /** The connection was made. */
  | "open"
  /** The connection could not be made. */
  | "fail"
  /** The connection was lost. */
  | "lost"
  /** The manager will make another attempt. */
  | "wait"
  /** No further attempt is made: the program turned the reconnection off, or the last attempt was made. */
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

/** Returns the state after `event`, or `undefined` where the event cannot happen. */
export function nextConnectionState(
  state: ConnectionState,
  event: ConnectionEvent,
): ConnectionState | undefined {
  return NEXT[state][event];
}

/** Returns whether a connection is being made. */
export function isConnecting(state: ConnectionState): boolean {
  return state === "opening" || state === "reopening";
}

/** Returns whether the manager connects again by itself. */
export function isReconnecting(state: ConnectionState): boolean {
  return state === "waiting" || state === "reopening";
}
