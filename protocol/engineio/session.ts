// An Engine.IO v4 session, as a table ("Handshake", "Upgrade", "Heartbeat").
//
//                    ┌───────── abandon ────────┐
//                    ▼                          │
//   GET polling ─▶ polling ──── probe ────▶ probing ──── upgrade ──┐
//   GET websocket ─────────────────────────────────────────────────┴─▶ websocket
//
//   polling · websocket ── close ──▶ closing ── drained ──▶ closed
//   probing · closing ── close · probe ──▶ closingProbing ── upgrade · abandon ──▶ closing
//   anything ── lost ──▶ closed
//
// A client that has been sent "3probe" fetches nothing more by polling. So a session that closes while it
// is probing must still be upgraded: what was sent before the close can leave only by WebSocket.
//
// The state names the transport that carries the packets, so there is no `transport`, `upgrading`,
// `upgraded` or `readyState` beside it to disagree with.

export type SessionState =
  | "polling"
  | "probing"
  | "websocket"
  | "closing"
  | "closingProbing"
  | "closed";
export type SessionEvent = "probe" | "upgrade" | "abandon" | "close" | "drained" | "lost";

/** Why a session ended; what "disconnect" listeners are told. */
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

/** The state after `event`, or `undefined` where the peer may not cause it. */
export function nextSessionState(
  state: SessionState,
  event: SessionEvent,
): SessionState | undefined {
  return NEXT[state][event];
}
