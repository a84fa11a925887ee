// RFC 6455 §5.5.1: this case is written in TypeScript, not as a transcript, because it measures time.

import { type Case, expect } from "../../../harness/case.ts";
import { CLOSE } from "../../../peers/websocket.ts";

export const CLOSING: readonly Case[] = [
  {
    id: "websocket.closing.server-first",
    title: "closes TCP immediately after both close frames",
    clause: "RFC 6455 §5.5.1",
    sentence:
      "RFC 6455 §5.5.1: The server MUST close the underlying TCP connection immediately; the client SHOULD wait for the server to close the connection but MAY close the connection at any time after sending and receiving a Close message, e.g., if it has not received a TCP Close from the server in a reasonable time period.",
    severity: "MUST",
    sends: "a close frame, and nothing else. The client does not end TCP",
    expects: "the end of TCP within a second",
    alone: true,
    run: async (context) => {
      const peer = await context.websocket();
      peer.sendClose(1000);
      await peer.expectFrame(CLOSE);
      const begin = performance.now();
      await peer.expectEnd();
      const took = Math.round(performance.now() - begin);
      expect(took < 1000, "the end of TCP within a second", `the end of TCP after ${took} ms`);
    },
  },
];
