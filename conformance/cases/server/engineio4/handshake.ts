// These cases are written in TypeScript, not as transcripts, because they compare several sessions with each other,
// which a transcript cannot do.

import { type Case, expect, expectSame } from "../../../harness/case.ts";
import type { Context } from "../../../harness/context.ts";
import { type OpenPacket, PollingSession, WebSocketSession } from "../../../peers/engineio.ts";

/** The number of handshakes whose ids are compared. */
const MANY = 50;

async function openMany(context: Context): Promise<string[]> {
  const sessions = Array.from({ length: MANY }, () => PollingSession.open(context));
  return (await Promise.all(sessions)).map(({ sid }) => sid);
}

/**
 * Returns the fields of the open packet that must be the same over both transports: all except the id and the upgrades.
 */
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
    expects: "ids of at least 16 characters. Any two ids differ in at least 8 places",
    run: async (context) => {
      const ids = await openMany(context);
      const short = ids.find((id) => id.length < 16);
      expect(short === undefined, "at least 16 characters", `"${short}"`);
      for (const [at, one] of ids.entries()) {
        for (const other of ids.slice(at + 1)) {
          const places = [...one].filter((letter, i) => letter !== other[i]).length;
          expect(
            places >= 8,
            "two ids that differ in at least 8 places",
            `"${one}" and "${other}"`,
          );
        }
      }
    },
  },
  {
    id: "engineio4.handshake.websocket-settings",
    title: "sends the same intervals and limits over both transports",
    clause: "Engine.IO v4, Handshake",
    severity: "SHOULD",
    sends: "a handshake over polling, and a handshake over WebSocket",
    expects: "the same pingInterval, pingTimeout and maxPayload",
    run: async (context) => {
      const polling = await PollingSession.open(context);
      const { open } = await WebSocketSession.open(context);
      expectSame(settings(open), settings(polling.open), "settings");
      expect(open.sid !== polling.sid, "a different id", "the same id");
    },
  },
];
