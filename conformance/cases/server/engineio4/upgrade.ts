// Not a transcript, because the case keeps a session alive until the server closes a WebSocket, at an unknown time.

import { type Case, Skip } from "../../../harness/case.ts";
import { wait } from "../../../harness/context.ts";
import { checkIntervals, PollingSession, WebSocketSession } from "../../../peers/engineio.ts";

export const UPGRADE4: readonly Case[] = [
  {
    id: "engineio4.upgrade.timeout",
    title: "closes a WebSocket that is not probed in time",
    clause: "Engine.IO v4, Upgrade",
    severity: "INFO",
    sends: "a WebSocket with the session's id, and nothing more over it",
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
      // The heartbeat of the session must continue meanwhile.
      while (!ended && performance.now() - begin < 2000) {
        await polling.expectAlive();
        await Promise.race([wait(100), end]);
      }
      if (!ended) throw new Skip("it waits longer than 2 s");
      await polling.expectAlive();
    },
  },
];
