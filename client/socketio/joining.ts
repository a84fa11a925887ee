// The state of a client's socket in its namespace, as a table. Socket.IO "Connection to a namespace".
//
//   inactive ── connect ──▶ waiting ── ask ──▶ authenticating ── join ──▶ joining ── accept ──▶ connected
//                              ▲                     │                      │                     │
//                              └─────────────────────┴──────── lost ────────┴─────────────────────┘
//
//   waiting · authenticating ── accept ──▶ connected
//   every state but inactive ── leave ──▶ inactive
//
//   inactive        The program has not connected the socket, or the socket has left the namespace: it was
//                   disconnected by the program or by the server, or refused.
//   waiting         The socket joins as soon as there is a connection.
//   authenticating  The program was asked for the data of the CONNECT packet, and may answer later.
//   joining         The CONNECT packet was sent. A second one on the same connection would make the server
//                   close that connection, so only `waiting` leads to another one.
//   connected       Events are sent. In every other state they are buffered.
//
// A server that sends CONNECT without being asked is believed.

export type JoiningState = "inactive" | "waiting" | "authenticating" | "joining" | "connected";
export type JoiningEvent =
  /** The program connects the socket. */
  | "connect"
  /** There is a connection, so the program is asked for `auth`. */
  | "ask"
  /** The CONNECT packet is sent. */
  | "join"
  /** The server has sent CONNECT. */
  | "accept"
  /** The connection was lost. */
  | "lost"
  /** The program or the server disconnects the socket, or the server refuses it. */
  | "leave";

// biome-ignore format: aligned table
const NEXT: Record<JoiningState, Partial<Record<JoiningEvent, JoiningState>>> = {
  inactive:       { connect: "waiting" },
  waiting:        { ask: "authenticating", accept: "connected", leave: "inactive" },
  authenticating: { join: "joining", accept: "connected", lost: "waiting", leave: "inactive" },
  joining:        { accept: "connected", lost: "waiting", leave: "inactive" },
  connected:      { lost: "waiting", leave: "inactive" },
};

/** Returns the state after `event`, or `undefined` where the event cannot happen. */
export function nextJoiningState(
  state: JoiningState,
  event: JoiningEvent,
): JoiningState | undefined {
  return NEXT[state][event];
}
