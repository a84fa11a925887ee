// Tests the table of pending acknowledgements.

import assert from "node:assert/strict";
import { beforeEach, describe, mock, test } from "node:test";

import { Acknowledgements, ackCallback, ackPromise } from "../../../lib/events/acknowledgements.ts";

describe("Acknowledgements", () => {
  let calls: unknown[] = [];
  /** Records each call as the id, the error's code or `null`, and the arguments. */
  const record =
    (id: number) =>
    (error: (Error & { code?: string }) | null, args: readonly unknown[]): void => {
      calls.push([id, error?.code ?? null, ...args]);
    };
  beforeEach(() => {
    calls = [];
  });

  test("calls back once, with the received arguments", () => {
    const table = new Acknowledgements();
    table.await(0, record(0));
    table.await(1, record(1));
    table.receive(1, ["a", 2]);
    table.receive(1, ["again"]);
    table.receive(7, ["unknown"]);
    table.receive(0, []);
    assert.deepEqual(calls, [
      [1, null, "a", 2],
      [0, null],
    ]);
  });

  test("reports the id of a timed-out acknowledgement, and then calls back with a timeout error", (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const table = new Acknowledgements((id) => calls.push(`timeout of ${id}`));
    table.await(0, record(0), 10);
    table.await(1, record(1), 20);
    table.await(2, record(2), 20);
    table.await(3, record(3));
    context.mock.timers.tick(10);
    table.receive(1, []);
    table.receive(0, []);
    table.forget(2);
    context.mock.timers.tick(1000);
    assert.deepEqual(calls, ["timeout of 0", [0, "ERR_ACK_TIMEOUT"], [1, null]]);
  });

  test("fails the pending acknowledgements on disconnect, except those of unsent packets", () => {
    const table = new Acknowledgements();
    for (const id of [0, 1, 2]) table.await(id, record(id));
    table.disconnect(new Set([1, undefined]));
    assert.deepEqual(calls.splice(0), [
      [0, "ERR_DISCONNECTED"],
      [2, "ERR_DISCONNECTED"],
    ]);
    table.receive(1, ["later"]);
    assert.deepEqual(calls, [[1, null, "later"]]);
  });

  test("a callback may add and forget acknowledgements", () => {
    const table = new Acknowledgements();
    table.await(0, () => {
      table.forget(1);
      table.await(2, record(2));
    });
    table.await(1, record(1));
    table.disconnect();
    assert.deepEqual(calls, []);
    table.fail(2, new Error("why"));
    table.fail(2, new Error("again"));
    assert.deepEqual(calls, [[2, null]]);
  });

  test("ackCallback() passes an error only if the callback expects it, and ackPromise() rejects", async () => {
    const callback = mock.fn();
    ackCallback(calls, callback, false)(new Error(), []);
    ackCallback(calls, callback, false)(null, [1, 2]);
    ackCallback(calls, callback, true)(null, [3]);
    const error = new Error();
    ackCallback(calls, callback, true)(error, []);
    const received = callback.mock.calls.map((call) => call.arguments);
    assert.deepEqual(received, [[1, 2], [null, 3], [error]]);
    assert.equal(callback.mock.calls[0]?.this, calls);
    const answer = new Promise((resolve, reject) => ackPromise(resolve, reject)(null, [1, 2]));
    assert.equal(await answer, 1);
    const failure = new Promise((resolve, reject) => ackPromise(resolve, reject)(error, []));
    await assert.rejects(failure, error);
  });
});
