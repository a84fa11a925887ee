// Socket.IO "Sending and receiving data".

import type { Case } from "../kit/case.ts";
import { SocketioPeer } from "../kit/socketio.ts";
import { TEXT } from "../kit/websocket.ts";
import { CUSTOM, largestText, socketioCase } from "./socketio-case.ts";

const HEADING = "Sending and receiving data";

interface Echo {
  readonly name: string;
  readonly args: readonly unknown[];
}

const ECHOES: readonly Echo[] = [
  { name: "no-arguments", args: [] },
  { name: "null", args: [null] },
  { name: "booleans", args: [true, false] },
  { name: "integers", args: [0, 1, -1, 2_147_483_647, -2_147_483_648, 4_294_967_296] },
  { name: "largest-integers", args: [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER] },
  { name: "fractions", args: [0.5, -0.1, 1.7976931348623157e308, 5e-324, 1e21, 1e-7] },
  { name: "text", args: ["hello"] },
  { name: "empty-text", args: [""] },
  { name: "escapes", args: ['"\\/\b\f\n\r\t\u0000\u001f'] },
  { name: "unicode", args: ["é ñ ß Ж 漢字 \u00a0\u2028\u2029\ufeff"] },
  { name: "emoji", args: ["🦆👩‍👩‍👧‍👦\u{10ffff}"] },
  { name: "text-like-a-packet", args: ['51-/a,7["x"]', "2probe", "1", "\u001e42"] },
  { name: "array", args: [[1, "two", [3, [4]], []]] },
  { name: "object", args: [{ a: 1, b: { c: [null, {}] }, "": "", "a,b": '"' }] },
  { name: "names-of-every-object", args: [JSON.parse('{"__proto__":{"x":1},"constructor":1}')] },
  { name: "nested", args: [JSON.parse(`${"[".repeat(100)}1${"]".repeat(100)}`)] },
  { name: "many-arguments", args: Array.from({ length: 200 }, (_, i) => i) },
  {
    name: "many-fields",
    args: [Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, i]))],
  },
];

const VALUES: readonly Case[] = ECHOES.flatMap(({ name, args }) => [
  socketioCase({
    id: `event.${name}`,
    heading: HEADING,
    title: `takes and sends an event with ${name.replaceAll("-", " ")}`,
    sends: "the event message with it",
    expects: "the event message-back with the same",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["message", ...args]);
      await peer.expectEvent(["message-back", ...args]);
    },
  }),
]);

/** Events that the server has no listener for. */
const NAMES: readonly { readonly name: string; readonly event: string | number }[] = [
  { name: "empty", event: "" },
  { name: "unknown", event: "nobody listens" },
  { name: "quotes", event: '"\\"],[' },
  { name: "unicode", event: "é🦆" },
  { name: "digits", event: "42" },
  { name: "error", event: "error" },
  { name: "name-of-every-object", event: "__proto__" },
  { name: "method-of-every-object", event: "toString" },
  { name: "reserved-in-capitals", event: "Connect" },
  { name: "very-long", event: "n".repeat(50_000) },
];

const UNHEARD: readonly Case[] = NAMES.map(({ name, event }) =>
  socketioCase({
    id: `event-name.${name}`,
    heading: HEADING,
    title: `takes an event that nobody listens to (${name}), and goes on`,
    sends: "the event, and the event message",
    expects: "the event message-back",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent([event, 1]);
      await peer.expectAlive();
    },
  }),
);

const OTHERS: readonly Case[] = [
  socketioCase({
    id: "event.custom-namespace",
    heading: HEADING,
    title: "takes and sends events in another namespace",
    sends: "the event message in /custom",
    expects: "the event message-back in /custom",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context, CUSTOM);
      peer.send('2/custom,["message",1,"two",{"three":[]}]');
      await peer.expectPacket('2/custom,["message-back",1,"two",{"three":[]}]');
    },
  }),
  socketioCase({
    id: "event.in-its-namespace-only",
    heading: HEADING,
    title: "answers in the namespace in which it was asked",
    sends: "events in / and /custom without a pause",
    expects: "each back in its namespace, in the order in which they were sent",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      await peer.connect(CUSTOM);
      peer.send('2["message",1]');
      peer.send('2/custom,["message",2]');
      peer.send('2["message",3]');
      await peer.expectPacket('2["message-back",1]');
      await peer.expectPacket('2/custom,["message-back",2]');
      await peer.expectPacket('2["message-back",3]');
    },
  }),
  socketioCase({
    id: "event.order",
    heading: HEADING,
    title: "keeps the order of events",
    sends: "100 events without a pause",
    expects: "all back, in order",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      for (let i = 0; i < 100; i++) peer.sendEvent(["message", i]);
      for (let i = 0; i < 100; i++) await peer.expectEvent(["message-back", i]);
    },
  }),
  socketioCase({
    id: "event.escaped-name",
    heading: "Packet encoding",
    title: "reads a name that JSON writes with escapes",
    sends: String.raw`2["\u006des\u0073age","\u0041"]`,
    expects: '2["message-back","A"]',
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.send(String.raw`2["\u006des\u0073age","\u0041"]`);
      await peer.expectPacket('2["message-back","A"]');
    },
  }),
  socketioCase({
    id: "event.room-in-json",
    heading: "Packet encoding",
    title: "reads JSON with room between its parts",
    sends: '2[ "message" ,\\t1 , { "a" : [ ] } ]',
    expects: '2["message-back",1,{"a":[]}]',
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.send('2[ "message" ,\t1 , { "a" : [ ] } ]\n');
      await peer.expectPacket('2["message-back",1,{"a":[]}]');
    },
  }),
  socketioCase({
    id: "event.main-namespace-said",
    heading: "Packet encoding",
    severity: "INFO",
    title: "reads the name of the main namespace, which may be left out",
    sends: '2/,["message",1]',
    expects: '2["message-back",1]',
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.send('2/,["message",1]');
      await peer.expectPacket('2["message-back",1]');
    },
  }),
  socketioCase({
    id: "event.numeric-name",
    heading: HEADING,
    severity: "INFO",
    title: "takes an event whose name is a number, or closes the connection",
    sends: "2[42,1], and the event message",
    expects: "the event message-back, or the end of the connection; nothing for others",
    run: async (context) => {
      const bystander = await SocketioPeer.connected(context);
      const peer = await SocketioPeer.connected(context);
      peer.send("2[42,1]");
      peer.sendEvent(["message", "behind"]);
      const packet = await peer.next();
      if (packet !== undefined) await peer.expectAlive();
      await bystander.expectAlive();
    },
  }),
  socketioCase({
    id: "event.in-fragments",
    heading: HEADING,
    title: "takes an event that comes in several frames",
    sends: "the event message in three frames of WebSocket, one of them empty",
    expects: "the event message-back",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.websocket.need("message");
      peer.websocket.send({ opcode: TEXT, fin: false, payload: '42["mess' });
      peer.websocket.send({ opcode: 0, fin: false, payload: "" });
      peer.websocket.send({ opcode: 0, payload: 'age",1]' });
      await peer.expectPacket('2["message-back",1]');
    },
  }),
  socketioCase({
    id: "event.large",
    heading: HEADING,
    title: "takes and sends an event that is nearly as large as it may be",
    sends: "the event message with 100 kB of text, or maxPayload, less what is around it",
    expects: "the event message-back with the same",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      const text = "x".repeat(largestText(peer) - '42["message",""]'.length);
      peer.sendEvent(["message", text]);
      await peer.expectEvent(["message-back", text]);
    },
  }),
  socketioCase({
    id: "event.large-in-other-letters",
    heading: HEADING,
    title: "counts bytes and not letters where an event is large",
    sends: "the event message with as many letters of three bytes as maxPayload has room for",
    expects: "the event message-back with the same",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      const text = "漢".repeat(Math.floor((largestText(peer) - '42["message",""]'.length) / 3));
      peer.sendEvent(["message", text]);
      await peer.expectEvent(["message-back", text]);
    },
  }),
];

export const SOCKETIO_EVENTS: readonly Case[] = [...VALUES, ...UNHEARD, ...OTHERS];
