// Socket.IO "Acknowledgement".

import { type Case, expect } from "../kit/case.ts";
import { describePacket, parsePacket, SocketioPeer } from "../kit/socketio.ts";
import { bytesOf, CUSTOM, socketioCase } from "./socketio-case.ts";

const HEADING = "Acknowledgement";

/** The server asks with the event "question". Gives the id with which it wants to be answered. */
async function questionOf(
  peer: SocketioPeer,
  args: readonly unknown[],
  namespace = "/",
): Promise<number> {
  const packet = await peer.expectNext("the event question, with an id");
  const { id, namespace: where, payload } = parsePacket(packet.text);
  const is = Array.isArray(payload) && payload[0] === "question" && where === namespace;
  expect(is && payload.length === args.length + 1, "the event question", describePacket(packet));
  expect(id !== undefined, "an id to acknowledge with", describePacket(packet));
  return Number(id);
}

const IDS: readonly Case[] = [0, 1, 9, 10, 2_147_483_648, Number.MAX_SAFE_INTEGER].map((id) =>
  socketioCase({
    id: `ack.id-${id}`,
    heading: HEADING,
    title: `acknowledges an event with the id ${id} with the same`,
    sends: `2${id}["message-with-ack",1]`,
    expects: `3${id}[1]`,
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["message-with-ack", 1], { id });
      await peer.expectAck(id, [1]);
    },
  }),
);

interface Answer {
  readonly name: string;
  readonly args: readonly unknown[];
}

const ANSWERS: readonly Answer[] = [
  { name: "nothing", args: [] },
  { name: "null", args: [null] },
  { name: "several", args: [1, "two", [3], { four: 4 }, false] },
  { name: "unicode", args: ["é🦆"] },
  { name: "bytes", args: [bytesOf(4, 1)] },
  { name: "bytes-inside", args: ["x", { a: [bytesOf(1), bytesOf(2)] }, bytesOf(0)] },
];

const VALUES: readonly Case[] = ANSWERS.flatMap(({ name, args }) => [
  socketioCase({
    id: `ack.of-${name}`,
    heading: HEADING,
    title: `acknowledges with ${name.replaceAll("-", " ")}`,
    sends: "an event that asks to be acknowledged with it",
    expects: "ACK, or BINARY_ACK, with it",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["message-with-ack", ...args], { id: 456 });
      await peer.expectAck(456, args);
    },
  }),
  socketioCase({
    id: `ack.answer-of-${name}`,
    heading: HEADING,
    title: `takes the acknowledgement of a client with ${name.replaceAll("-", " ")}`,
    sends: "ACK, or BINARY_ACK, with it, when the server asks",
    expects: "the event answered with it",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["ask-me"]);
      peer.sendAck(await questionOf(peer, []), args);
      await peer.expectEvent(["answered", ...args]);
    },
  }),
]);

const OTHERS: readonly Case[] = [
  socketioCase({
    id: "ack.custom-namespace",
    heading: HEADING,
    title: "acknowledges in the namespace of the event",
    sends: '2/custom,13["message-with-ack","a"]',
    expects: '3/custom,13["a"]',
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      await peer.connect(CUSTOM);
      peer.send('2/custom,13["message-with-ack","a"]');
      await peer.expectPacket('3/custom,13["a"]');
    },
  }),
  socketioCase({
    id: "ack.bytes-in-custom-namespace",
    heading: HEADING,
    title: "acknowledges with bytes in another namespace",
    sends: "BINARY_EVENT with an id, in /custom",
    expects: "BINARY_ACK with the same id, in /custom",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context, CUSTOM);
      peer.sendEvent(["message-with-ack", bytesOf(3)], { id: 12, namespace: CUSTOM });
      await peer.expectAck(12, [bytesOf(3)], CUSTOM);
    },
  }),
  socketioCase({
    id: "ack.once",
    heading: HEADING,
    title: "acknowledges an event once",
    sends: "an event with an id, and one without",
    expects: "one ACK, and then what the second event gives",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["message-with-ack", 1], { id: 5 });
      peer.sendEvent(["message", 2]);
      await peer.expectAck(5, [1]);
      await peer.expectEvent(["message-back", 2]);
    },
  }),
  socketioCase({
    id: "ack.not-asked-for",
    heading: HEADING,
    title: "does not acknowledge an event without an id, nor ask for it",
    sends: "two events without an id",
    expects: "the events back, without an id, and no ACK",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      await peer.expectAlive();
      await peer.expectAlive();
    },
  }),
  socketioCase({
    id: "ack.many",
    heading: HEADING,
    title: "acknowledges each of many events with its own id",
    sends: "50 events with ids that go down",
    expects: "50 ACKs, each with its id",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      for (let id = 50; id > 0; id--) peer.sendEvent(["message-with-ack", `${id}`], { id });
      for (let id = 50; id > 0; id--) await peer.expectAck(id, [`${id}`]);
    },
  }),
  socketioCase({
    id: "ack.same-id-again",
    heading: HEADING,
    title: "acknowledges again when an id is used again",
    sends: "two events with the same id",
    expects: "two ACKs with that id",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      for (const value of ["a", "b"]) {
        peer.sendEvent(["message-with-ack", value], { id: 3 });
        await peer.expectAck(3, [value]);
      }
    },
  }),
  socketioCase({
    id: "ack.same-id-in-two-namespaces",
    heading: HEADING,
    title: "keeps ids of different namespaces apart",
    sends: "events with the same id in / and in /custom",
    expects: "an ACK in each",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      await peer.connect(CUSTOM);
      peer.sendEvent(["message-with-ack", "main"], { id: 1 });
      peer.sendEvent(["message-with-ack", "custom"], { id: 1, namespace: CUSTOM });
      await peer.expectAck(1, ["main"]);
      await peer.expectAck(1, ["custom"], CUSTOM);
    },
  }),
  socketioCase({
    id: "ack.id-beyond-safe-integers",
    heading: HEADING,
    title: "acknowledges with the same id or not at all where the id is beyond 2^53",
    sends: '29007199254740993["message-with-ack",1]',
    expects: "3 with the same digits, or the end of the connection",
    run: async (context) => {
      const bystander = await SocketioPeer.connected(context);
      const peer = await SocketioPeer.connected(context);
      peer.send('29007199254740993["message-with-ack",1]');
      peer.sendEvent(["message", "behind"]);
      const packet = await peer.next();
      if (packet !== undefined && parsePacket(packet.text).type === 3) {
        await peer.expectEvent(["message-back", "behind"]);
        const { id } = parsePacket(packet.text);
        expect(id === "9007199254740993", "the same id", describePacket(packet));
      }
      await bystander.expectAlive();
    },
  }),
  socketioCase({
    id: "ack.asks",
    heading: HEADING,
    title: "asks a client with an id, and takes its answer",
    sends: "the event ask-me with arguments, and the ACK",
    expects: "the event question with them and an id; the event answered",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["ask-me", "how", { many: 1 }]);
      const id = await questionOf(peer, ["how", { many: 1 }]);
      peer.sendAck(id, ["this", { many: 2 }]);
      await peer.expectEvent(["answered", "this", { many: 2 }]);
    },
  }),
  socketioCase({
    id: "ack.asks-in-custom-namespace",
    heading: HEADING,
    title: "asks a client in another namespace, and takes its answer",
    sends: "the event ask-me and the ACK, in /custom",
    expects: "the event question with an id, and the event answered, in /custom",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context, CUSTOM);
      peer.sendEvent(["ask-me"], { namespace: CUSTOM });
      peer.sendAck(await questionOf(peer, [], CUSTOM), [1], CUSTOM);
      await peer.expectEvent(["answered", 1], { namespace: CUSTOM });
    },
  }),
  socketioCase({
    id: "ack.asks-with-bytes",
    heading: HEADING,
    title: "asks a client with bytes and an id",
    sends: "the event ask-me with bytes, and a BINARY_ACK",
    expects: "BINARY_EVENT with an id and the bytes, and the event answered with the others",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["ask-me", bytesOf(3, 1)]);
      const id = await questionOf(peer, [bytesOf(3, 1)]);
      peer.sendAck(id, [bytesOf(2, 7)]);
      await peer.expectEvent(["answered", bytesOf(2, 7)]);
    },
  }),
  socketioCase({
    id: "ack.asks-twice",
    heading: HEADING,
    title: "waits for several answers at a time, and takes them in any order",
    sends: "the event ask-me twice, and the ACKs the other way round",
    expects: "two ids, and the events answered in the order of the ACKs",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["ask-me"]);
      peer.sendEvent(["ask-me"]);
      const first = await questionOf(peer, []);
      const second = await questionOf(peer, []);
      expect(first !== second, "an id for each question", `${first} twice`);
      peer.sendAck(second, ["second"]);
      peer.sendAck(first, ["first"]);
      await peer.expectEvent(["answered", "second"]);
      await peer.expectEvent(["answered", "first"]);
    },
  }),
  socketioCase({
    id: "ack.unknown-id",
    heading: HEADING,
    severity: "SHOULD",
    title: "ignores an ACK that it does not wait for",
    sends: "ACK with an id that was never used, and then the right one",
    expects: "the event answered with what the right one says",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["ask-me"]);
      const id = await questionOf(peer, []);
      peer.sendAck(id + 1_000_000, ["wrong"]);
      peer.sendAck(id, ["right"]);
      await peer.expectEvent(["answered", "right"]);
      await peer.expectAlive();
    },
  }),
  socketioCase({
    id: "ack.duplicate",
    heading: HEADING,
    severity: "SHOULD",
    title: "takes the first of several ACKs with one id, and ignores the others",
    sends: "the same ACK three times",
    expects: "the event answered once",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["ask-me"]);
      const id = await questionOf(peer, []);
      for (let i = 0; i < 3; i++) peer.sendAck(id, [i]);
      await peer.expectEvent(["answered", 0]);
      await peer.expectAlive();
    },
  }),
  socketioCase({
    id: "ack.of-another-client",
    heading: HEADING,
    title: "takes the answer of the client that it has asked, and of no other",
    sends: "the event ask-me, and the ACK over another connection",
    expects: "the event answered only for the ACK of the right client",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      const other = await SocketioPeer.connected(context);
      peer.sendEvent(["ask-me"]);
      const id = await questionOf(peer, []);
      other.sendAck(id, ["forged"]);
      await other.expectAlive();
      peer.sendAck(id, ["genuine"]);
      await peer.expectEvent(["answered", "genuine"]);
    },
  }),
  socketioCase({
    id: "ack.in-another-namespace",
    heading: HEADING,
    title: "takes the answer in the namespace in which it has asked, and in no other",
    sends: "the event ask-me in /, and the ACK in /custom and then in /",
    expects: "the event answered with what the second says",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      await peer.connect(CUSTOM);
      peer.sendEvent(["ask-me"]);
      const id = await questionOf(peer, []);
      peer.sendAck(id, ["elsewhere"], CUSTOM);
      peer.sendAck(id, ["here"]);
      await peer.expectEvent(["answered", "here"]);
    },
  }),
];

export const SOCKETIO_ACKS: readonly Case[] = [...IDS, ...VALUES, ...OTHERS];
