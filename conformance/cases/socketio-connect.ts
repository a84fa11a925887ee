// Socket.IO "Connection to a namespace".

import { needBehaviour } from "../kit/behaviour.ts";
import { type Case, expect, expectSame, Failure, Skip } from "../kit/case.ts";
import { wait } from "../kit/context.ts";
import { describePacket, parsePacket, placeholder, SocketioPeer } from "../kit/socketio.ts";
import { ENDED } from "../kit/tcp.ts";
import { bytesOf, CUSTOM, socketioCase } from "./socketio-case.ts";

const HEADING = "Connection to a namespace";

const ACCEPTED: readonly Case[] = [
  socketioCase({
    id: "connect.main",
    heading: HEADING,
    title: "lets a client into the main namespace",
    sends: "CONNECT",
    expects: "CONNECT with a session id, without the name of the namespace",
    run: async (context) => {
      const peer = await SocketioPeer.open(context);
      peer.send("0");
      const answer = await peer.expectNext("CONNECT with a session id");
      expect(answer.text.startsWith("0{"), "CONNECT without a name", describePacket(answer));
      const { payload } = parsePacket(answer.text);
      const has = typeof payload === "object" && payload !== null && "sid" in payload;
      expect(has && typeof payload.sid === "string", "a session id", describePacket(answer));
      await peer.expectEvent(["auth", {}]);
      await peer.expectAlive();
    },
  }),
  socketioCase({
    id: "connect.custom",
    heading: HEADING,
    title: "lets a client into another namespace, without it being in the main one",
    sends: "CONNECT of /custom",
    expects: "CONNECT of /custom with a session id",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context, CUSTOM);
      await peer.expectAlive(CUSTOM);
    },
  }),
  socketioCase({
    id: "connect.without-comma",
    heading: "Packet encoding",
    severity: "INFO",
    title: "takes a namespace that ends with the packet, and no comma",
    sends: "0/custom",
    expects: "CONNECT of /custom with a session id",
    run: async (context) => {
      const peer = await SocketioPeer.open(context);
      peer.send("0/custom");
      await peer.expectJoined(CUSTOM);
    },
  }),
  socketioCase({
    id: "connect.sid-not-of-the-engine",
    heading: "Difference between v5 and v4",
    title: "gives a session id that is not the one of Engine.IO",
    sends: "CONNECT",
    expects: "a session id other than that of the open packet",
    run: async (context) => {
      const peer = await SocketioPeer.open(context);
      const { sid } = await peer.connect();
      expect(sid !== peer.handshake.sid, "another id than that of Engine.IO", `"${sid}" for both`);
    },
  }),
  socketioCase({
    id: "connect.sid-of-each-namespace",
    heading: "Difference between v5 and v4",
    severity: "SHOULD",
    title: "gives a session id of its own for each namespace",
    sends: "CONNECT of / and of /custom",
    expects: "two different session ids",
    run: async (context) => {
      const peer = await SocketioPeer.open(context);
      const first = await peer.connect();
      const second = await peer.connect(CUSTOM);
      expect(first.sid !== second.sid, "another id in each namespace", `"${first.sid}" in both`);
    },
  }),
  socketioCase({
    id: "connect.sid-of-each-client",
    heading: HEADING,
    title: "gives a session id of its own to each client",
    sends: "CONNECT on two connections",
    expects: "two different session ids",
    run: async (context) => {
      const first = await (await SocketioPeer.open(context)).connect();
      const second = await (await SocketioPeer.open(context)).connect();
      expect(first.sid !== second.sid, "an id for each client", `"${first.sid}" for both`);
    },
  }),
  socketioCase({
    id: "connect.several",
    heading: HEADING,
    title: "lets a client be in several namespaces over one connection",
    sends: "CONNECT of / and of /custom, and events in both in turns",
    expects: "each event back in its namespace",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      await peer.connect(CUSTOM);
      for (const namespace of ["/", CUSTOM, CUSTOM, "/"]) await peer.expectAlive(namespace);
    },
  }),
  socketioCase({
    id: "connect.at-once",
    heading: HEADING,
    title: "answers each of two CONNECTs that come together",
    sends: "CONNECT of /custom and of / before either is answered",
    expects: "CONNECT of both, each with a session id, in any order",
    run: async (context) => {
      const peer = await SocketioPeer.open(context);
      peer.sendConnect(CUSTOM);
      peer.sendConnect();
      const joined: string[] = [];
      for (let i = 0; i < 4; i++) {
        const { type, namespace } = parsePacket((await peer.expectNext("CONNECT")).text);
        if (type === 0) joined.push(namespace);
      }
      expectSame(joined.sort(), ["/", CUSTOM], "CONNECT of");
    },
  }),
  socketioCase({
    id: "connect.and-send",
    heading: HEADING,
    title: "lets a client into another namespace while it sends in the first",
    sends: "an event, CONNECT of /custom and another event, without a pause",
    expects: "both events back, in order, and CONNECT of /custom",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["message", 1]);
      peer.sendConnect(CUSTOM);
      peer.sendEvent(["message", 2]);
      const main: unknown[] = [];
      let joined = false;
      for (let i = 0; i < 4; i++) {
        const packet = await peer.expectNext("two events and CONNECT");
        const { type, namespace, payload } = parsePacket(packet.text);
        if (namespace === "/") main.push(payload);
        else joined ||= type === 0;
      }
      expectSame(
        main,
        [
          ["message-back", 1],
          ["message-back", 2],
        ],
        "events",
      );
      expect(joined, "CONNECT of /custom", "none");
    },
  }),
  socketioCase({
    id: "connect.unknown-session",
    heading: HEADING,
    severity: "INFO",
    title: "lets a client in as a new one that wants to come back to a session nobody knows",
    sends: "CONNECT with a pid and an offset that were never given",
    expects: "CONNECT with a session id",
    run: async (context) => {
      const peer = await SocketioPeer.open(context);
      await peer.connect("/", { pid: "AAAAAAAAAAAAAAAAAAAA", offset: "0" });
      await peer.expectAlive();
    },
  }),
];

interface Auth {
  readonly name: string;
  readonly auth: unknown;
}

const AUTHS: readonly Auth[] = [
  { name: "token", auth: { token: "123" } },
  { name: "empty", auth: {} },
  { name: "nested", auth: { user: { id: 7, roles: ["a", { b: [null, true, 0.5] }] }, "": "" } },
  { name: "unicode", auth: { "näme 🦆": 'é"\\\n\u2028', "a,b": "[1]" } },
  { name: "names-of-every-object", auth: JSON.parse('{"__proto__":{"x":1},"constructor":2}') },
];

const AUTH: readonly Case[] = [
  ...AUTHS.map(({ name, auth }) =>
    socketioCase({
      id: `connect.auth-${name}`,
      heading: HEADING,
      title: `passes on what the client gives with CONNECT (${name})`,
      sends: `CONNECT with ${JSON.stringify(auth)}`,
      expects: "the same as the argument of the event auth",
      run: async (context) => {
        const peer = await SocketioPeer.open(context);
        peer.sendConnect("/", auth);
        const answer = parsePacket((await peer.expectNext("CONNECT")).text);
        expectSame(answer.type, 0, "packet type");
        await peer.expectEvent(["auth", auth]);
      },
    }),
  ),
  socketioCase({
    id: "connect.auth-none",
    heading: HEADING,
    severity: "SHOULD",
    title: "takes a client that gives nothing as one that gives an empty object",
    sends: "CONNECT without a payload",
    expects: "the event auth with {}",
    run: async (context) => {
      const { auth } = await (await SocketioPeer.open(context)).connect();
      expectSame(auth, {}, "auth");
    },
  }),
  socketioCase({
    id: "connect.auth-of-each-namespace",
    heading: HEADING,
    title: "keeps apart what a client gives for each namespace",
    sends: "CONNECT of / and of /custom, with different payloads",
    expects: "each payload in its namespace",
    run: async (context) => {
      const peer = await SocketioPeer.open(context);
      expectSame((await peer.connect("/", { a: 1 })).auth, { a: 1 }, "auth");
      expectSame((await peer.connect(CUSTOM, { b: 2 })).auth, { b: 2 }, "auth");
    },
  }),
];

/** Names that no namespace of the server has. */
const UNKNOWN = [
  { name: "unknown", namespace: "/unknown" },
  { name: "slash-behind", namespace: "/custom/" },
  { name: "other-case", namespace: "/Custom" },
  { name: "unicode", namespace: '/é🦆"[]' },
  { name: "name-of-every-object", namespace: "/__proto__" },
  { name: "long", namespace: `/${"n".repeat(10_000)}` },
] as const;

const REFUSED: readonly Case[] = [
  ...UNKNOWN.map(({ name, namespace }) =>
    socketioCase({
      id: `connect-error.${name}`,
      heading: HEADING,
      title: `refuses a namespace that does not exist (${name}), and keeps the connection`,
      sends: "CONNECT of it, and then of the main namespace",
      expects: "CONNECT_ERROR with a message, and then CONNECT",
      run: async (context) => {
        const peer = await SocketioPeer.open(context);
        peer.sendConnect(namespace);
        const packet = await peer.expectNext("CONNECT_ERROR");
        const answer = parsePacket(packet.text);
        const is = answer.type === 4 && answer.namespace === namespace;
        expect(is, "CONNECT_ERROR of that namespace", describePacket(packet));
        const { payload } = answer;
        const has = typeof payload === "object" && payload !== null && "message" in payload;
        expect(has && typeof payload.message === "string", "a message", describePacket(packet));
        await peer.connect();
        await peer.expectAlive();
      },
    }),
  ),
  socketioCase({
    id: "connect-error.message",
    heading: HEADING,
    severity: "SHOULD",
    title: "says of a namespace that does not exist what the reference implementation says",
    sends: "CONNECT of /unknown",
    expects: '4/unknown,{"message":"Invalid namespace"}',
    run: async (context) => {
      const peer = await SocketioPeer.open(context);
      peer.sendConnect("/unknown");
      await peer.expectPacket('4/unknown,{"message":"Invalid namespace"}');
    },
  }),
  socketioCase({
    id: "connect-error.refused",
    heading: HEADING,
    title: "tells a client that is refused why",
    sends: "CONNECT of /refusing",
    expects: "CONNECT_ERROR with the message and the data of the refusal",
    run: async (context) => {
      const peer = await SocketioPeer.open(context);
      peer.sendConnect("/refusing");
      await peer.expectPacket('4/refusing,{"message":"not here","data":{"code":7}}');
    },
  }),
  socketioCase({
    id: "connect-error.refused-again",
    heading: HEADING,
    title: "answers each attempt of a client that is refused",
    sends: "CONNECT of /refusing, twice",
    expects: "CONNECT_ERROR, twice",
    run: async (context) => {
      const peer = await SocketioPeer.open(context);
      for (let i = 0; i < 2; i++) {
        peer.sendConnect("/refusing", { attempt: i });
        await peer.expectPacket('4/refusing,{"message":"not here","data":{"code":7}}');
      }
    },
  }),
  socketioCase({
    id: "connect-error.others-stay",
    heading: HEADING,
    title: "leaves a client where it is that is refused elsewhere",
    sends: "CONNECT of /, then of /refusing, and an event",
    expects: "the event back",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendConnect("/refusing");
      await peer.expectPacket('4/refusing,{"message":"not here","data":{"code":7}}');
      await peer.expectAlive();
    },
  }),
  socketioCase({
    id: "connect-error.not-inside",
    heading: HEADING,
    title: "takes no events from a client that was refused",
    sends:
      "CONNECT of /refusing, an event there that asks for an acknowledgement, and CONNECT of /",
    expects: "no acknowledgement: CONNECT, or the end of the connection",
    run: async (context) => {
      const peer = await SocketioPeer.open(context);
      peer.sendConnect("/refusing");
      await peer.expectPacket('4/refusing,{"message":"not here","data":{"code":7}}');
      peer.sendEvent(["message-with-ack", 1], { namespace: "/refusing", id: 1 });
      peer.sendConnect();
      const packet = await peer.next();
      const joined = packet === undefined || packet.text.startsWith("0{");
      if (!joined) throw new Failure("CONNECT or the end", describePacket(packet));
    },
  }),
];

/** What a client may not begin with. */
const FIRST: readonly { readonly name: string; readonly packet: string }[] = [
  { name: "event", packet: '2["message",1]' },
  { name: "event-elsewhere", packet: '2/custom,["message",1]' },
  { name: "event-with-id", packet: '21["message-with-ack",1]' },
  { name: "ack", packet: "30[]" },
  { name: "disconnect", packet: "1" },
  { name: "connect-error", packet: '4{"message":"no"}' },
];

const BEFORE: readonly Case[] = [
  ...FIRST.map(({ name, packet }) =>
    socketioCase({
      id: `before-connect.${name}`,
      heading: HEADING,
      title: `closes the connection of a client whose first packet is not CONNECT (${name})`,
      sends: `${packet}, and CONNECT behind it`,
      expects: "the end of the connection at once, with nothing before",
      run: async (context) => {
        const bystander = await SocketioPeer.connected(context);
        const peer = await SocketioPeer.open(context);
        peer.send(packet);
        peer.sendConnect();
        await peer.expectClosed();
        await bystander.expectAlive();
      },
    }),
  ),
  socketioCase({
    id: "before-connect.binary-event",
    heading: HEADING,
    title: "closes the connection of a client whose first packet is an event with bytes",
    sends: "a BINARY_EVENT with its attachment, and CONNECT behind it",
    expects: "the end of the connection at once, with nothing before",
    run: async (context) => {
      const bystander = await SocketioPeer.connected(context);
      const peer = await SocketioPeer.open(context);
      peer.send(`51-["message",${placeholder(0)}]`, bytesOf(3));
      peer.sendConnect();
      await peer.expectClosed();
      await bystander.expectAlive();
    },
  }),
  socketioCase({
    id: "before-connect.elsewhere",
    heading: HEADING,
    severity: "SHOULD",
    title: "takes no events in a namespace that the client has not joined",
    sends: "CONNECT of /, and an event in /custom",
    expects: "the end of the connection, as the reference implementation has it",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["message", 1], { namespace: CUSTOM });
      peer.sendBehind();
      await peer.expectClosed();
    },
  }),
  socketioCase({
    id: "before-connect.nothing",
    heading: HEADING,
    severity: "INFO",
    title: "closes the connection of a client that never sends CONNECT",
    sends: "nothing, but the answers to pings",
    expects: "the end of the connection within 3 s",
    alone: true,
    run: async (context) => {
      needBehaviour(context.target, "short-waits");
      const peer = await SocketioPeer.open(context);
      const packet = await Promise.race([
        peer.next(),
        wait(3000).then(() => "still open" as const),
      ]);
      if (packet === "still open") throw new Skip("no limit of time for CONNECT of 3 s or less");
      if (packet !== undefined) throw new Failure(ENDED, describePacket(packet));
    },
  }),
];

const TWICE: readonly Case[] = [
  socketioCase({
    id: "connect.twice",
    heading: HEADING,
    severity: "SHOULD",
    title: "closes the connection of a client that joins a namespace in which it is",
    sends: "CONNECT, and when it is answered another one, and an event",
    expects: "the end of the connection, as the reference implementation has it",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendConnect();
      peer.sendBehind();
      await peer.expectClosed();
    },
  }),
  socketioCase({
    id: "connect.twice-at-once",
    heading: HEADING,
    severity: "SHOULD",
    title: "lets a client into a namespace once that asks for it twice before it is answered",
    sends: "CONNECT three times without a pause, and an event when it is in",
    expects: "one session id; the event back once, or the end of the connection",
    run: async (context) => {
      needBehaviour(context.target, "auth");
      const peer = await SocketioPeer.open(context);
      for (let i = 0; i < 3; i++) peer.sendConnect();
      let sids = 0;
      let told = false;
      for (;;) {
        const packet = await peer.next();
        if (packet === undefined) break;
        const { type, payload } = parsePacket(packet.text);
        if (type === 0) sids++;
        expect(sids <= 1, "one session id", "another one");
        if (Array.isArray(payload) && payload[0] === "message-back") break;
        if (type === 2 && !told) {
          told = true;
          peer.sendEvent(["message", "inside"]);
        }
      }
    },
  }),
];

export const SOCKETIO_CONNECT: readonly Case[] = [
  ...ACCEPTED,
  ...AUTH,
  ...REFUSED,
  ...BEFORE,
  ...TWICE,
];
