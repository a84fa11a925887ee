// Engine.IO 4: from polling to WebSocket, and what can come between.

import { type Case, expect, Failure, Skip } from "../kit/case.ts";
import { type Context, wait } from "../kit/context.ts";
import { quote } from "../kit/conversation.ts";
import {
  checkIntervals,
  expectNoWebSocket,
  expectPackets,
  expectRefusal,
  isMessage,
  type Packet,
  PollingSession,
  SLACK,
  WebSocketSession,
  within,
} from "../kit/engineio.ts";
import { encodeFrame, TEXT } from "../kit/websocket.ts";

const UPGRADE = "Engine.IO v4, Upgrade";

/** Long enough for a server that would answer at once. */
const SILENCE = 100;

/** A WebSocket for the session. */
function connect(context: Context, { sid }: PollingSession): Promise<WebSocketSession> {
  return WebSocketSession.connect(context, { query: { sid } });
}

/** A session over polling with a WebSocket that was proved to reach it. */
async function probe(
  context: Context,
): Promise<{ readonly polling: PollingSession; readonly websocket: WebSocketSession }> {
  const polling = await PollingSession.open(context);
  const websocket = await connect(context, polling);
  websocket.send("2probe");
  await websocket.expect("3probe");
  return { polling, websocket };
}

/** A session that has changed to WebSocket. */
async function upgrade(
  context: Context,
): Promise<{ readonly polling: PollingSession; readonly websocket: WebSocketSession }> {
  const probed = await probe(context);
  probed.websocket.send("5");
  await probed.websocket.expectAlive();
  return probed;
}

const IN_ORDER: readonly Case[] = [
  {
    id: "engineio4.upgrade.probe",
    title: "answers the probe over the WebSocket",
    clause: UPGRADE,
    severity: "MUST",
    sends: "a WebSocket with the session's id, and 2probe",
    expects: "3probe, and no open packet before it",
    run: async (context) => {
      await probe(context);
    },
  },
  {
    id: "engineio4.upgrade.waiting-get",
    title: "answers the GET that waits with a noop when the probe comes",
    clause: UPGRADE,
    severity: "MUST",
    sends: "a GET, and meanwhile a WebSocket with 2probe",
    expects: "a noop for the GET, and 3probe",
    run: async (context) => {
      const polling = await PollingSession.open(context);
      const waiting = polling.poll();
      const websocket = await connect(context, polling);
      // The GET is there before the probe: behind it, it would be answered at once.
      await wait(50);
      websocket.send("2probe");
      await websocket.expect("3probe");
      // Sooner than a ping, which would answer it too.
      const packets = await within(200, waiting);
      if (packets === undefined) throw new Failure("a noop", "a GET that waits");
      expectPackets(packets, ["6"]);
    },
  },
  {
    id: "engineio4.upgrade.complete",
    title: "carries messages over the WebSocket when the upgrade packet has come",
    clause: UPGRADE,
    severity: "MUST",
    sends: "2probe, 5, and a message, over the WebSocket",
    expects: "3probe, and the message over the WebSocket",
    run: async (context) => {
      await upgrade(context);
    },
  },
  {
    id: "engineio4.upgrade.get-behind",
    title: "refuses a GET when the session has changed to WebSocket",
    clause: UPGRADE,
    severity: "MUST",
    sends: "an upgrade, and a GET",
    expects: "400, and the session goes on",
    run: async (context) => {
      const { polling, websocket } = await upgrade(context);
      expectRefusal(await polling.get());
      await websocket.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.post-behind",
    title: "refuses a POST when the session has changed to WebSocket",
    clause: UPGRADE,
    severity: "MUST",
    sends: "an upgrade, and a POST",
    expects: "400, no message, and the session goes on",
    run: async (context) => {
      const { polling, websocket } = await upgrade(context);
      expectRefusal(await polling.post("4astray"));
      await websocket.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.heartbeat",
    title: "sends its pings over the WebSocket when the session has changed to it",
    clause: "Engine.IO v4, Heartbeat",
    severity: "MUST",
    sends: "an upgrade, and pongs",
    expects: "two pings over the WebSocket",
    extraTime: 30_000,
    run: async (context) => {
      const { polling, websocket } = await upgrade(context);
      checkIntervals(polling.open);
      const { pingInterval, pingTimeout } = polling.open;
      for (let turn = 0; turn < 2; turn++) {
        const packet = await within(pingInterval + pingTimeout + SLACK, websocket.next(true));
        expect(packet === "2", 'a packet "2"', quote(`${packet}`));
        websocket.send("3");
      }
      await websocket.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.no-pong-behind",
    title: "ends a session that has changed to WebSocket and does not answer a ping",
    clause: "Engine.IO v4, Heartbeat",
    severity: "SHOULD",
    sends: "an upgrade, and nothing more",
    expects: "the end when pingInterval and pingTimeout have passed",
    extraTime: 30_000,
    run: async (context) => {
      const { polling, websocket } = await upgrade(context);
      checkIntervals(polling.open);
      const { pingInterval, pingTimeout } = polling.open;
      const end = async (): Promise<boolean> => {
        while ((await websocket.next(true)) !== undefined);
        return true;
      };
      const ended = await within(pingInterval + pingTimeout + SLACK, end());
      expect(ended === true, "the end of the WebSocket", "one that goes on");
    },
  },
  {
    id: "engineio4.upgrade.end-behind",
    title: "ends the session with the WebSocket that it has changed to",
    clause: UPGRADE,
    severity: "MUST",
    sends: "an upgrade, a close frame, and a GET",
    expects: "a close frame, and 400",
    run: async (context) => {
      const { polling, websocket } = await upgrade(context);
      websocket.peer.sendClose(1000);
      await websocket.expectClosed();
      expectRefusal(await polling.get());
    },
  },
];

const NOTHING_LOST: readonly Case[] = [
  {
    id: "engineio4.upgrade.queued-before",
    title: "delivers over the WebSocket what no GET had fetched before",
    clause: UPGRADE,
    severity: "MUST",
    sends: "a POST, then a WebSocket with 2probe and 5, and no GET",
    expects: "the message over the WebSocket, once",
    run: async (context) => {
      const polling = await PollingSession.open(context);
      await polling.send("4waiting");
      const websocket = await connect(context, polling);
      websocket.send("2probe");
      await websocket.expect("3probe");
      websocket.send("5");
      await websocket.expect("4waiting");
      await websocket.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.queued-while-probing",
    title: "delivers over the WebSocket what was said while it was probed",
    clause: UPGRADE,
    severity: "MUST",
    sends: "2probe, two POSTs, and then 5",
    expects: "the messages over the WebSocket, in order and once",
    run: async (context) => {
      const { polling, websocket } = await probe(context);
      await polling.send("4one");
      await polling.send("4two");
      websocket.send("5");
      await websocket.expect("4one", "4two");
      await websocket.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.binary-queued",
    title: "delivers bytes as bytes over the WebSocket that came as base64",
    clause: UPGRADE,
    severity: "MUST",
    sends: "2probe, a POST with bytes and a text, and then 5",
    expects: "a binary frame and a text frame",
    run: async (context) => {
      const { polling, websocket } = await probe(context);
      const packets = [Uint8Array.of(1, 2, 255), "4text"];
      await polling.send(...packets);
      websocket.send("5");
      await websocket.expect(...packets);
    },
  },
  {
    id: "engineio4.upgrade.polling-while-probing",
    title: "answers a GET with messages while the WebSocket is probed",
    clause: UPGRADE,
    severity: "MUST",
    sends: "2probe, a POST, and GETs",
    expects: "the message by polling",
    run: async (context) => {
      const { polling } = await probe(context);
      await polling.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.get-while-probing",
    title: "keeps no GET waiting while the WebSocket is probed",
    clause: UPGRADE,
    severity: "SHOULD",
    sends: "2probe, and then a GET",
    expects: "a noop for the GET",
    run: async (context) => {
      const { polling } = await probe(context);
      const packets = await within(1000, polling.poll());
      if (packets === undefined) throw new Failure("a noop", "a GET that waits");
      expectPackets(packets, ["6"]);
    },
  },
  {
    id: "engineio4.upgrade.message-right-behind",
    title: "takes a message right behind the upgrade packet",
    clause: UPGRADE,
    severity: "MUST",
    sends: "5 and two messages in one piece",
    expects: "both messages back, in order",
    run: async (context) => {
      const { websocket } = await probe(context);
      const texts = ["5", "4one", "4two"];
      const frames = texts.map((payload) => encodeFrame({ opcode: TEXT, payload }));
      websocket.peer.sendBytes(Buffer.concat(frames), texts.join(" "));
      await websocket.expect("4one", "4two");
    },
  },
  {
    id: "engineio4.upgrade.everything-once",
    title: "carries all messages once and in order, whatever the transport",
    clause: UPGRADE,
    severity: "MUST",
    sends: "messages before, while and after the WebSocket is probed, with GETs between",
    expects: "each of them back, once and in order",
    run: async (context) => {
      const polling = await PollingSession.open(context);
      const numbers = Array.from({ length: 40 }, (_, i) => `4${i}`);
      const received: Packet[] = [];
      await polling.send(...numbers.slice(0, 5));
      received.push(...(await polling.receive(5)));
      await polling.send(...numbers.slice(5, 10));
      const websocket = await connect(context, polling);
      await polling.send(...numbers.slice(10, 15));
      websocket.send("2probe");
      await polling.send(...numbers.slice(15, 20));
      await websocket.expect("3probe");
      received.push(...(await polling.poll()).filter(isMessage));
      await polling.send(...numbers.slice(20, 30));
      websocket.send("5", ...numbers.slice(30));
      while (received.length < numbers.length) {
        const packet = await websocket.next();
        if (packet === undefined) break;
        if (packet !== "6") received.push(packet);
      }
      expectPackets(received, numbers);
      await websocket.expectAlive();
    },
  },
];

const RACES: readonly Case[] = [
  {
    id: "engineio4.upgrade.other-probe",
    title: "does not answer a ping that is no probe",
    clause: UPGRADE,
    severity: "SHOULD",
    sends: "a WebSocket with the session's id, and 2other",
    expects: "the end of the WebSocket; the session goes on over polling",
    run: async (context) => {
      const polling = await PollingSession.open(context);
      const websocket = await connect(context, polling);
      websocket.send("2other");
      await websocket.expectClosed();
      await polling.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.without-probe",
    title: "does not change to a WebSocket that was not probed",
    clause: UPGRADE,
    severity: "SHOULD",
    sends: "a WebSocket with the session's id, and 5 at once",
    expects: "the session goes on over polling",
    run: async (context) => {
      const polling = await PollingSession.open(context);
      const websocket = await connect(context, polling);
      websocket.send("5");
      await within(SILENCE, websocket.next());
      await polling.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.message-before-probe",
    title: "takes no message over a WebSocket that was not probed",
    clause: UPGRADE,
    severity: "SHOULD",
    sends: "a WebSocket with the session's id, and a message at once",
    expects: "no message back; the session goes on over polling",
    run: async (context) => {
      const polling = await PollingSession.open(context);
      const websocket = await connect(context, polling);
      websocket.send("4astray");
      const answer = await within(SILENCE, websocket.next());
      expect(answer === undefined, "no message", quote(`${answer}`));
      await polling.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.second-while-probing",
    title: "takes no other WebSocket while one is probed",
    clause: UPGRADE,
    severity: "MUST",
    sends: "2probe, another WebSocket with the session's id, and 5 over the first",
    expects: "nothing for the other one; the session changes to the first",
    run: async (context) => {
      const { polling, websocket } = await probe(context);
      await expectNoWebSocket(context, 4, polling.sid);
      websocket.send("5");
      await websocket.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.second-behind",
    title: "takes no other WebSocket for a session that is over one",
    clause: UPGRADE,
    severity: "MUST",
    sends: "an upgrade, and another WebSocket with the session's id",
    expects: "nothing for the other one; the session goes on over the first",
    run: async (context) => {
      const { polling, websocket } = await upgrade(context);
      await expectNoWebSocket(context, 4, polling.sid);
      await websocket.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.websocket-of-websocket",
    title: "takes no WebSocket for a session that began over one",
    clause: UPGRADE,
    severity: "SHOULD",
    sends: "a session over WebSocket, and another WebSocket with its id",
    expects: "nothing for the other one; the session goes on",
    run: async (context) => {
      const { session, open } = await WebSocketSession.open(context);
      await expectNoWebSocket(context, 4, open.sid);
      await session.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.abandoned-before-probe",
    title: "goes on over polling when the WebSocket ends before its probe",
    clause: UPGRADE,
    severity: "MUST",
    sends: "a WebSocket with the session's id, and a close frame",
    expects: "the session goes on over polling",
    run: async (context) => {
      const polling = await PollingSession.open(context);
      const websocket = await connect(context, polling);
      websocket.peer.sendClose(1000);
      await websocket.expectClosed();
      await polling.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.abandoned-behind-probe",
    title: "goes on over polling when the WebSocket ends behind its probe",
    clause: UPGRADE,
    severity: "MUST",
    sends: "2probe, and then a close frame",
    expects: "the session goes on over polling, and nothing is lost",
    run: async (context) => {
      const { polling, websocket } = await probe(context);
      await polling.send("4between");
      websocket.peer.sendClose(1000);
      await websocket.expectClosed();
      expectPackets(await polling.receive(1), ["4between"]);
      await polling.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.connection-breaks",
    title: "goes on over polling when the WebSocket's connection breaks",
    clause: UPGRADE,
    severity: "MUST",
    sends: "2probe, and then TCP's RST",
    expects: "the session goes on over polling",
    run: async (context) => {
      const { polling, websocket } = await probe(context);
      websocket.peer.tcp.reset();
      await wait(SILENCE / 4);
      await polling.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.again",
    title: "takes another WebSocket when the first has come to nothing",
    clause: UPGRADE,
    severity: "SHOULD",
    sends: "2probe, a close frame, and then another upgrade",
    expects: "the session changes to the second WebSocket",
    run: async (context) => {
      const { polling, websocket } = await probe(context);
      websocket.peer.sendClose(1000);
      await websocket.expectClosed();
      // The server may take a moment to notice the end of TCP.
      await wait(SILENCE / 4);
      const second = await connect(context, polling);
      second.send("2probe");
      await second.expect("3probe");
      second.send("5");
      await second.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.timeout",
    title: "gives up a WebSocket that is not probed in time",
    clause: UPGRADE,
    severity: "INFO",
    sends: "a WebSocket with the session's id, and nothing more over it",
    expects: "the end of the WebSocket within 2 s; the session goes on over polling",
    extraTime: 10_000,
    run: async (context) => {
      const polling = await PollingSession.open(context);
      checkIntervals(polling.open);
      const websocket = await connect(context, polling);
      let ended = false;
      const end = websocket.next().then(() => {
        ended = true;
      });
      const begin = performance.now();
      // The heartbeat must go on meanwhile.
      while (!ended && performance.now() - begin < 2000) {
        await polling.expectAlive();
        await Promise.race([wait(SILENCE), end]);
      }
      if (!ended) throw new Skip("it waits longer than 2 s");
      await polling.expectAlive();
    },
  },
  {
    id: "engineio4.upgrade.closed-while-probing",
    title: "ends the WebSocket with a session that ends while it is probed",
    clause: UPGRADE,
    severity: "SHOULD",
    sends: "2probe, and a close packet by POST",
    expects: "the end of the WebSocket, and 400 for a GET",
    run: async (context) => {
      const { polling, websocket } = await probe(context);
      await polling.send("1");
      // Sooner than the time limit of an upgrade.
      await websocket.expectClosed(500);
      expectRefusal(await polling.get());
    },
  },
  {
    id: "engineio4.upgrade.probe-twice",
    title: "answers a probe that comes twice, and changes all the same",
    clause: UPGRADE,
    severity: "INFO",
    sends: "2probe twice, and then 5",
    expects: "3probe twice; the session changes to the WebSocket",
    run: async (context) => {
      const { websocket } = await probe(context);
      websocket.send("2probe");
      await websocket.expect("3probe");
      websocket.send("5");
      await websocket.expectAlive();
    },
  },
];

export const UPGRADE4: readonly Case[] = [...IN_ORDER, ...NOTHING_LOST, ...RACES];
