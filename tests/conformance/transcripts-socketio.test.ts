// Tests transcripts of Socket.IO: syntax errors with line and column, and which packets match a line.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Failure } from "../../conformance/harness/case.ts";
import { matchPacket } from "../../conformance/transcripts/packet.ts";
import { PacketQueue } from "../../conformance/transcripts/packet-queue.ts";
import { parseTranscripts } from "../../conformance/transcripts/parse.ts";
import { playToClient } from "./written-case.ts";

/** Returns the text of a case whose steps begin in line 6. */
function withSteps(...steps: readonly string[]): string {
  const header = ["case a.b.c", "title t", "section s", "severity MUST", "connect socketio"];
  return [...header, ...steps].join("\n");
}

// biome-ignore format: aligned table
const WRONG: readonly (readonly [what: string, step: string, error: RegExp])[] = [
  ["a namespace without a slash", "connect socketio in custom as B", /^line 6, column 21: expected a namespace, got "custom as B"$/],
  ['"and" without a namespace after it', "connect socketio in / and", /^line 6, column 26: expected a namespace/],
  ["an unknown transport", "connect socketio smoke", /^line 6, column 18: expected the end of the line, got "smoke"$/],
  ["a second connection of the same name", "connect socketio", /^line 6, column 17: connection "" is open already/],
  ["a packet without quotes", "> 2[]", /^line 6, column 3: expected a packet in quotes, got "2\[\]"$/],
  ["a packet without a closing quote", "> '2[]", /^line 6, column 7: expected "'", got the end of the line$/],
  ["a comma without a packet after it", "> '2[]',", /^line 6, column 9: expected a packet in quotes/],
  ["half a byte of an attachment", "> '2[]' + 0", /^line 6, column 11: expected the end of the line, got "0"$/],
  ["an unknown frame", "> frame txet 'a'", /^line 6, column 9: expected text or binary/],
  ['">+" after a packet', "> '2[]'\n>+ '2[]'", /^line 7, column 1: expected a head or frames above/],
  ["a frame in a polling session", "connect socketio polling as P\nP> frame close", /^line 7, column 4: expected a packet in quotes, got "frame close"$/],
  ["an id without a value", "> '3{id}[]'", /^line 6, column 3: the variable \{id\} has no value yet$/],
  ["an expected packet that has only attachments", "< + 01", /^line 6, column 7: expected a packet in quotes/],
  ["an expected payload that is not JSON", "< '2[\"a\"'", /^line 6, column 10: expected JSON in '2\["a"'/],
  ["an auth argument that is not JSON", "< joined / '{token}}'", /^line 6, column 22: expected JSON in '\{token\}\}'/],
  ["an auth argument with an attachment", "< joined / '1' + 01", /^line 6, column 16: expected the end of the line, got "\+ 01"$/],
  ['"joined" without a namespace', "< joined", /^line 6, column 9: expected a namespace/],
  ['"with an old sid" instead of "with a new sid"', "< joined / with an old sid", /^line 6, column 12: expected the end of the line/],
  ['an alternative other than "closed" after the comma', "< '1', or open", /^line 6, column 6: expected the end of the line, got ", or open"$/],
];

describe("a syntax error in a transcript of Socket.IO is reported with line and column", () => {
  for (const [what, step, error] of WRONG) {
    test(what, () => {
      assert.throws(() => parseTranscripts(withSteps(step)), {
        name: "SyntaxFault",
        message: error,
      });
    });
  }
});

// biome-ignore format: aligned table
const WRONG_OF_A_SERVER: readonly (readonly [what: string, step: string, error: RegExp])[] = [
  ["a namespace without a slash", "accept socketio in custom as B", /^line 6, column 20: expected a namespace, got "custom as B"$/],
  ['"in" without a namespace after it', "accept socketio in", /^line 6, column 19: expected a namespace, got the end of the line$/],
  ["a transport in a case for clients", "accept socketio polling", /^line 6, column 17: expected the end of the line, got "polling"$/],
  ["a packet without quotes", "< 2[]", /^line 6, column 3: expected a packet in quotes, got "2\[\]"$/],
  ['a word after "open"', "< open now", /^line 6, column 8: expected the end of the line, got "now"$/],
  ["an unknown frame", "< frame txet 'a'", /^line 6, column 9: expected text or binary/],
  ["an expected frame without bytes", "> frame text", /^line 6, column 13: expected bytes, '' for none/],
  ["an id without a value", "< '2{id}[]'", /^line 6, column 3: the variable \{id\} has no value yet$/],
  ["an auth payload that is not JSON", "> joins / '{token}}'", /^line 6, column 21: expected JSON in '\{token\}\}'/],
  ["an auth payload with an attachment", "> joins / '{}' + 01", /^line 6, column 16: expected the end of the line, got "\+ 01"$/],
  ['"joins" without a namespace', "> joins", /^line 6, column 8: expected a namespace, got the end of the line$/],
  ["an expected payload that is not JSON", "> '2[\"a\"'", /^line 6, column 10: expected JSON in '2\["a"'/],
  ['"joined", which only cases for servers support', "> joined /", /^line 6, column 3: expected a packet in quotes, got "joined \/"$/],
  ['"any packets" without "then closed"', "> any packets", /^line 6, column 3: expected a packet in quotes, got "any packets"$/],
  ['"<+" as the first line', "<+ open", /^line 6, column 1: expected a head or frames above/],
  ['"<+" after a frame', "< frame text '2'\n<+ frame text '2'", /^line 7, column 1: expected a head or frames above/],
  ["a frame in an alternative", "either\n> frame text '4'\nor\n> closed\nend", /^line 7, column 3: "either" does not support "frame"/],
  ["a frame after other lines of an alternative", "either\n> closed\nor\n> '1'\n> frame close\nend", /^line 10, column 3: "either" does not support "frame"/],
  ['a packet in "any order"', "any order\n> '2[]'\n> '3[]'\nend", /^line 7, column 1: expected a message, a ping or a pong$/],
  ['an "either" whose first step sends', "either\n< open\nend", /^line 7, column 1: expected a line that the harness receives$/],
];

describe("a syntax error in a Socket.IO case for clients is reported with line and column", () => {
  for (const [what, step, error] of WRONG_OF_A_SERVER) {
    test(what, () => {
      const text = withSteps(step).replace("connect socketio", "accept socketio");
      assert.throws(() => parseTranscripts(text), { name: "SyntaxFault", message: error });
    });
  }
});

/** Runs a case with this line against a client that sends messages and closes its WebSocket. */
async function outcomeOf(line: string, messages: readonly string[]): Promise<string | undefined> {
  const result = await playToClient(["accept socketio", line], (websocket) => {
    websocket.onopen = () => {
      for (const message of messages) websocket.send(message);
      websocket.close();
    };
  });
  return result?.outcome;
}

// biome-ignore format: aligned table
const OUTCOMES: readonly (readonly [line: string, messages: readonly string[], outcome: "passed" | "failed"])[] = [
  ["> joins /", ['40{"token":[1]}'], "passed"],
  ["> joins /", ["40"], "passed"],
  ["> joins /", ["40/custom,"], "failed"],
  ["> joins /", ['42["a"]'], "failed"],
  ["> joins /", [], "failed"],
  ["> joins /custom", ["40/custom,"], "passed"],
  ["> joins / '{\"token\":1}'", ['40{"token":1}'], "passed"],
  ["> joins / '{\"token\":1}'", ['40/,{ "token": 1 }'], "passed"],
  ["> joins / '{\"token\":1}'", ['40{"token":2}'], "failed"],
  ["> joins / '{\"token\":1}'", ["40"], "failed"],
  ["> joins / '{\"token\":{token}}'\n> '2[{token}]'", ['40{"token":7}', "42[7]"], "passed"],
  ["> joins / '{\"token\":{token}}'\n> '2[{token}]'", ['40{"token":7}', "42[8]"], "failed"],
  ["> joins /custom '{\"token\":1}'", ['40/custom,{"token":1}'], "passed"],
  ["> joins /custom '{\"token\":1}'", ['40{"token":1}'], "failed"],
  ["> '0{\"token\":[1]}'", ['40{"token":[1]}'], "passed"],
  ["> '0{\"token\":[1]}'", ["40"], "failed"],
  ["> closed", [], "passed"],
  ["> closed", ["41"], "passed"],
  ["> closed", ["41", "1"], "passed"],
  ["> closed", ["41", "41"], "failed"],
  ["> closed", ['42["a"]'], "failed"],
  ["> any packets, then closed", ['42["a"]', "41"], "passed"],
  ["> any packets, then closed", ['44{"message":"no"}'], "failed"],
  ["> any packets, then closed", ["47"], "failed"],
  ["> frame text '3'", ["3"], "passed"],
  ["> frame text '3'", ["2"], "failed"],
  ["> frame close", [], "passed"],
  ["> frame close", ["41"], "failed"],
];

describe("a case for clients", () => {
  for (const [line, messages, outcome] of OUTCOMES) {
    test(`"${line}" has ${outcome} if the client sends ${JSON.stringify(messages)} and closes`, async () => {
      assert.equal(await outcomeOf(line, messages), outcome);
    });
  }
});

// biome-ignore format: aligned table
const MATCHES: readonly (readonly [wanted: string, got: string, found: Record<string, string> | undefined])[] = [
  ["1", "1", {}],
  ["1/custom,", "1", undefined],
  ['2["a",{"b":1,"c":[]}]', '2[ "a", {"c":[],"b":1.0} ]', {}],
  ['2["a"]', '2/,["a"]', undefined],
  ['2["a"]', '20["a"]', undefined],
  ['2["a",{}]', '2["a",[]]', undefined],
  ['2["a",{}]', '2["a",null]', undefined],
  ['2["a",1]', '2["a"]', undefined],
  ['2["a",{"__proto__":1}]', '2["a",{}]', undefined],
  ['2["a",{"__proto__":1}]', '2["a",{"__proto__":1}]', {}],
  ['2{id}["a"]', '2007["a"]', { id: "007" }],
  ['2/b,{id}["a"]', '2/b,9007199254740993["a"]', { id: "9007199254740993" }],
  ['2{id}["a"]', '2["a"]', undefined],
  ['51-{id}["a"]', '50-1["a"]', undefined],
  ['4/b,{"message":"{text}"}', '4/b,{"message":"no"}', { text: "no" }],
  ['4/b,{"message":"{text}"}', '4/b,{"message":7}', undefined],
  ['2["a",{value}]', '2["a",{"b":[1]}]', { value: '{"b":[1]}' }],
  ["2{payload}", '2["a", 1]', { payload: '["a", 1]' }],
  ["2{payload}", "2", undefined],
];

describe("an expected packet", () => {
  for (const [wanted, got, found] of MATCHES) {
    test(`${wanted} ${found === undefined ? "does not match" : "matches"} ${got}`, () => {
      const [left, right] = [wanted, got].map((text) => ({ text, attachments: [] }));
      assert.ok(left !== undefined && right !== undefined);
      const values = matchPacket(left, right);
      assert.deepEqual(values && Object.fromEntries(values), found);
    });
  }

  test("matches only with the same attachments in the same order", () => {
    const packet = (...attachments: number[]): { text: string; attachments: Uint8Array[] } => ({
      text: '51-["a"]',
      attachments: attachments.map((byte) => Uint8Array.of(byte)),
    });
    assert.ok(matchPacket(packet(1, 2), packet(1, 2)));
    assert.equal(matchPacket(packet(1, 2), packet(2, 1)), undefined);
    assert.equal(matchPacket(packet(1), packet(1, 2)), undefined);
  });
});

describe("the queue of received packets", () => {
  function queueOf(...texts: readonly string[]): PacketQueue {
    const rest = texts.map((text) => ({ text, attachments: [] }));
    return new PacketQueue(() => Promise.resolve(rest.shift()));
  }

  test("keeps packets that do not match, in their order", async () => {
    const queue = queueOf("a", "b", "c");
    assert.equal((await queue.take(({ text }) => text === "c"))?.text, "c");
    assert.equal((await queue.take(() => true))?.text, "a");
    assert.equal((await queue.peek())?.text, "b");
    assert.equal((await queue.take(() => true))?.text, "b");
    assert.equal(await queue.take(() => true), undefined);
    assert.equal(await queue.peek(), undefined);
  });

  test("starts each alternative at the same packet, in nested alternatives too", async () => {
    const queue = queueOf("a", "b", "c");
    const expectNext = async (text: string): Promise<void> => {
      const packet = await queue.take(() => true);
      if (packet?.text !== text) throw new Failure(text, `${packet?.text}`);
    };
    const both = async (first: string, second: string): Promise<void> => {
      await expectNext(first);
      await queue.firstOf([() => expectNext("no"), () => expectNext(second)]);
    };
    await queue.firstOf([() => both("a", "c"), () => both("a", "b")]);
    await expectNext("c");
    await assert.rejects(queue.firstOf([() => expectNext("x"), () => expectNext("y")]), {
      expected: "x, or y",
      got: "undefined",
    });
  });
});
