// Not transcripts, because the cases compare several sessions with each other.

import { type Case, expect, expectSame } from "../../../harness/case.ts";
import type { Context } from "../../../harness/context.ts";
import { type OpenPacket, PollingSession, WebSocketSession } from "../../../peers/engineio.ts";

/** How many handshakes show that ids differ. */
const MANY = 50;

async function openMany(context: Context): Promise<string[]> {
  const sessions = Array.from({ length: MANY }, () => PollingSession.open(context));
  return (await Promise.all(sessions)).map(({ sid }) => sid);
}

/** What is the same in both handshakes: all but the id and where to go from there. */
function settings({ pingInterval, pingTimeout, maxPayload }: OpenPacket): unknown {
  return { pingInterval, pingTimeout, maxPayload };
}

export const HANDSHAKE4: readonly Case[] = [
  {
    id: "engineio4.handshake.sid-unique",
    title: "assigns a different id to each session",
    clause: "Engine.IO v4, Handshake",
    severity: "MUST",
    sends: `${MANY} handshakes`,
    expects: `${MANY} ids`,
    run: async (context) => {
      const ids = new Set(await openMany(context));
      expect(ids.size === MANY, `${MANY} ids`, `${ids.size}`);
    },
  },
  {
    id: "engineio4.handshake.sid-unguessable",
    title: "assigns ids that cannot be guessed",
    clause: "Engine.IO v4, Session identifier",
    severity: "SHOULD",
    sends: `${MANY} handshakes`,
    expects: "ids of 16 characters and more, any two of which differ in 8 places and more",
    run: async (context) => {
      const ids = await openMany(context);
      const short = ids.find((id) => id.length < 16);
      expect(short === undefined, "16 characters and more", `"${short}"`);
      for (const [at, one] of ids.entries()) {
        for (const other of ids.slice(at + 1)) {
          const places = [...one].filter((letter, i) => letter !== other[i]).length;
          expect(places >= 8, "8 places that differ", `"${one}" and "${other}"`);
        }
      }
    },
  },
  {
    id: "engineio4.handshake.websocket-settings",
    title: "sends the same intervals and limits over both transports",
    clause: "Engine.IO v4, Handshake",
    severity: "SHOULD",
    sends: "a handshake over polling and one over WebSocket",
    expects: "the same pingInterval, pingTimeout and maxPayload",
    run: async (context) => {
      const polling = await PollingSession.open(context);
      const { open } = await WebSocketSession.open(context);
      expectSame(settings(open), settings(polling.open), "settings");
      expect(open.sid !== polling.sid, "another id", "the same one");
    },
  },
];
