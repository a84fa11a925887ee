// Tracks a request to other processes: which processes have not answered yet, and when the request is complete.
//
//   expect() ─┬─ the last answer arrives ──────────────────────▶ onComplete([])
//             ├─ the last process without an answer is removed ─▶ onComplete(missing)
//             ├─ all receivers of the request have answered ────▶ onComplete(processes that did not receive it)
//             └─ the timeout expires ───────────────────────────▶ onComplete(missing)
//
// Answers may arrive before the set of expected processes is known. These answers are buffered.
//
// Rule: each process answers once. A second answer is ignored, and so is an answer of an unexpected process. Otherwise
// anyone who can publish messages could send invented answers. As soon as the number of answers equals the number of
// receivers, the request would be complete, and processes that are alive but have not answered would be removed.

import type { NodeId } from "./cluster-messages.ts";

/** The processes that are expected to answer a request. */
export interface Expected {
  /** The ids of the known processes. */
  readonly nodes: Iterable<NodeId>;
  /** The number of further processes, whose ids are not known. Their answers may contain no id. */
  readonly unknown: number;
  /** How many processes have received the request, if known. No other process can answer. */
  readonly received?: number | undefined;
  /** Whether the request could not be sent, so that no process will answer. */
  readonly failed?: boolean;
}

/** Stands for a process without a known id in the list of missing processes. */
export const UNKNOWN_NODE = "unknown";

/**
 * Why a request is complete. "answered": all processes that are alive have answered. "unreached": all processes that
 * received the request have answered, and the missing processes did not receive it. "timeout": the timeout has expired.
 * "failed": the request could not be sent. "closed": the adapter was closed.
 */
export type Completion = "answered" | "unreached" | "timeout" | "failed" | "closed";

/**
 * The state of a process. "asked": it has not answered yet. "answered": it has answered. "missing": it was removed
 * before it answered. "left": it has left the cluster.
 */
type NodeState = "asked" | "answered" | "missing" | "left";

/** Waits for the answers to one request. */
export class PendingRequest {
  private readonly nodes = new Map<NodeId, NodeState>();
  /** The number of processes in `nodes` that have not answered yet. */
  private waiting = 0;
  private unknown = 0;
  private received = Number.POSITIVE_INFINITY;
  private answered = 0;
  // Until expect() is called, answers are buffered in `early`, and removed processes in `removed`.
  private early: (() => void)[] | undefined = [];
  private readonly removed = new Map<NodeId, boolean>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly presumed: Expected;
  private readonly onComplete: (missing: readonly NodeId[], why: Completion) => void;

  /**
   * @param timeout how long to wait for answers, in milliseconds
   * @param presumed the expected processes, used if the request is complete before expect() is called
   * @param onComplete called once, with the processes that have not answered and the reason
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

  /**
   * Calls a function as soon as the expected processes are known. Until then, functions are buffered, and later called
   * in order.
   */
  whenExpected(handle: () => void): void {
    if (this.early === undefined) handle();
    else this.early.push(handle);
  }

  /**
   * Handles an answer.
   *
   * @param node the id of the process, or `undefined` if the answer does not contain it
   * @param take called if this is the first answer of an expected process. Other answers are
   * ignored
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
   * Called when a process will not answer any more. Has no effect if the process has already answered.
   *
   * @param missing whether the answer of the process counts as missing. `false` if the process has left the cluster
   */
  remove(node: NodeId, missing: boolean): void {
    if (this.early !== undefined) this.removed.set(node, missing);
    else this.lose(node, missing);
    this.check();
  }

  /** Completes the request now. Processes that have not answered are reported as missing. */
  finish(why: Completion): void {
    if (this.timer === undefined) return;
    if (this.early !== undefined) {
      // expect() was not called, so the presumed processes are used. Each buffered answer is accepted even if its
      // process is not a presumed process, because a process that has answered is alive.
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

  /** Stops waiting, and does not call `onComplete`. */
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.early = undefined;
  }

  /** Counts an answer. Returns whether the answer is the first one of an expected process. */
  private count(node: NodeId | undefined): boolean {
    const state = node === undefined ? undefined : this.nodes.get(node);
    if (state === "answered" || state === "left") return false;
    if (state === "asked") this.waiting--;
    // An answer of a process that is not in `nodes` is accepted only as long as unknown processes
    // are expected. An answer of a removed process ("missing") is accepted too, because the process
    // is alive after all.
    if (state === undefined) {
      if (this.unknown <= 0) return false;
      this.unknown--;
    }
    if (node !== undefined) this.nodes.set(node, "answered");
    return true;
  }

  /**
   * Sets the expected processes, and handles the buffered answers.
   *
   * @param unknown how many answers of processes that are not in `nodes` are accepted
   */
  private open({ nodes, received = Number.POSITIVE_INFINITY }: Expected, unknown: number): void {
    for (const node of nodes) this.nodes.set(node, "asked");
    this.waiting = this.nodes.size;
    this.unknown = unknown;
    this.received = received;
    for (const [node, missing] of this.removed) this.lose(node, missing);
    // check() does nothing until all buffered answers are counted.
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
    // All processes that received the request have answered, so the request is complete, even if more processes were
    // expected.
    if (this.answered >= this.received) {
      this.unknown = 0;
      this.finish("unreached");
    } else if (this.waiting === 0 && this.unknown <= 0) {
      this.finish("answered");
    }
  }
}
