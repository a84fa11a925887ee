// The states of a client's Engine.IO connection. Engine.IO "Handshake", "Upgrade", "Heartbeat".
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
// The engine holds the queue of outgoing packets, and passes packets to a transport only while the transport is
// writable. Therefore no packet is lost during an upgrade.
//
//   opening           No packet is sent. Messages are queued until the open packet is received. A transport
//                     that fails in this state may be replaced by the next one, and the state stays the same.
//   open              Messages and pongs are sent over the transport.
//   probing           Packets are sent as in `open`. In addition, the probe packet is sent over the new transport.
//   upgrading         The server has answered the probe. No packet is sent until the polling transport has
//                     finished its requests. Then the upgrade packet is sent over the new transport, and after it
//                     the queue.
//   closing           The queue is sent, and new messages are dropped.
//   closingUpgrading  The upgrade continues as in `upgrading`, but new messages are dropped.
//   closed            Nothing is sent or reported.
//
// In `probing`, polling still carries the packets, so `close` abandons the probe. In `upgrading`, the polling transport
// sends no new requests, so the queue can be sent only over the new transport. Therefore `close` waits for the upgrade.
// For the same reason, the loss of either transport in `upgrading` is the loss of the connection.

/** A state in the diagram above. */
export type EngineState =
  | "opening"
  | "open"
  | "probing"
  | "upgrading"
  | "closing"
  | "closingUpgrading"
  | "closed";
/** An event that changes the state. */
export type EngineEvent =
  /** The open packet was received. */
  | "open"
  /** A probe of another transport was started. */
  | "probe"
  /** The server has answered the probe. */
  | "pong"
  /** The probe has failed. */
  | "abandon"
  /** The polling transport has finished its requests, and the new transport replaces it. */
  | "upgrade"
  /** The program closes the connection. */
  | "close"
  /** All packets of a closing connection were sent. */
  | "drained"
  /** The transport or the heartbeat has failed, or the server has closed the connection. */
  | "lost";

/** The state of a connection, with the names that engine.io-client uses. */
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

/** Returns the state after `event`, or `undefined` if `event` cannot happen in `state`. */
export function nextEngineState(state: EngineState, event: EngineEvent): EngineState | undefined {
  return NEXT[state][event];
}

/** Returns the name that engine.io-client uses for a state. */
export function readyStateOf(state: EngineState): ReadyState {
  return READY_STATES[state];
}

/** Returns whether the program's messages are sent or queued. If the result is `false`, the messages are dropped. */
export function maySend(state: EngineState): boolean {
  return state === "open" || state === "opening" || state === "probing" || state === "upgrading";
}

/** Returns whether packets of the queue may be sent. */
export function mayFlush(state: EngineState): boolean {
  return state === "open" || state === "probing" || state === "closing";
}
