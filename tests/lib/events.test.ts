import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Listener } from "../../lib/events/emitter.ts";
import { NodeEmitter } from "../../lib/events/node-emitter.ts";
import { turn } from "../support/net.ts";
import { gatherUncaught } from "../support/uncaught.ts";

interface Events {
  greet: (name: string) => void;
  other: () => void;
}

class Greeter extends NodeEmitter<Events> {
  greet(name: string): boolean {
    return this.dispatch("greet", [name]);
  }
}

describe("NodeEmitter", () => {
  test("calls listeners in order with the emitter as `this`, and returns whether there were any", () => {
    const greeter = new Greeter();
    const log: string[] = [];
    assert.equal(greeter.greet("nobody"), false);
    greeter.on("greet", function (this: unknown, name) {
      assert.equal(this, greeter);
      log.push(`second ${name}`);
    });
    greeter.addListener("greet", (name) => log.push(`third ${name}`));
    greeter.prependListener("greet", (name) => log.push(`first ${name}`));
    assert.equal(greeter.greet("x"), true);
    assert.deepEqual(log, ["first x", "second x", "third x"]);
  });

  test("once() and prependOnceListener() call a listener once, even if it emits the event again", () => {
    const greeter = new Greeter();
    const log: string[] = [];
    greeter.once("greet", (name) => {
      log.push(`once ${name}`);
      if (name === "a") greeter.greet("b");
    });
    greeter.prependOnceListener("greet", (name) => log.push(`before ${name}`));
    greeter.greet("a");
    greeter.greet("c");
    assert.deepEqual(log, ["before a", "once a"]);
    assert.equal(greeter.listenerCount("greet"), 0);
    assert.deepEqual(greeter.eventNames(), []);
  });

  test("off() and removeListener() remove the last registration of a listener, even one made by once()", () => {
    const greeter = new Greeter();
    const log: string[] = [];
    const listener = (name: string): void => void log.push(name);
    const other = (): void => void log.push("other");
    greeter.on("greet", listener).on("greet", other).on("greet", listener);
    greeter.off("greet", listener);
    greeter.greet("x");
    assert.deepEqual(log, ["x", "other"]);
    greeter.once("greet", listener);
    greeter.removeListener("greet", listener).removeListener("greet", listener);
    assert.deepEqual(greeter.listeners("greet"), [other]);
    greeter.off("greet", listener);
    greeter.off("other", other);
    greeter.off("greet", other);
    assert.equal(greeter.greet("x"), false);
  });

  test("listeners() returns the listener passed to once(), without its wrapper", () => {
    const greeter = new Greeter();
    const listener = (): void => {};
    greeter.once("greet", listener);
    assert.deepEqual(greeter.listeners("greet"), [listener]);
    assert.deepEqual(greeter.listeners("other"), []);
  });

  test("removeAllListeners() removes the listeners of one event or of all events", () => {
    const greeter = new Greeter();
    greeter.removeAllListeners("greet").removeAllListeners();
    greeter.on("greet", () => {}).on("other", () => {});
    assert.deepEqual(greeter.eventNames(), ["greet", "other"]);
    greeter.removeAllListeners("greet");
    assert.deepEqual(greeter.eventNames(), ["other"]);
    greeter.removeAllListeners();
    assert.deepEqual(greeter.eventNames(), []);
  });

  test("listeners added or removed during a call do not change that call", () => {
    const greeter = new Greeter();
    const log: string[] = [];
    const last = (): void => void log.push("last");
    greeter.on("greet", () => {
      log.push("first");
      greeter.off("greet", last);
      greeter.on("greet", () => log.push("new"));
    });
    greeter.on("greet", last);
    greeter.greet("x");
    assert.deepEqual(log, ["first", "last"]);
  });

  test("after shareListenersOf(), listeners are added to the other emitter, and removed from it", () => {
    const owner = new Greeter();
    const log: string[] = [];
    class Sharing extends NodeEmitter<Events> {
      constructor() {
        super();
        this.shareListenersOf(owner);
      }
    }
    const sharing = new Sharing();
    sharing.on("greet", (name) => log.push(name));
    owner.greet("x");
    assert.deepEqual(log, ["x"]);
    sharing.removeAllListeners();
    assert.equal(owner.listenerCount("greet"), 0);
  });

  test("reports the error of a listener as uncaught, and calls the next listener", async (context) => {
    const uncaught = gatherUncaught(context);
    const greeter = new Greeter();
    const log: string[] = [];
    const mistake = new Error("a listener's mistake");
    greeter.on("greet", () => {
      throw mistake;
    });
    greeter.on("greet", (name) => log.push(name));
    greeter.greet("x");
    assert.deepEqual(log, ["x"]);
    await turn();
    assert.deepEqual(uncaught, [mistake]);
  });

  test("ignores setMaxListeners(), and rawListeners() returns the wrapper of once()", () => {
    const greeter = new Greeter();
    assert.equal(greeter.setMaxListeners(1), greeter);
    assert.equal(greeter.getMaxListeners(), Number.POSITIVE_INFINITY);
    const listener = (): void => {};
    greeter.once("greet", listener);
    const [raw] = greeter.rawListeners("greet");
    assert.ok(raw !== undefined && raw !== listener);
  });

  test("throws a TypeError if a listener is not a function", () => {
    const greeter = new Greeter();
    const no: Listener = JSON.parse("null");
    assert.throws(() => greeter.on("greet", no), TypeError);
    assert.throws(() => greeter.once("greet", no), TypeError);
    assert.throws(() => greeter.off("greet", no), TypeError);
  });
});
