// What no packet of Socket.IO may be, and limits. Whatever the server does with who sends it, others
// are not to notice.

import { type Case, expect, Failure, type Severity, Skip } from "../kit/case.ts";
import { quote } from "../kit/conversation.ts";
import { describePacket, placeholder, SocketioPeer } from "../kit/socketio.ts";
import { bytesOf, CUSTOM, type Heading, largestText, socketioCase } from "./socketio-case.ts";

interface Breach {
  readonly name: string;
  /** In words. */
  readonly what: string;
  readonly heading: Heading;
  readonly severity: Severity;
  readonly packet: string;
  readonly attachments?: readonly Uint8Array[];
  /** It announces attachments, so that a text behind it would be another breach. */
  readonly announces?: boolean;
}

const BYTES = bytesOf(2);

// The text has a receiver close the connection whose EVENT has no array, or an empty one. Of other
// breaches it says only what a packet must be; the reference implementation closes the connection.
// biome-ignore format: aligned table
const BREACHES: readonly Breach[] = [
  { name: "event-without-payload", what: "an EVENT without a payload", heading: "Sending and receiving data", severity: "MUST", packet: "2" },
  { name: "event-of-object", what: "an EVENT with an object", heading: "Sending and receiving data", severity: "MUST", packet: "2{}" },
  { name: "event-of-array-like", what: "an EVENT with an object like an array", heading: "Sending and receiving data", severity: "MUST", packet: '2{"0":"message","length":1}' },
  { name: "event-of-text", what: "an EVENT with a text", heading: "Sending and receiving data", severity: "MUST", packet: '2"message"' },
  { name: "event-of-null", what: "an EVENT with null", heading: "Sending and receiving data", severity: "MUST", packet: "2null" },
  { name: "event-of-empty-array", what: "an EVENT with an empty array", heading: "Sending and receiving data", severity: "MUST", packet: "2[]" },
  { name: "event-named-null", what: "an EVENT whose name is null", heading: "Sending and receiving data", severity: "SHOULD", packet: "2[null]" },
  { name: "event-named-object", what: "an EVENT whose name is an object (CVE-2023-32695)", heading: "Sending and receiving data", severity: "SHOULD", packet: '2[{"toString":"message"}]' },
  { name: "event-named-array", what: "an EVENT whose name is an array", heading: "Sending and receiving data", severity: "SHOULD", packet: '2[["message"]]' },
  { name: "event-named-true", what: "an EVENT whose name is true", heading: "Sending and receiving data", severity: "SHOULD", packet: "2[true]" },
  { name: "no-packet", what: "an empty message", heading: "Packet encoding", severity: "SHOULD", packet: "" },
  { name: "unknown-type", what: "the packet type 9", heading: "Packet encoding", severity: "SHOULD", packet: '9["message"]' },
  { name: "type-behind-the-last", what: "the packet type 7", heading: "Packet encoding", severity: "SHOULD", packet: '7["message"]' },
  { name: "type-no-number", what: "a letter as packet type", heading: "Packet encoding", severity: "SHOULD", packet: "abc" },
  { name: "no-json", what: "a payload that is not JSON", heading: "Packet encoding", severity: "SHOULD", packet: '2["message",}' },
  { name: "json-ends-early", what: "a payload that ends too early", heading: "Packet encoding", severity: "SHOULD", packet: '2["message"' },
  { name: "json-and-more", what: "a payload with something behind it", heading: "Packet encoding", severity: "SHOULD", packet: '2["message"]]' },
  { name: "json-in-single-quotes", what: "a payload with single quotes", heading: "Packet encoding", severity: "SHOULD", packet: "2['message']" },
  { name: "json-nan", what: "NaN in a payload", heading: "Packet encoding", severity: "SHOULD", packet: '2["message",NaN]' },
  { name: "id-negative", what: "a negative id", heading: "Packet encoding", severity: "SHOULD", packet: '2-1["message-with-ack",1]' },
  { name: "id-fraction", what: "an id that is a fraction", heading: "Packet encoding", severity: "SHOULD", packet: '21.5["message-with-ack",1]' },
  { name: "namespace-without-slash", what: "a namespace without a slash", heading: "Packet encoding", severity: "SHOULD", packet: '2custom,["message"]' },
  { name: "namespace-without-comma", what: "an EVENT whose namespace has no end", heading: "Packet encoding", severity: "SHOULD", packet: '2/custom["message"]' },
  { name: "connect-of-array", what: "a CONNECT with an array", heading: "Connection to a namespace", severity: "SHOULD", packet: "0/custom,[]" },
  { name: "connect-of-text", what: "a CONNECT with a text", heading: "Connection to a namespace", severity: "SHOULD", packet: '0/custom,"token"' },
  { name: "connect-error", what: "a CONNECT_ERROR, which is a server's", heading: "Connection to a namespace", severity: "SHOULD", packet: '4{"message":"no"}' },
  { name: "disconnect-with-payload", what: "a DISCONNECT with a payload", heading: "Disconnection from a namespace", severity: "SHOULD", packet: '1{"a":1}' },
  { name: "ack-without-payload", what: "an ACK without a payload", heading: "Acknowledgement", severity: "SHOULD", packet: "31" },
  { name: "ack-of-object", what: "an ACK with an object", heading: "Acknowledgement", severity: "SHOULD", packet: "31{}" },
  { name: "ack-of-null", what: "an ACK with null", heading: "Acknowledgement", severity: "SHOULD", packet: "31null" },
  { name: "attachments-not-counted", what: "a BINARY_EVENT without a number", heading: "Packet encoding", severity: "SHOULD", packet: `5["message",${placeholder(0)}]`, announces: true },
  { name: "attachments-number-missing", what: "a BINARY_EVENT with a dash and no number", heading: "Packet encoding", severity: "SHOULD", packet: `5-["message",${placeholder(0)}]`, announces: true },
  { name: "attachments-without-dash", what: "a BINARY_EVENT without a dash", heading: "Packet encoding", severity: "SHOULD", packet: `51["message",${placeholder(0)}]`, announces: true },
  { name: "attachments-negative", what: "a negative number of attachments", heading: "Packet encoding", severity: "SHOULD", packet: `5-1-["message",${placeholder(0)}]`, announces: true },
  { name: "attachments-fraction", what: "one and a half attachments", heading: "Packet encoding", severity: "SHOULD", packet: `51.5-["message",${placeholder(0)}]`, announces: true },
  { name: "attachments-none", what: "a BINARY_EVENT without attachments (CVE-2026-69185)", heading: "Packet encoding", severity: "SHOULD", packet: '50-["message"]', announces: true },
  { name: "attachments-too-many", what: "a million attachments (CVE-2026-33151)", heading: "Packet encoding", severity: "SHOULD", packet: '51000000-["message"]', announces: true },
  { name: "attachments-of-many-digits", what: "a number of attachments of 400 digits", heading: "Packet encoding", severity: "SHOULD", packet: `5${"9".repeat(400)}-["message"]`, announces: true },
  { name: "attachments-unfinished", what: "a text where an attachment was to come", heading: "Packet encoding", severity: "SHOULD", packet: `51-["message",${placeholder(0)}]` },
  { name: "attachments-half", what: "a text where the second attachment was to come", heading: "Packet encoding", severity: "SHOULD", packet: `52-["message",${placeholder(0)},${placeholder(1)}]`, attachments: [BYTES] },
  { name: "attachment-too-many", what: "one more attachment than was announced", heading: "Packet encoding", severity: "SHOULD", packet: `51-["nobody",${placeholder(0)}]`, attachments: [BYTES, BYTES] },
  { name: "attachment-to-text", what: "an attachment to an EVENT", heading: "Packet encoding", severity: "SHOULD", packet: '2["nobody"]', attachments: [BYTES] },
  { name: "binary-event-of-object", what: "a BINARY_EVENT with an object", heading: "Sending and receiving data", severity: "MUST", packet: `51-{"a":${placeholder(0)}}`, attachments: [BYTES] },
  { name: "binary-event-named-bytes", what: "a BINARY_EVENT whose name is bytes", heading: "Sending and receiving data", severity: "SHOULD", packet: `51-[${placeholder(0)}]`, attachments: [BYTES] },
  { name: "binary-ack-of-object", what: "a BINARY_ACK with an object", heading: "Acknowledgement", severity: "SHOULD", packet: `61-1{"a":${placeholder(0)}}`, attachments: [BYTES] },
  { name: "placeholder-beyond", what: "a placeholder beyond the last attachment", heading: "Packet encoding", severity: "SHOULD", packet: `51-["message",${placeholder(1)}]`, attachments: [BYTES] },
  { name: "placeholder-negative", what: "a placeholder with a negative number", heading: "Packet encoding", severity: "SHOULD", packet: `51-["message",${placeholder(-1)}]`, attachments: [BYTES] },
  { name: "placeholder-fraction", what: "a placeholder with a fraction", heading: "Packet encoding", severity: "SHOULD", packet: `51-["message",${placeholder(0.5)}]`, attachments: [BYTES] },
  { name: "placeholder-of-text", what: "a placeholder with a method's name (CVE-2022-2421)", heading: "Packet encoding", severity: "SHOULD", packet: '51-["message",{"_placeholder":true,"num":"splice"}]', attachments: [BYTES] },
  { name: "placeholder-without-number", what: "a placeholder without a number", heading: "Packet encoding", severity: "SHOULD", packet: '51-["message",{"_placeholder":true}]', attachments: [BYTES] },
  ...["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"].map((event): Breach => (
    { name: `reserved-${event.replace(/[_A-Z]/, (letter) => `-${letter.replace("_", "").toLowerCase()}`)}`, what: `an event with the reserved name ${event}`, heading: "Sending and receiving data", severity: "SHOULD", packet: JSON.stringify([event]).replace(/^/, "2") }
  )),
];

const CLOSED: readonly Case[] = BREACHES.map(
  ({ name, what, heading, severity, packet, attachments = [], announces = false }) =>
    socketioCase({
      id: `malformed.${name}`,
      heading,
      severity,
      title: `closes the connection for ${what}`,
      sends: `${quote(packet, 60)}${attachments.length > 0 ? " and attachments" : ""}${announces ? "" : ", and an event behind it"}`,
      expects: "the end of the connection, and nothing for others",
      run: async (context) => {
        const bystander = await SocketioPeer.connected(context);
        const peer = await SocketioPeer.connected(context);
        peer.send(packet, ...attachments);
        // Who passes over the breach is seen at once by the answer to this.
        if (!announces) peer.sendBehind();
        await peer.expectClosed();
        await bystander.expectAlive();
      },
    }),
);

/** What the text leaves open: the connection goes on, or ends. */
// biome-ignore format: aligned table
const OPEN: readonly Breach[] = [
  { name: "ack-without-id", what: "an ACK without an id", heading: "Acknowledgement", severity: "SHOULD", packet: '3["x"]' },
  { name: "id-with-zero-before", what: "an id with a zero before it", heading: "Packet encoding", severity: "INFO", packet: '2007["nobody"]' },
  { name: "disconnect-with-id", what: "a DISCONNECT of another namespace with an id", heading: "Packet encoding", severity: "INFO", packet: "1/nowhere,7" },
  { name: "id-of-many-digits", what: "an id of 400 digits", heading: "Packet encoding", severity: "INFO", packet: `2${"9".repeat(400)}["nobody"]` },
  { name: "attachment-without-place", what: "an attachment that no placeholder names", heading: "Packet encoding", severity: "INFO", packet: '51-["nobody"]', attachments: [BYTES] },
  { name: "many-arguments", what: "an event with 40,000 arguments", heading: "Sending and receiving data", severity: "INFO", packet: `2["nobody"${",1".repeat(40_000)}]` },
  { name: "control-character-in-namespace", what: "a line break in the name of a namespace", heading: "Packet encoding", severity: "INFO", packet: "0/a\nb," },
];

const EITHER: readonly Case[] = OPEN.map(
  ({ name, what, heading, severity, packet, attachments = [] }) =>
    socketioCase({
      id: `malformed.${name}`,
      heading,
      severity,
      title: `ignores or refuses ${what}, or closes the connection, and serves others`,
      sends: quote(packet, 60),
      expects: "nothing for others",
      run: async (context) => {
        const bystander = await SocketioPeer.connected(context);
        const peer = await SocketioPeer.connected(context);
        peer.send(packet, ...attachments);
        peer.sendEvent(["message", "behind"]);
        // A refusal may be before what the event gives.
        const packets = [await peer.next()];
        if (packets[0]?.text.startsWith("4") === true) packets.push(await peer.next());
        const last = packets.at(-1);
        if (last !== undefined && !/^2\["message-back"/.test(last.text)) {
          throw new Failure("the event message-back or the end", describePacket(last));
        }
        await bystander.expectAlive();
      },
    }),
);

const HOSTILE: readonly Case[] = [
  socketioCase({
    id: "malformed.deep",
    heading: "Packet encoding",
    title: "bears a payload that is nested as deep as its size allows",
    sends: "an event with tens of thousands of arrays in each other",
    expects:
      "an answer to this or to the next event or the end of the connection, and nothing for others",
    run: async (context) => {
      const bystander = await SocketioPeer.connected(context);
      const peer = await SocketioPeer.connected(context);
      const depth = largestText(peer) / 2 - 20;
      peer.send(`2["message",${"[".repeat(depth)}${"]".repeat(depth)}]`);
      peer.sendEvent(["message", "behind"]);
      await peer.next();
      await bystander.expectAlive();
    },
  }),
  socketioCase({
    id: "malformed.deep-and-unfinished",
    heading: "Packet encoding",
    title: "bears a payload of opening brackets only",
    sends: "an event with nearly 100,000 brackets that open",
    expects: "the end of the connection, and nothing for others",
    run: async (context) => {
      const bystander = await SocketioPeer.connected(context);
      const peer = await SocketioPeer.connected(context);
      peer.send(`2["message",${"[".repeat(largestText(peer) - 20)}`);
      peer.sendBehind();
      await peer.expectClosed();
      await bystander.expectAlive();
    },
  }),
  socketioCase({
    id: "malformed.deep-with-bytes",
    heading: "Packet encoding",
    title: "bears a placeholder that is nested as deep as its size allows",
    sends: "BINARY_EVENT with its placeholder in tens of thousands of arrays",
    expects:
      "an answer to this or to the next event or the end of the connection, and nothing for others",
    run: async (context) => {
      const bystander = await SocketioPeer.connected(context);
      const peer = await SocketioPeer.connected(context);
      const depth = largestText(peer) / 2 - 50;
      peer.send(
        `51-["message",${"[".repeat(depth)}${placeholder(0)}${"]".repeat(depth)}]`,
        bytesOf(1),
      );
      peer.sendEvent(["message", "behind"]);
      await peer.next();
      await bystander.expectAlive();
    },
  }),
  socketioCase({
    id: "malformed.prototype",
    heading: "Packet encoding",
    title: "changes no other object by what is named __proto__ in a payload",
    sends: "events and CONNECT with fields named __proto__ and constructor",
    expects: "what others send and are told is as before",
    run: async (context) => {
      const peer = await SocketioPeer.open(context);
      const polluting = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
      peer.send(`0${polluting}`);
      peer.send(`2["message",${polluting}]`);
      peer.send(`51-["message",${polluting.replaceAll("1", placeholder(0))}]`, bytesOf(1));
      for (let i = 0; i < 4 && (await peer.next()) !== undefined; i++);
      const other = await SocketioPeer.open(context);
      const { auth } = await other.connect();
      const none = JSON.stringify(auth) === "{}";
      expect(none, "an empty object from a client that gives none", JSON.stringify(auth));
      other.send('2["message",{},[],{"a":{}}]');
      await other.expectPacket('2["message-back",{},[],{"a":{}}]');
    },
  }),
  socketioCase({
    id: "malformed.other-namespace-ends-too",
    heading: "Exchange protocol",
    severity: "SHOULD",
    title: "closes the connection with all its namespaces for a breach in one",
    sends: "an empty EVENT in /custom, and an event in /",
    expects: "the end of the connection",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      await peer.connect(CUSTOM);
      peer.send("2/custom,[]");
      peer.sendBehind();
      await peer.expectClosed();
    },
  }),
];

const LIMITS: readonly Case[] = [
  { kind: "text", announces: false },
  { kind: "attachment", announces: true },
].map(({ kind, announces }) => ({
  ...socketioCase({
    id: `limit.${kind}-beyond-max-payload`,
    heading: "Packet encoding",
    title: `closes the connection for a${announces ? "n" : ""} ${kind} of more than maxPayload bytes`,
    sends: `a${announces ? "n" : ""} ${kind} of one byte more than maxPayload`,
    expects: "the end of the connection, and nothing for others",
    run: async (context) => {
      const bystander = await SocketioPeer.connected(context);
      const peer = await SocketioPeer.connected(context);
      const { maxPayload } = peer.handshake;
      if (!Number.isFinite(maxPayload)) throw new Skip("the open packet has no maxPayload");
      const text = "x".repeat(maxPayload + 1 - '42["message",""]'.length);
      if (announces) peer.sendEvent(["message", bytesOf(maxPayload + 1)]);
      else peer.sendEvent(["message", text]);
      await peer.expectClosed();
      await bystander.expectAlive();
    },
  }),
  clause: "Engine.IO v4, Handshake",
}));

export const SOCKETIO_MALFORMED: readonly Case[] = [...CLOSED, ...EITHER, ...HOSTILE, ...LIMITS];
