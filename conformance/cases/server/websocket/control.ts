// RFC 6455 §5.5: these cases are written in TypeScript, not as transcripts, because a server may send any number of
// frames, or answer any of several pings.

import { type Case, expect } from "../../../harness/case.ts";
import { wait } from "../../../harness/context.ts";
import { hex } from "../../../harness/conversation.ts";
import { describeFrame, encodeFrame, PING, PONG } from "../../../peers/websocket.ts";

// "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in response to previous
// Ping frame(s), the endpoint MAY elect to send a Pong frame for only the most recently processed
// Ping frame" (§5.5.3).
// No client has a reason to send a thousand pings in one write, and a server may defend itself against them. Therefore
// the case with a thousand pings has the severity INFO.
const BURSTS: readonly Case[] = (
  [
    { count: 10, severity: "MUST" },
    { count: 1000, severity: "INFO" },
  ] as const
).map(({ count, severity }) => ({
  id: `websocket.control.${count}-pings`,
  title: `answers the last of ${count} pings that arrive at once, and answers others only in order`,
  clause: "RFC 6455 §5.5.3",
  sentence:
    "RFC 6455 §5.5.2: Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless it already received a Close frame.",
  severity,
  sends: `${count} pings in one write`,
  expects: "pongs in the order of the pings, including the pong of the last ping",
  run: async (context) => {
    const peer = await context.websocket();
    const pings = Array.from({ length: count }, (_, i) => Buffer.from(`${i}`));
    const frames = pings.map((payload) => encodeFrame({ opcode: PING, payload }));
    peer.sendBytes(Buffer.concat(frames), `${count} pings`);
    for (let last = -1; last < count - 1; ) {
      const { payload } = await peer.expectFrame(PONG);
      const number = Number(Buffer.from(payload).toString());
      expect(number > last, `the pong of a ping after ${last}`, hex(payload));
      last = number;
    }
  },
}));

const SILENT: Case = {
  id: "websocket.control.silent",
  title: "sends no unsolicited frames",
  clause: "RFC 6455 §5.5",
  severity: "INFO",
  sends: "nothing for 200 ms, then a ping",
  expects: "nothing except the pong. The kit answers pings of the server",
  run: async (context) => {
    const peer = await context.websocket();
    await wait(200);
    peer.send({ opcode: PING, payload: "still there?" });
    let frame = await peer.next();
    for (; frame?.opcode === PING; frame = await peer.next()) {
      peer.send({ opcode: PONG, payload: frame.payload });
    }
    const got = frame === undefined ? "the end of the connection" : describeFrame(frame);
    expect(frame?.opcode === PONG, "a pong", got);
  },
};

export const CONTROL: readonly Case[] = [...BURSTS, SILENT];
