// A request to other processes: who is still to answer, and when the wait is over.
//
//   expect() ─┬─ the last answer arrives ────────────▶ onComplete([])
//             ├─ the last one without is removed ────▶ onComplete(missing)
//             ├─ all that received it have answered ─▶ onComplete(those that did not receive it)
//             └─ the deadline passes ────────────────▶ onComplete(missing)
//
// Answers may arrive before the set of expected processes is known. They wait until it is.
//
// Rule: each process answers once. A second answer, and that of a process that nobody expects, counts for
// nothing: whoever can publish could otherwise end a request, and have processes removed that are there.

import type { NodeId } from "./cluster-messages.ts";

/** Who answers a request. */
export interface Expected {
  /** The processes that are known by their ids. */
  readonly nodes: Iterable<NodeId>;
  /** How many more there are. Their answers may have no id. */
  readonly unknown: number;
  /** How many have received the request, where that is known: no more of them can answer. */
  readonly received?: number | undefined;
  /** The request was not sent: nobody will answer. */
  readonly failed?: boolean;
}

/** What stands for a process without an id in the list of those that have not answered. */
export const UNKNOWN_NODE = "unknown";

/**
 * Why the wait for a request is over: all that are there have "answered", or all that it reached and the
 * others were "unreached"; the "timeout" has passed; it "failed" to be sent; the adapter was "closed".
 */
export type Completion = "answered" | "unreached" | "timeout" | "failed" | "closed";

/** What is known of a process: it is "asked" and has not answered; it was removed without an answer; it has left. */
type NodeState = "asked" | "answered" | "missing" | "left";

export class PendingRequest {
  private readonly nodes = new Map<NodeId, NodeState>();
  /** Processes of `nodes` that are still to answer. */
  private waiting = 0;
  private unknown = 0;
  private received = Number.POSITIVE_INFINITY;
  private answered = 0;
  // What came before expect(): answers, and processes that were removed.
  private early: (() => void)[] | undefined = [];
  private readonly removed = new Map<NodeId, boolean>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly presumed: Expected;
  private readonly onComplete: (missing: readonly NodeId[], why: Completion) => void;

  /**
   * @param timeout milliseconds after which the wait is over
   * @param presumed the processes that count as expected if the wait is over before expect()
   * @param onComplete called once, with the processes that have not answered, and why the wait is over
   */
  constructor(
    timeout: number,
    presumed: Expected,
    onComplete: (missing: readonly NodeId[], why: Completion) => void,
  ) {
    this.presumed = presumed;
    this.onComplete = onComplete;
    this.timer = setTimeout(() => this.finish("timeout"), timeout);
  }

  /** Sets which processes are expected to answer. */
  expect(expected: Expected): void {
    if (this.timer === undefined) return;
    this.open(expected, expected.unknown);
    if (expected.failed) this.finish("failed");
    this.check();
  }

  /** Calls back when the expected processes are known: at once, or in the order of the calls. */
  whenExpected(handle: () => void): void {
    if (this.early === undefined) handle();
    else this.early.push(handle);
  }

  /**
   * An answer has arrived.
   *
   * @param node `undefined` where the answer does not say
   * @param take called with the first answer of a process that is expected, and with no other
   */
  answer(node: NodeId | undefined, take: () => void): void {
    this.whenExpected(() => {
      if (this.timer === undefined || !this.count(node)) return;
      this.answered++;
      take();
      this.check();
    });
  }

  /**
   * A process will not answer any more. One that has answered is not waited for anyway.
   *
   * @param missing whether its answer is missing: not that of a process that has left
   */
  remove(node: NodeId, missing: boolean): void {
    if (this.early !== undefined) this.removed.set(node, missing);
    else this.lose(node, missing);
    this.check();
  }

  /** Ends the wait now. Those that have not answered are missing. */
  finish(why: Completion): void {
    if (this.timer === undefined) return;
    if (this.early !== undefined) {
      // The expected processes were never known. Those that have answered are there.
      this.open(this.presumed, this.early.length);
      this.unknown = this.presumed.unknown;
    }
    this.stop();
    const missing = [...this.nodes].flatMap(([node, state]) =>
      state === "asked" || state === "missing" ? [node] : [],
    );
    const unknown = Array.from({ length: Math.max(0, this.unknown) }, () => UNKNOWN_NODE);
    this.onComplete([...missing, ...unknown], why);
  }

  /** Ends the wait without a call. */
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.early = undefined;
  }

  /** Counts an answer. Whether it is the first one of a process that is expected. */
  private count(node: NodeId | undefined): boolean {
    const state = node === undefined ? undefined : this.nodes.get(node);
    if (state === "answered" || state === "left") return false;
    if (state === "asked") this.waiting--;
    // One that was removed, since it was silent, is there after all.
    if (state === undefined) {
      if (this.unknown <= 0) return false;
      this.unknown--;
    }
    if (node !== undefined) this.nodes.set(node, "answered");
    return true;
  }

  /** Takes what came early. `unknown`: how many answers of others than `nodes` count. */
  private open({ nodes, received = Number.POSITIVE_INFINITY }: Expected, unknown: number): void {
    for (const node of nodes) this.nodes.set(node, "asked");
    this.waiting = this.nodes.size;
    this.unknown = unknown;
    this.received = received;
    for (const [node, missing] of this.removed) this.lose(node, missing);
    // check() waits until all are counted.
    for (const handle of this.early ?? []) handle();
    this.early = undefined;
  }

  private lose(node: NodeId, missing: boolean): void {
    if (this.nodes.get(node) !== "asked") return;
    this.nodes.set(node, missing ? "missing" : "left");
    this.waiting--;
  }

  private check(): void {
    if (this.timer === undefined || this.early !== undefined) return;
    // Nobody else has received it, whatever was thought before.
    if (this.answered >= this.received) {
      this.unknown = 0;
      this.finish("unreached");
    } else if (this.waiting === 0 && this.unknown <= 0) {
      this.finish("answered");
    }
  }
}
