// This case is written in TypeScript, not as a transcript, because it compares many sessions with each other, which a
// transcript cannot do.

import { type Case, expect } from "../../../harness/case.ts";
import { PollingSession } from "../../../peers/engineio.ts";

export const HANDSHAKE3: readonly Case[] = [
  {
    id: "engineio3.handshake.sid",
    title: "assigns a different id to each session",
    clause: "Engine.IO v3, Anatomy of an Engine.IO session",
    severity: "MUST",
    sends: "twenty handshakes",
    expects: "twenty different ids, which are strings",
    run: async (context) => {
      const options = { revision: 3, query: { b64: "1" } } as const;
      const opened = Array.from({ length: 20 }, () => PollingSession.open(context, options));
      const ids = new Set((await Promise.all(opened)).map(({ sid }) => sid));
      expect(ids.size === 20, "20 ids", `${ids.size}`);
    },
  },
];
