// These cases are written in TypeScript, not as transcripts. In the first case, the server may refuse either of two
// concurrent requests, and a transcript would have to name the refused request. The second case sends a chunk whose
// size is a hexadecimal number, which a transcript cannot compute.

import { type Case, expect, Failure } from "../../../harness/case.ts";
import { maxPayloadOf, PollingSession, within } from "../../../peers/engineio.ts";
import { RawRequests } from "../../../peers/raw-http.ts";

export const POLLING4: readonly Case[] = [
  {
    id: "engineio4.polling.overlapping-gets-refused",
    title: "refuses a GET while another one is pending",
    clause: "Engine.IO v4, Sending and receiving data",
    severity: "MUST",
    sends: "two GETs at the same time",
    expects: "400 for one of them",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const both = [session.get(), session.get()];
      const statuses = await Promise.all(both.map(async (each) => (await each).status));
      expect(statuses.includes(400), "a status 400", statuses.join(" and "));
    },
  },
  {
    id: "engineio4.limits.chunked",
    title: "refuses a body of chunks that grows larger than maxPayload",
    clause: "Engine.IO v4, Handshake",
    severity: "SHOULD",
    sends: "a POST with maxPayload + 1 bytes in chunks, without the last chunk",
    expects: "413",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const requests = await RawRequests.open(context);
      requests.head(`POST ${session.path()}`, "Transfer-Encoding: chunked");
      requests.chunk("4");
      requests.chunk("x".repeat(maxPayloadOf(session.open)));
      const answer = await within(1000, requests.answer());
      if (answer === undefined) throw new Failure("status 413", "no answer within 1000 ms");
      expect(answer.status === 413, "status 413", `status ${answer.status}`);
    },
  },
];
