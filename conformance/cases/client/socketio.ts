// Cases for Socket.IO clients: Socket.IO 5 over Engine.IO 4, a client's part.
//
// The client comes over WebSocket alone, with `auth` { token: "123" }. It answers the event
// "message" with "message-back" and the same arguments, and acknowledges "message-with-ack" with its
// arguments. When it is refused or disconnected it closes, and comes again with a new connection.

import { expect, expectSame, Failure, type Severity } from "../../harness/case.ts";
import type { ClientCase } from "../../harness/client-case.ts";
import type { ClientContext } from "../../harness/client-context.ts";
import { quote } from "../../harness/conversation.ts";
import { describePacket, parsePacket, placeholder } from "../../peers/socketio.ts";
import { CLIENT_AUTH, openPacket, SocketioClientPeer } from "../../peers/socketio-client.ts";

interface Details {
  /** Without "socketio.client.". */
  readonly id: string;
  /** Document and heading. */
  readonly clause: string;
  /** Default "MUST". */
  readonly severity?: Severity;
  readonly title: string;
  readonly sends: string;
  readonly expects: string;
  readonly connections?: number;
  readonly run: (context: ClientContext) => Promise<void>;
}

function clientCase({ id, severity = "MUST", ...rest }: Details): ClientCase {
  return { kind: "socketio", id: `socketio.client.${id}`, severity, ...rest };
}

const CONNECTION = "Socket.IO v5, Connection to a namespace";
const DATA = "Socket.IO v5, Sending and receiving data";
const ACKNOWLEDGEMENT = "Socket.IO v5, Acknowledgement";
const DISCONNECTION = "Socket.IO v5, Disconnection from a namespace";
const ENCODING = "Socket.IO v5, Packet encoding";
const HANDSHAKE = "Engine.IO v4, Handshake";
const HEARTBEAT = "Engine.IO v4, Heartbeat";

const CONNECTING: readonly ClientCase[] = [
  clientCase({
    id: "handshake.query",
    clause: HANDSHAKE,
    title: "asks for version 4, over a WebSocket, and for a new session",
    sends: "an open packet, and CONNECT",
    expects: "EIO=4 and transport=websocket in the query, and no sid",
    run: async (context) => {
      const client = await context.request();
      const { searchParams } = new URL(client.request.url ?? "", "http://server");
      expectSame(searchParams.get("EIO"), "4", "EIO");
      expectSame(searchParams.get("transport"), "websocket", "transport");
      expect(!searchParams.has("sid"), "no sid", `sid ${searchParams.get("sid")}`);
      client.tcp.destroy();
    },
  }),
  clientCase({
    id: "connect.asks",
    clause: CONNECTION,
    title: "asks for the main namespace when the session is open",
    sends: "an open packet, and CONNECT when it is asked for",
    expects: "CONNECT, with what the client gives as auth",
    run: async (context) => {
      const peer = await SocketioClientPeer.open(context);
      expectSame(await peer.expectConnect(), CLIENT_AUTH, "auth");
      peer.send('0{"sid":"AAAAAAAAAAAAAAAAAAAB"}');
      await peer.expectAlive();
      await peer.close();
    },
  }),
  clientCase({
    id: "connect.not-before-open",
    clause: HANDSHAKE,
    title: "says nothing before the open packet",
    sends: "a ping of WebSocket, then an open packet",
    expects: "a pong, and CONNECT only then",
    run: async (context) => {
      const websocket = await context.websocket();
      await websocket.expectAlive();
      websocket.sendText(openPacket({ pingInterval: 25_000, pingTimeout: 20_000 }));
      const peer = new SocketioClientPeer(websocket);
      await peer.expectConnect();
      peer.send('0{"sid":"AAAAAAAAAAAAAAAAAAAB"}');
      await peer.expectAlive();
      await peer.close();
    },
  }),
  clientCase({
    id: "connect.more-in-the-payload",
    clause: CONNECTION,
    title: "takes a CONNECT that says more than the session id",
    sends: "CONNECT with sid, pid and something else",
    expects: "an event back",
    run: async (context) => {
      const peer = await SocketioClientPeer.open(context);
      await peer.expectConnect();
      peer.send('0{"sid":"AAAAAAAAAAAAAAAAAAAB","new":[{}]}');
      await peer.expectAlive();
      await peer.close();
    },
  }),
  clientCase({
    id: "connect-error.told",
    clause: CONNECTION,
    title: "sends nothing to a namespace that has refused it",
    sends: "CONNECT_ERROR with message and data",
    expects: "the end of the connection, and no event; and the client again",
    connections: 2,
    run: async (context) => {
      const peer = await SocketioClientPeer.open(context);
      await peer.expectConnect();
      peer.send('4{"message":"Not authorized","data":{"code":1}}');
      await peer.expectClosed();
      await expectAgain(context);
    },
  }),
  clientCase({
    id: "reconnect.new-session",
    clause: CONNECTION,
    title: "begins anew when it comes again after the connection broke",
    sends: "the end of TCP without a word",
    expects: "another connection without a sid, and CONNECT",
    connections: 2,
    run: async (context) => {
      const peer = await SocketioClientPeer.connected(context);
      await peer.expectAlive();
      peer.websocket.tcp.destroy();
      const client = await context.request();
      const { searchParams } = new URL(client.request.url ?? "", "http://server");
      expect(!searchParams.has("sid"), "no sid", `sid ${searchParams.get("sid")}`);
      client.tcp.destroy();
    },
  }),
];

const TIMING: readonly ClientCase[] = [
  clientCase({
    id: "heartbeat.pong",
    clause: HEARTBEAT,
    title: "answers each ping with a pong",
    sends: "ping, three times",
    expects: "pong, three times",
    run: async (context) => {
      const peer = await SocketioClientPeer.connected(context);
      for (let i = 0; i < 3; i++) {
        peer.websocket.sendText("2");
        expectSame(await peer.nextEnginePacket(), "3", "packet");
      }
      await peer.expectAlive();
      await peer.close();
    },
  }),
  clientCase({
    id: "heartbeat.before-connect",
    clause: HEARTBEAT,
    title: "answers a ping while it waits to be let in",
    sends: "an open packet, ping, and then CONNECT",
    expects: "pong, and an event back",
    run: async (context) => {
      const peer = await SocketioClientPeer.open(context);
      await peer.expectConnect();
      peer.websocket.sendText("2");
      expectSame(await peer.nextEnginePacket(), "3", "packet");
      peer.send('0{"sid":"AAAAAAAAAAAAAAAAAAAB"}');
      await peer.expectAlive();
      await peer.close();
    },
  }),
  clientCase({
    id: "heartbeat.missed",
    clause: HEARTBEAT,
    title: "ends the connection when no ping comes within pingInterval and pingTimeout",
    sends: "an open packet with 150 ms and 100 ms, CONNECT, and nothing",
    expects: "the end of the connection; and the client again",
    connections: 2,
    run: async (context) => {
      const begin = performance.now();
      const peer = await SocketioClientPeer.connected(context, {
        pingInterval: 150,
        pingTimeout: 100,
      });
      await peer.expectClosed();
      const waited = Math.round(performance.now() - begin);
      expect(waited >= 150, "no end before the time is over", `the end after ${waited} ms`);
      await expectAgain(context);
    },
  }),
  clientCase({
    id: "engine.noop",
    clause: "Engine.IO v4, Packet encoding",
    title: "passes over noop packets",
    sends: "noop, and an event",
    expects: "the event back",
    run: async (context) => {
      const peer = await SocketioClientPeer.connected(context);
      peer.websocket.sendText("6");
      await peer.expectAlive();
      await peer.close();
    },
  }),
];

const VALUES: readonly { readonly name: string; readonly args: readonly unknown[] }[] = [
  { name: "nothing", args: [] },
  { name: "json", args: [null, true, -0.5, "é🦆", [1, [2]], { a: { b: [] } }] },
  { name: "text-like-a-packet", args: ['51-/a,7["x"]', "2", "\u001e4"] },
  { name: "names-of-every-object", args: [JSON.parse('{"__proto__":{"x":1},"constructor":1}')] },
  { name: "many-arguments", args: Array.from({ length: 100 }, (_, i) => i) },
  { name: "much-text", args: ["x".repeat(100_000)] },
  { name: "bytes", args: [Uint8Array.of(1, 2, 3, 4)] },
  { name: "no-bytes", args: [new Uint8Array(0)] },
  {
    name: "bytes-inside",
    args: [{ a: [Uint8Array.of(1), "x"], b: Uint8Array.of(2, 2) }, [[Uint8Array.of(3)]]],
  },
];

const EVENTS: readonly ClientCase[] = [
  ...VALUES.flatMap(({ name, args }, i) => [
    clientCase({
      id: `event.${name}`,
      clause: DATA,
      title: `takes and sends an event with ${name.replaceAll("-", " ")}`,
      sends: "the event message with it",
      expects: "the event message-back with the same",
      run: async (context) => {
        const peer = await SocketioClientPeer.connected(context);
        peer.sendEvent(["message", ...args]);
        await peer.expectEvent(["message-back", ...args]);
        await peer.close();
      },
    }),
    clientCase({
      id: `ack.${name}`,
      clause: ACKNOWLEDGEMENT,
      title: `acknowledges an event with ${name.replaceAll("-", " ")}`,
      sends: `the event message-with-ack with it, and the id ${i}`,
      expects: `ACK, or BINARY_ACK, with it and the id ${i}`,
      run: async (context) => {
        const peer = await SocketioClientPeer.connected(context);
        peer.sendEvent(["message-with-ack", ...args], i);
        await peer.expectAck(i, args);
        await peer.expectAlive();
        await peer.close();
      },
    }),
  ]),
  clientCase({
    id: "ack.large-id",
    clause: ACKNOWLEDGEMENT,
    title: "acknowledges with the same id, however large",
    sends: "the event message-with-ack with the id 9007199254740991",
    expects: "ACK with that id",
    run: async (context) => {
      const peer = await SocketioClientPeer.connected(context);
      peer.sendEvent(["message-with-ack", 1], Number.MAX_SAFE_INTEGER);
      await peer.expectAck(Number.MAX_SAFE_INTEGER, [1]);
      await peer.close();
    },
  }),
  clientCase({
    id: "ack.nobody-waits",
    clause: ACKNOWLEDGEMENT,
    severity: "SHOULD",
    title: "ignores an ACK that it does not wait for",
    sends: "ACK, and an event",
    expects: "the event back",
    run: async (context) => {
      const peer = await SocketioClientPeer.connected(context);
      peer.send('312345["x"]');
      await peer.expectAlive();
      await peer.close();
    },
  }),
  clientCase({
    id: "event.order",
    clause: DATA,
    title: "takes events with and without bytes in order",
    sends: "30 events without a pause, every other one with bytes",
    expects: "all back, in order",
    run: async (context) => {
      const peer = await SocketioClientPeer.connected(context);
      const events = Array.from({ length: 30 }, (_, i) => (i % 2 ? [i, Uint8Array.of(i)] : [i]));
      for (const args of events) peer.sendEvent(["message", ...args]);
      for (const args of events) await peer.expectEvent(["message-back", ...args]);
      await peer.close();
    },
  }),
  clientCase({
    id: "event.unknown",
    clause: DATA,
    title: "passes over events that nobody listens to",
    sends: "events with unknown names, one of them every object's, and one empty",
    expects: "the event behind them back",
    run: async (context) => {
      const peer = await SocketioClientPeer.connected(context);
      for (const name of ["unknown", "__proto__", "toString", "", "error"]) peer.sendEvent([name]);
      await peer.expectAlive();
      await peer.close();
    },
  }),
  clientCase({
    id: "event.placeholder-in-text",
    clause: ENCODING,
    title: "takes what looks like a placeholder as data, where nothing is attached",
    sends: "EVENT with an object like a placeholder",
    expects: "the same object",
    run: async (context) => {
      const peer = await SocketioClientPeer.connected(context);
      peer.send(`2["message",${placeholder(0)}]`);
      const packet = await peer.next();
      expectSame(packet?.text, `2["message-back",${placeholder(0)}]`, "packet");
      await peer.close();
    },
  }),
  clientCase({
    id: "event.placeholders-in-another-order",
    clause: ENCODING,
    title: "goes by the numbers of placeholders, not by their order",
    sends: "BINARY_EVENT with placeholders 1 and 0",
    expects: "the second attachment first",
    run: async (context) => {
      const peer = await SocketioClientPeer.connected(context);
      const [first, second] = [Uint8Array.of(1), Uint8Array.of(2)];
      peer.send(`52-["message",${placeholder(1)},${placeholder(0)}]`, first, second);
      await peer.expectEvent(["message-back", second, first]);
      await peer.close();
    },
  }),
  clientCase({
    id: "event.of-another-namespace",
    clause: CONNECTION,
    title: "passes over packets of a namespace that it has not joined",
    sends: "an event in /elsewhere, and one in /",
    expects: "the event in / back, and nothing for the other",
    run: async (context) => {
      const peer = await SocketioClientPeer.connected(context);
      peer.send('2/elsewhere,["message",1]');
      peer.send('2/elsewhere,1["message-with-ack",1]');
      await peer.expectAlive();
      await peer.close();
    },
  }),
];

const LEAVING: readonly ClientCase[] = [
  clientCase({
    id: "disconnect.by-the-server",
    clause: DISCONNECTION,
    title: "takes DISCONNECT, and sends nothing in the namespace behind it",
    sends: "DISCONNECT, and an event behind it",
    expects: "the end of the connection, and no event; and the client again",
    connections: 2,
    run: async (context) => {
      const peer = await SocketioClientPeer.connected(context);
      await peer.expectAlive();
      peer.send("1");
      peer.sendEvent(["message", "late"]);
      await peer.expectClosed();
      await expectAgain(context);
    },
  }),
  clientCase({
    id: "disconnect.engine",
    clause: HANDSHAKE,
    severity: "INFO",
    title: "ends the connection for Engine.IO's close packet",
    sends: "a close packet of Engine.IO",
    expects: "the end of the connection; and the client again",
    connections: 2,
    run: async (context) => {
      const peer = await SocketioClientPeer.connected(context);
      peer.websocket.sendText("1");
      await peer.expectClosed();
      await expectAgain(context);
    },
  }),
  clientCase({
    id: "disconnect.websocket",
    clause: DISCONNECTION,
    title: "comes again when the server has closed the WebSocket",
    sends: "a close frame",
    expects: "a close frame; and the client again",
    connections: 2,
    run: async (context) => {
      const peer = await SocketioClientPeer.connected(context);
      await peer.websocket.close(1001);
      await expectAgain(context);
    },
  }),
];

/** What no server may send, behind which the client must still be there to come again. */
// biome-ignore format: aligned table
const BREACHES: readonly { readonly name: string; readonly what: string; readonly packet: string; readonly attachments?: readonly Uint8Array[] }[] = [
  { name: "no-json", what: "a payload that is not JSON", packet: '2["message",}' },
  { name: "unknown-type", what: "the packet type 9", packet: '9["x"]' },
  { name: "no-packet", what: "an empty message", packet: "" },
  { name: "event-without-payload", what: "an EVENT without a payload", packet: "2" },
  { name: "event-of-object", what: "an EVENT with an object", packet: "2{}" },
  { name: "event-of-empty-array", what: "an EVENT with an empty array", packet: "2[]" },
  { name: "event-named-object", what: "an EVENT whose name is an object", packet: '2[{"toString":1}]' },
  { name: "reserved-name", what: "an event named disconnect", packet: '2["disconnect"]' },
  { name: "ack-without-payload", what: "an ACK without a payload", packet: "31" },
  { name: "ack-of-object", what: "an ACK with an object", packet: "31{}" },
  { name: "connect-of-text", what: "a CONNECT with a text", packet: '0"sid"' },
  { name: "attachments-none", what: "a BINARY_EVENT without attachments", packet: '50-["message"]' },
  { name: "attachments-too-many", what: "a million attachments", packet: '51000000-["message"]' },
  { name: "attachment-unexpected", what: "an attachment that was not announced", packet: '2["nobody"]', attachments: [Uint8Array.of(1)] },
  { name: "attachment-missing", what: "a text where an attachment was to come", packet: `51-["message",${placeholder(0)}]` },
  { name: "placeholder-beyond", what: "a placeholder beyond the last attachment", packet: `51-["message",${placeholder(5)}]`, attachments: [Uint8Array.of(1)] },
  { name: "placeholder-of-text", what: "a placeholder with a method's name", packet: '51-["message",{"_placeholder":true,"num":"splice"}]', attachments: [Uint8Array.of(1)] },
  { name: "deep", what: "a payload of 50,000 arrays in each other", packet: `2["nobody",${"[".repeat(50_000)}${"]".repeat(50_000)}]` },
];

const MALFORMED: readonly ClientCase[] = [
  ...BREACHES.map(({ name, what, packet, attachments = [] }) =>
    clientCase({
      id: `malformed.${name}`,
      clause: ENCODING,
      title: `bears ${what}`,
      sends: `${quote(packet, 60)}, an event behind it, and the end of the connection`,
      expects: "an event back or the end of the connection; and the client again",
      connections: 2,
      run: async (context) => {
        const peer = await SocketioClientPeer.connected(context);
        peer.send(packet, ...attachments);
        peer.sendEvent(["message", "behind"]);
        // A client that waits for attachments says nothing: the server goes first.
        peer.websocket.sendClose(1000);
        peer.websocket.tcp.end();
        await drain(peer);
        await expectAgain(context);
      },
    }),
  ),
  ...["x", "", "9"].map((text, i) =>
    clientCase({
      id: `malformed.engine-packet-${i + 1}`,
      clause: "Engine.IO v4, Packet encoding",
      title: `bears a message that is no packet of Engine.IO (${quote(text)})`,
      sends: "it, and the end of the connection",
      expects: "the client again",
      connections: 2,
      run: async (context) => {
        const peer = await SocketioClientPeer.connected(context);
        peer.websocket.sendText(text);
        peer.websocket.sendClose(1000);
        peer.websocket.tcp.end();
        await drain(peer);
        await expectAgain(context);
      },
    }),
  ),
  ...["0{", "0[]", "0null", "4", "0{}"].map((text, i) =>
    clientCase({
      id: `malformed.open-packet-${i + 1}`,
      clause: HANDSHAKE,
      title: `bears an open packet that is none (${quote(text)})`,
      sends: "it, and the end of the connection",
      expects: "the client again",
      connections: 2,
      run: async (context) => {
        const websocket = await context.websocket();
        websocket.sendText(text);
        websocket.sendClose(1000);
        websocket.tcp.end();
        await drain(new SocketioClientPeer(websocket));
        await expectAgain(context);
      },
    }),
  ),
];

/** Takes whatever the client has still to say. */
async function drain(peer: SocketioClientPeer): Promise<void> {
  for (;;) {
    const packet = await peer.next();
    if (packet === undefined) return;
    const { type } = parsePacket(packet.text);
    if (type > 3 && type !== 5) throw new Failure("what a client may send", describePacket(packet));
  }
}

/** The client must come again, and be as new. */
async function expectAgain(context: ClientContext): Promise<void> {
  const peer = await SocketioClientPeer.connected(context);
  await peer.expectAlive("again");
  await peer.close();
}

export const SOCKETIO_CLIENT_CASES: readonly ClientCase[] = [
  ...CONNECTING,
  ...TIMING,
  ...EVENTS,
  ...LEAVING,
  ...MALFORMED,
];
