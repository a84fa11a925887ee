// Tests the encoding of frames that are sent to many clients.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { encodeFrames } from "../../../lib/websocket/frames.ts";
import { concat } from "../../../protocol/bytes.ts";
import { describeFrames } from "../../support/frame.ts";

describe("encodeFrames()", () => {
  test("encodes one or several strings and byte arrays as complete frames", () => {
    assert.deepEqual(describeFrames(concat(encodeFrames(["one"]))), ["text one"]);
    assert.deepEqual(describeFrames(concat(encodeFrames(["one", Uint8Array.of(1, 2), ""]))), [
      "text one",
      "binary 01 02",
      "text",
    ]);
  });
});
