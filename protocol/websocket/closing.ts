// The closing handshake: RFC 6455 §7.1, as a table.
//
//              ┌── sendClose ──▶ closeSent ────── receiveClose ──┐
//      open ───┤                                                 ├──▶ finished ── end ──▶ closed
//              └ receiveClose ─▶ closeReceived ── sendClose ─────┘
//
//      open · closeSent · closeReceived ── fail ──▶ failed ── end ──▶ closed
//
// In the RFC's words: `open` is OPEN; every state between `open` and `closed` is CLOSING, and "The
// WebSocket Closing Handshake is Started" (RFC 6455 §7.1.3) by the first close frame that is sent or
// received; `closed` is CLOSED (RFC 6455 §7.1.4). CONNECTING is not here: an endpoint exists only after
// the opening handshake.
//
// `fail` is _Fail the WebSocket Connection_ (RFC 6455 §7.1.7): from then on nothing is read. From every
// state, the end of the TCP connection (`end`) leads to `closed`, also when it was lost or the server
// aborted it (RFC 6455 §7.2.1, §7.2.2). Unless the state was `finished`, the closure was not clean
// (RFC 6455 §7.1.4) and its code is 1006 (RFC 6455 §7.1.5).

export type ClosingState =
  | "open"
  | "closeSent"
  | "closeReceived"
  | "finished"
  | "failed"
  | "closed";
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

/** The state after `event`, or `undefined` where it cannot happen. */
export function nextClosingState(
  state: ClosingState,
  event: ClosingEvent,
): ClosingState | undefined {
  return NEXT[state][event];
}

/** RFC 6455 §5.5.1: "The application MUST NOT send any more data frames after sending a Close frame." */
export function maySendData(state: ClosingState): boolean {
  return state === "open" || state === "closeReceived";
}

// RFC 6455 §1.4: after receiving a close frame, "a peer discards any further data received".
/** Whether what the peer sends is still read. */
export function mayReceive(state: ClosingState): boolean {
  return state === "open" || state === "closeSent";
}
