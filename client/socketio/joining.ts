// The states of a client's socket in its namespace. Socket.IO "Connection to a namespace".
//
//   inactive ── connect ──▶ waiting ── ask ──▶ authenticating ── join ──▶ joining ── accept ──▶ connected
//                              ▲                     │                      │                     │
//                              └─────────────────────┴──────── lost ────────┴─────────────────────┘
//
//   waiting · authenticating ── accept ──▶ connected
//   every state but inactive ── leave ──▶ inactive
//
//   inactive        The program has not connected the socket, or the program or the server has disconnected the
//                   socket, or the server has refused the client.
//   waiting         The socket will send CONNECT when the manager has a connection.
//   authenticating  The function `auth` of the program was called, but has not yet passed the data of the CONNECT packet
//                   to its callback.
//   joining         The CONNECT packet was sent. A second CONNECT packet would make the server close the connection,
//                   so the socket sends CONNECT again only after `waiting`, over the next connection.
//   connected       Events are sent. In all other states events are buffered.
//
// If the server sends CONNECT before the client has sent CONNECT, the socket is connected without sending CONNECT.

/** A state in the diagram above. */
export type JoiningState = "inactive" | "waiting" | "authenticating" | "joining" | "connected";
/** An event that changes the state. */
export type JoiningEvent =
  /** The program connects the socket. */
  | "connect"
  /** The manager has a connection, so the function `auth` is called. */
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

/** Returns the state after `event`, or `undefined` if `event` cannot happen in `state`. */
export function nextJoiningState(
  state: JoiningState,
  event: JoiningEvent,
): JoiningState | undefined {
  return NEXT[state][event];
}
