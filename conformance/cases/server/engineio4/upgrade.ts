// This case is written in TypeScript, not as a transcript, because it keeps a session alive until the server closes a
// WebSocket, at an unknown time.

import { type Case, Skip } from "../../../harness/case.ts";
import { wait } from "../../../harness/context.ts";
import { checkIntervals, PollingSession, WebSocketSession } from "../../../peers/engineio.ts";

export const UPGRADE4: readonly Case[] = [
  {
    id: "engineio4.upgrade.timeout",
    title: "closes a WebSocket that is not probed in time",
    clause: "Engine.IO v4, Upgrade",
    severity: "INFO",
    sends: "the handshake of a WebSocket with the session's id, and no frames",
    expects: "the end of the WebSocket within 2 s. The session continues over polling",
    extraTime: 10_000,
    run: async (context) => {
      const polling = await PollingSession.open(context);
      checkIntervals(polling.open);
      const websocket = await WebSocketSession.connect(context, { query: { sid: polling.sid } });
      let ended = false;
      const end = websocket.next().then(() => {
        ended = true;
      });
      const begin = performance.now();
      // Polls, so that the session stays alive and only the upgrade can time out.
      while (!ended && performance.now() - begin < 2000) {
        await polling.expectAlive();
        await Promise.race([wait(100), end]);
      }
      if (!ended) throw new Skip("the server waits for a probe longer than 2 s");
      await polling.expectAlive();
    },
  },
];
