// An Engine.IO v4 session, as a table ("Handshake", "Upgrade", "Heartbeat").
//
//                    ┌───────── abandon ────────┐
//                    ▼                          │
//   GET polling ─▶ polling ──── probe ────▶ probing ──── upgrade ──┐
//   GET websocket ─────────────────────────────────────────────────┴─▶ websocket
//
//   polling · probing · websocket ── close ──▶ closing ── drained ──▶ closed
//   anything ── lost ──▶ closed
//
// The state names the transport that carries the packets, so there is no `transport`, `upgrading`,
// `upgraded` or `readyState` beside it to disagree with.

export type SessionState = "polling" | "probing" | "websocket" | "closing" | "closed";
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
  polling:   { probe: "probing", close: "closing", lost: "closed" },
  probing:   { upgrade: "websocket", abandon: "polling", close: "closing", lost: "closed" },
  websocket: { close: "closing", lost: "closed" },
  closing:   { drained: "closed", lost: "closed" },
  closed:    {},
};

/** The state after `event`, or `undefined` where the peer may not cause it. */
export function nextSessionState(
  state: SessionState,
  event: SessionEvent,
): SessionState | undefined {
  return NEXT[state][event];
}
