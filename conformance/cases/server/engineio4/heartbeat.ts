// This case is written in TypeScript, not as a transcript, because it sends and receives at the same time, until the
// server ends the session.

import { type Case, expect } from "../../../harness/case.ts";
import { wait } from "../../../harness/context.ts";
import { checkIntervals, SLACK, WebSocketSession, within } from "../../../peers/engineio.ts";

export const HEARTBEAT4: readonly Case[] = [
  {
    id: "engineio4.heartbeat.messages-are-no-pong",
    title: "ends a session whose client sends messages but no pong",
    clause: "Engine.IO v4, Heartbeat",
    severity: "SHOULD",
    sends: "a message every 50 ms, and no pong",
    expects: "the end of the session within pingInterval + 2 * pingTimeout",
    extraTime: 30_000,
    run: async (context) => {
      const { session, open } = await WebSocketSession.open(context);
      checkIntervals(open);
      let ended = false;
      const end = async (): Promise<boolean> => {
        while ((await session.next(true)) !== undefined);
        ended = true;
        return true;
      };
      const busy = async (): Promise<void> => {
        for (; !ended; await wait(50)) session.send("4busy");
      };
      const limit = open.pingInterval + 2 * open.pingTimeout + SLACK;
      const both = Promise.all([end(), busy()]);
      const closed = await within(limit, both);
      ended = true;
      expect(closed !== undefined, "the end of the WebSocket", "an open WebSocket");
    },
  },
];
