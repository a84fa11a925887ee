// The states of an Engine.IO session, as a table ("Handshake", "Upgrade", "Heartbeat").
//
//                    ┌───────── abandon ────────┐
//                    ▼                          │
//   GET polling ─▶ polling ──── probe ────▶ probing ──── upgrade ──┐
//   GET websocket ─────────────────────────────────────────────────┴─▶ websocket
//
//   polling · websocket ── close ──▶ closing ── drained ──▶ closed
//   probing · closing ── close · probe ──▶ closingProbing ── upgrade · abandon ──▶ closing
//   every state ── lost ──▶ closed
//
// A client stops polling after it has received "3probe". Therefore a session that is closed in the state `probing` must
// still complete the upgrade: the packets that wait to be sent can only be sent over WebSocket.
//
// The state also determines the transport that carries the packets. Therefore the session needs no other
// variables, such as `transport`, `upgrading` or `readyState`, which could contradict the state.

/** The state of a session on the server. */
export type SessionState =
  | "polling"
  | "probing"
  | "websocket"
  | "closing"
  | "closingProbing"
  | "closed";
/**
 * An event that changes the state of a session:
 * - "probe": the client tests a WebSocket.
 * - "upgrade": the client completes the change to the WebSocket.
 * - "abandon": the change to the WebSocket has failed.
 * - "close": the server closes the session.
 * - "drained": all packets were sent.
 * - "lost": the session ends immediately, for example because the transport has ended.
 */
export type SessionEvent = "probe" | "upgrade" | "abandon" | "close" | "drained" | "lost";

/** The reason why a session ended, as listeners of "disconnect" receive it. */
export type CloseReason =
  | "transport close"
  | "transport error"
  | "ping timeout"
  | "parse error"
  | "forced close";

// biome-ignore format: aligned table
const NEXT: Record<SessionState, Partial<Record<SessionEvent, SessionState>>> = {
  polling:        { probe: "probing", close: "closing", lost: "closed" },
  probing:        { upgrade: "websocket", abandon: "polling", close: "closingProbing", lost: "closed" },
  websocket:      { close: "closing", lost: "closed" },
  closing:        { probe: "closingProbing", drained: "closed", lost: "closed" },
  closingProbing: { upgrade: "closing", abandon: "closing", drained: "closed", lost: "closed" },
  closed:         {},
};

/**
 * Returns the state after `event`, or `undefined` if the event is not allowed in `state`.
 *
 * @param state the current state
 * @param event the event that occurs in this state
 */
export function nextSessionState(
  state: SessionState,
  event: SessionEvent,
): SessionState | undefined {
  return NEXT[state][event];
}
