// The closing handshake: RFC 6455 §7.1, as a table.
//
//              ┌── sendClose ──▶ closeSent ────── receiveClose ──┐
//      open ───┤                                                 ├──▶ finished ── end ──▶ closed
//              └ receiveClose ─▶ closeReceived ── sendClose ─────┘
//
//      open · closeSent · closeReceived ── fail ──▶ failed ── end ──▶ closed
//
// `fail` is _Fail the WebSocket Connection_ (§7.1.7): from then on nothing is read. From anywhere,
// the end of the TCP connection (`end`) leads to `closed`; unless the state was `finished` the
// closure was not clean (§7.1.4) and its code is 1006 (§7.1.5).

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

/** §5.5.1: "The application MUST NOT send any more data frames after sending a Close frame." */
export function maySendData(state: ClosingState): boolean {
  return state === "open" || state === "closeReceived";
}

/** §1.4: after a close frame "that peer does not send any further data", and what comes all the same is discarded. */
export function mayReceive(state: ClosingState): boolean {
  return state === "open" || state === "closeSent";
}
