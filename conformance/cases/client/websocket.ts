// Cases for WebSocket clients: the client's part of RFC 6455. The client echoes every message.

import { join } from "node:path";

import { expect, Failure } from "../../harness/case.ts";
import type { ClientCase } from "../../harness/client-case.ts";
import { wait } from "../../harness/context.ts";
import { ENDED } from "../../peers/tcp.ts";
import { CLOSE, PING, PONG } from "../../peers/websocket.ts";
import { loadClientCases } from "../../transcripts/load.ts";

const section = (name: string): ClientCase[] =>
  loadClientCases(join(import.meta.dirname, "websocket", `${name}.wire`));

// These cases are written in TypeScript, not as transcripts, because they compare values of several connections or
// frames, which a transcript cannot do.

const KEYS: readonly ClientCase[] = [
  {
    kind: "websocket",
    id: "websocket.client.handshake.key-of-each-connection",
    clause: "RFC 6455 §4.1",
    severity: "MUST",
    title: "sends a different key for each connection",
    sends: "a close frame, and a second close frame after the client has reconnected",
    expects: "two different keys",
    connections: 2,
    run: async (context) => {
      const keys: string[] = [];
      for (let i = 0; i < 2; i++) {
        const client = await context.request();
        keys.push(client.request.headers["sec-websocket-key"] ?? "");
        await context.accept(client).close();
      }
      expect(keys[0] !== keys[1], "another key", `"${keys[0]}" again`);
    },
  },
  {
    kind: "websocket",
    id: "websocket.client.message.masking-keys",
    clause: "RFC 6455 §5.3",
    severity: "MUST",
    title: "masks each frame with a different key",
    sends: "20 messages",
    expects: "the same messages, masked with 20 different keys",
    run: async (context) => {
      const peer = await context.websocket();
      for (let i = 0; i < 20; i++) peer.sendText("mask");
      for (let i = 0; i < 20; i++) await peer.expectMessage("mask");
      const keys = peer.keys.size;
      // Two random keys may be equal by chance.
      expect(keys >= 19, "another key for each frame", `${keys} keys for 20 frames`);
      await peer.close();
    },
  },
];

// This case is written in TypeScript, not as a transcript, because a client may answer only the last of many pings
// (§5.5.3), so any earlier pong may be missing.

const PINGS: readonly ClientCase[] = [
  {
    kind: "websocket",
    id: "websocket.client.ping.last-of-many",
    clause: "RFC 6455 §5.5.3",
    severity: "MUST",
    title: "answers at least the last of many pings",
    sends: "ten pings without a pause",
    expects: "pongs in order, including the pong of the last ping",
    run: async (context) => {
      const peer = await context.websocket();
      for (let i = 0; i < 10; i++) peer.send({ opcode: PING, payload: `${i}` });
      for (let last = -1; last < 9; ) {
        const frame = await peer.next();
        if (frame?.opcode !== PONG) throw new Failure("a pong", frame ? "another frame" : ENDED);
        const number = Number(Buffer.from(frame.payload).toString());
        expect(number > last, "pongs in order", `the pong ${number} after the pong ${last}`);
        last = number;
      }
      await peer.close();
    },
  },
];

// This case is written in TypeScript, because no line of a transcript can expect that the connection stays open for some
// time.

const TCP: readonly ClientCase[] = [
  {
    kind: "websocket",
    id: "websocket.client.close.tcp-first",
    clause: "RFC 6455 §7.1.1",
    severity: "SHOULD",
    title: "waits for the server to end TCP",
    sends: "a close frame, and FIN 200 ms after the answer",
    expects: "a close frame, and no FIN before the FIN of the server",
    run: async (context) => {
      const peer = await context.websocket();
      peer.sendClose(1000);
      const frame = await peer.next();
      expect(frame?.opcode === CLOSE, "a close frame", frame ? "another frame" : ENDED);
      await wait(200);
      expect(!peer.tcp.ended, "an open TCP connection, which the server ends", ENDED);
      peer.tcp.end();
      await peer.expectEnd();
    },
  },
];

export const WEBSOCKET_CLIENT_CASES: readonly ClientCase[] = [
  ...section("handshake"),
  ...KEYS,
  ...section("message"),
  ...section("failing"),
  ...PINGS,
  ...section("closing"),
  ...TCP,
];
