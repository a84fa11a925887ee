// The closing handshake as a state table (RFC 6455 §7.1).
//
//              ┌── sendClose ──▶ closeSent ────── receiveClose ──┐
//      open ───┤                                                 ├──▶ finished ── end ──▶ closed
//              └ receiveClose ─▶ closeReceived ── sendClose ─────┘
//
//      open · closeSent · closeReceived ── fail ──▶ failed ── end ──▶ closed
//
// `open` is the OPEN state of the RFC, and `closed` is CLOSED (RFC 6455 §7.1.4). All other states are CLOSING.
// "The WebSocket Closing Handshake is Started" (RFC 6455 §7.1.3) by the first close frame that is sent or
// received. The table has no CONNECTING state, because an endpoint exists only after the opening handshake.
//
// `fail` is _Fail the WebSocket Connection_ (RFC 6455 §7.1.7). After `fail`, the endpoint reads nothing.
//
// `end` is the end of the TCP connection. It leads from every state to `closed`, even if the connection was
// lost or the server aborted it (RFC 6455 §7.2.1, §7.2.2). If the state was not `finished`, the closure was
// not clean (RFC 6455 §7.1.4). Without a close frame of the peer, the code is 1006 (RFC 6455 §7.1.5).

/** The state of a WebSocket connection after the opening handshake. */
export type ClosingState =
  | "open"
  | "closeSent"
  | "closeReceived"
  | "finished"
  | "failed"
  | "closed";
/** An event that changes the state of a WebSocket connection. */
export type ClosingEvent = "sendClose" | "receiveClose" | "fail" | "end";

// biome-ignore format: aligned table
const NEXT: Record<ClosingState, Partial<Record<ClosingEvent, ClosingState>>> = {
  open:          { sendClose: "closeSent", receiveClose: "closeReceived", fail: "failed", end: "closed" },
  closeSent:     { receiveClose: "finished", fail: "failed", end: "closed" },
  closeReceived: { sendClose: "finished", fail: "failed", end: "closed" },
  finished:      { end: "closed" },
  failed:        { end: "closed" },
  closed:        {},
};

/**
 * Returns the state after `event`, or `undefined` if `event` cannot happen in `state` (RFC 6455 §7.1).
 *
 * @param state the current state
 * @param event the event that occurs in this state
 */
export function nextClosingState(
  state: ClosingState,
  event: ClosingEvent,
): ClosingState | undefined {
  return NEXT[state][event];
}

/**
 * Returns whether data frames may be sent.
 *
 * RFC 6455 §5.5.1: "The application MUST NOT send any more data frames after sending a Close frame."
 *
 * @param state the current state
 */
export function maySendData(state: ClosingState): boolean {
  return state === "open" || state === "closeReceived";
}

/**
 * Returns whether frames from the peer are still read.
 *
 * RFC 6455 §1.4: after receiving a close frame, "a peer discards any further data received".
 *
 * @param state the current state
 */
export function mayReceive(state: ClosingState): boolean {
  return state === "open" || state === "closeSent";
}
