// Tests how recovering clients share reads of a stream. Only one read runs at a time. A client waits until the current
// read has ended, and all waiting clients share the pages of the next read.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { type ReplayTurn, StreamReplays } from "../../../lib/adapters/stream-replays.ts";

const ENTRIES = Array.from({ length: 10 }, (_, index) => `${index + 1}-0`);

/** Creates replays of a stream of ten entries. A page has the ids of three entries. */
function start() {
  const calls: string[] = [];
  const before = (id: string): number => ENTRIES.indexOf(id.replace("(", "")) + 1;
  const command = async (...[, , from = "", to = ""]: string[]): Promise<unknown> => {
    calls.push(`${from} ${to}`);
    const ids = from === "-" ? ENTRIES.slice(0, 1) : ENTRIES.slice(before(from)).slice(0, 3);
    return ids.map((id) => [id, []]);
  };
  const hub = { position: "10-0", replay: <Result>(run: () => Promise<Result>) => run() };
  const options = { streamName: "stream", readCount: 3 };
  const replays = new StreamReplays(hub, command, options, (entries) =>
    entries.map(({ id }) => id),
  );
  return { calls, replays };
}

function reads(turn: ReplayTurn<string[]> | undefined, from: string, most = 10) {
  assert.ok(turn);
  const pages: string[][] = [];
  const complete = turn.read({
    from,
    onPage: (page) => {
      pages.push(page);
      return pages.length < most;
    },
  });
  return { pages, complete };
}

const wanted = (): boolean => true;

describe("replays of a Redis stream", () => {
  test("share one read between all waiting clients", async () => {
    const { calls, replays } = start();
    const first = await replays.turn(wanted);
    const waiting = [1, 2, 3, 4].map(() => replays.turn(wanted));
    const alone = reads(first, "9-0");
    assert.equal(await alone.complete, true);
    assert.deepEqual(alone.pages, [["10-0"]]);
    assert.deepEqual(calls.splice(0), ["(9-0 10-0", "- +"]);
    const [low, high, brief, none] = await Promise.all(waiting);
    const lowest = reads(low, "1-0");
    const highest = reads(high, "6-0");
    const briefest = reads(brief, "1-0", 1);
    none?.leave();
    assert.equal(await briefest.complete, false);
    assert.deepEqual(await Promise.all([lowest.complete, highest.complete]), [true, true]);
    assert.deepEqual(lowest.pages.flat(), ENTRIES.slice(1));
    // This client has the offset 6-0. It shares its first page with another client, so the page begins with 5-0.
    assert.deepEqual(highest.pages.flat(), ENTRIES.slice(4));
    assert.deepEqual(briefest.pages.flat(), ENTRIES.slice(1, 4));
    assert.deepEqual(calls, ["(1-0 10-0", "(4-0 10-0", "(7-0 10-0", "(10-0 10-0", "- +"]);
  });

  test("read nothing for a client that disconnected while it waited for its turn", async () => {
    const { calls, replays } = start();
    const first = await replays.turn(wanted);
    let isWanted = true;
    const given = [replays.turn(() => isWanted), replays.turn(wanted)];
    isWanted = false;
    first?.leave();
    const [gone, there] = await Promise.all(given);
    assert.equal(gone, undefined);
    there?.leave();
    assert.deepEqual(calls, []);
  });

  test("stop if the client disconnects between two pages", async () => {
    const { calls, replays } = start();
    let pages = 0;
    const turn = await replays.turn(() => pages === 0);
    const onPage = (): boolean => {
      pages++;
      return true;
    };
    assert.equal(await turn?.read({ from: "1-0", onPage }), false);
    assert.equal(pages, 1);
    assert.deepEqual(calls, ["(1-0 10-0", "(4-0 10-0"]);
  });

  test("report that they are incomplete if the stream begins after the client's offset", async () => {
    const { replays } = start();
    assert.equal(await reads(await replays.turn(wanted), "0-5").complete, false);
  });

  test("continue for the other clients when reading for one client throws", async () => {
    const { replays } = start();
    const first = await replays.turn(wanted);
    const waiting = [replays.turn(wanted), replays.turn(wanted)];
    first?.leave();
    const [wrong, right] = await Promise.all(waiting);
    const onPage = (): boolean => {
      throw new RangeError("it cannot be encoded");
    };
    const failing = wrong?.read({ from: "1-0", onPage });
    const reading = reads(right, "1-0");
    await assert.rejects(async () => failing, RangeError);
    assert.equal(await reading.complete, true);
    (await replays.turn(wanted))?.leave();
  });
});
