// The states of a client's connection, as a table: Engine.IO "Handshake", "Upgrade", "Heartbeat".
//
//   opening ── open ──▶ open ── probe ──▶ probing ── pong ──▶ upgrading
//                        ▲ ▲                 │                    │
//                        │ └──── abandon ────┘                    │
//                        └─────────────── upgrade ────────────────┘
//
//   opening ── close ──▶ closed
//   open · probing ── close ──▶ closing ── drained ──▶ closed
//   upgrading ── close ──▶ closingUpgrading ── upgrade ──▶ closing
//   every state but closed ── lost ──▶ closed
//
// The engine owns the queue of outgoing packets, and gives a transport packets only when that transport is
// writable. So no packet is ever between two transports.
//
//   opening           No packet is sent. Messages are queued until the open packet is received. A transport
//                     that fails here may be replaced by the next one, without a change of the state.
//   open              Messages and pongs are sent over the transport.
//   probing           As in `open`. Only the probe packet is sent over the new transport.
//   upgrading         The server has answered the probe. No packet is sent until the polling transport has
//                     finished its requests. Then the upgrade packet is the first one over the new transport,
//                     and the queue follows.
//   closing           The queue is sent, and new messages are dropped.
//   closingUpgrading  As in `upgrading`, and new messages are dropped.
//   closed            Nothing is sent or reported.
//
// A probe may be abandoned as long as polling still carries the packets: nothing but the probe was sent over
// the new transport. Therefore `close` in `probing` abandons the probe, while `close` in `upgrading` waits for
// the upgrade: the server sends nothing more by polling, so the queue can only be sent over the new transport.
// For the same reason the loss of either transport in `upgrading` is the loss of the connection.

export type EngineState =
  | "opening"
  | "open"
  | "probing"
  | "upgrading"
  | "closing"
  | "closingUpgrading"
  | "closed";
export type EngineEvent =
  /** The open packet was received. */
  | "open"
  /** A probe of another transport was started. */
  | "probe"
  /** The server has answered the probe. */
  | "pong"
  /** The probe has failed. */
  | "abandon"
  /** The polling transport has finished its requests, so the other transport takes its place. */
  | "upgrade"
  /** The program closes the connection. */
  | "close"
  /** All packets of a closing connection were sent. */
  | "drained"
  /** The transport or the heartbeat has failed, or the server has closed the connection. */
  | "lost";

/** The state as programs for engine.io-client know it. */
export type ReadyState = "opening" | "open" | "closing" | "closed";

// biome-ignore format: aligned table
const NEXT: Record<EngineState, Partial<Record<EngineEvent, EngineState>>> = {
  opening:          { open: "open", close: "closed", lost: "closed" },
  open:             { probe: "probing", close: "closing", lost: "closed" },
  probing:          { pong: "upgrading", abandon: "open", close: "closing", lost: "closed" },
  upgrading:        { upgrade: "open", close: "closingUpgrading", lost: "closed" },
  closing:          { drained: "closed", lost: "closed" },
  closingUpgrading: { upgrade: "closing", lost: "closed" },
  closed:           {},
};

const READY_STATES: Readonly<Record<EngineState, ReadyState>> = {
  opening: "opening",
  open: "open",
  probing: "open",
  upgrading: "open",
  closing: "closing",
  closingUpgrading: "closing",
  closed: "closed",
};

/** Returns the state after `event`, or `undefined` where the event cannot happen. */
export function nextEngineState(state: EngineState, event: EngineEvent): EngineState | undefined {
  return NEXT[state][event];
}

export function readyStateOf(state: EngineState): ReadyState {
  return READY_STATES[state];
}

/** Returns whether messages of the program are accepted. */
export function maySend(state: EngineState): boolean {
  return state === "open" || state === "opening" || state === "probing" || state === "upgrading";
}

/** Returns whether the transport may be given packets of the queue. */
export function mayFlush(state: EngineState): boolean {
  return state === "open" || state === "probing" || state === "closing";
}
