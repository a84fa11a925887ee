// Socket.IO "Sending and receiving data" and "Packet encoding": bytes.

import { type Case, expect } from "../kit/case.ts";
import { describePacket, placeholder, SocketioPeer } from "../kit/socketio.ts";
import { bytesOf, CUSTOM, largestText, socketioCase } from "./socketio-case.ts";

const HEADING = "Sending and receiving data";

interface Echo {
  readonly name: string;
  readonly args: readonly unknown[];
}

const ECHOES: readonly Echo[] = [
  { name: "one", args: [bytesOf(4, 1)] },
  { name: "empty", args: [bytesOf(0)] },
  { name: "every-byte", args: [bytesOf(256, 0)] },
  { name: "several", args: [bytesOf(3, 10), bytesOf(2, 20), bytesOf(1, 30)] },
  { name: "empty-among-others", args: [bytesOf(0), bytesOf(2), bytesOf(0)] },
  { name: "in-array", args: [[bytesOf(1), [bytesOf(2), "x"]], bytesOf(3)] },
  { name: "in-object", args: [{ a: bytesOf(1), b: { c: [bytesOf(2)] } }, { d: bytesOf(3) }] },
  { name: "among-text", args: ["a", bytesOf(5), 7, { text: "b", bytes: bytesOf(6) }, null, true] },
  { name: "of-the-same-value", args: [bytesOf(2, 1), bytesOf(2, 1)] },
  {
    name: "like-packets",
    args: [Buffer.from('42["message"]'), Buffer.from("2"), Buffer.from("b4")],
  },
  { name: "ten", args: Array.from({ length: 10 }, (_, i) => bytesOf(i + 1, i)) },
];

const VALUES: readonly Case[] = ECHOES.map(({ name, args }) =>
  socketioCase({
    id: `binary.${name}`,
    heading: HEADING,
    title: `takes and sends bytes (${name.replaceAll("-", " ")})`,
    sends: "BINARY_EVENT, and its attachments in order",
    expects: "BINARY_EVENT with placeholders numbered in order, and the same attachments",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["message", ...args]);
      await peer.expectEvent(["message-back", ...args]);
    },
  }),
);

const OTHERS: readonly Case[] = [
  socketioCase({
    id: "binary.encoding",
    heading: "Packet encoding",
    title: "writes the number of attachments, and a placeholder for each",
    sends: "BINARY_EVENT with two attachments, in /custom",
    expects: "52-/custom,[…], with placeholders 0 and 1",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context, CUSTOM);
      peer.send(
        `52-/custom,["message",${placeholder(0)},${placeholder(1)}]`,
        bytesOf(2),
        bytesOf(3),
      );
      const packet = await peer.expectNext("BINARY_EVENT");
      expect(packet.text.startsWith("52-/custom,["), "52-/custom,[…]", describePacket(packet));
      const places = [...packet.text.matchAll(/"num":\s*(\d+)/g)].map(([, num]) => num);
      expect(`${places}` === "0,1", "placeholders 0 and 1", describePacket(packet));
    },
  }),
  socketioCase({
    id: "binary.custom-namespace",
    heading: HEADING,
    title: "takes and sends bytes in another namespace",
    sends: "BINARY_EVENT in /custom",
    expects: "BINARY_EVENT in /custom",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context, CUSTOM);
      peer.sendEvent(["message", bytesOf(4)], { namespace: CUSTOM });
      await peer.expectEvent(["message-back", bytesOf(4)], { namespace: CUSTOM });
    },
  }),
  socketioCase({
    id: "binary.large",
    heading: HEADING,
    title: "takes and sends an attachment as large as it may be",
    sends: "BINARY_EVENT with an attachment of 100 kB, or maxPayload",
    expects: "the same attachment",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      const bytes = bytesOf(largestText(peer));
      peer.sendEvent(["message", bytes]);
      await peer.expectEvent(["message-back", bytes]);
    },
  }),
  socketioCase({
    id: "binary.one-after-the-other",
    heading: HEADING,
    title: "keeps packets with and without bytes apart and in order",
    sends: "30 events without a pause, every other one with bytes",
    expects: "all back, in order",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      const events = Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? [i] : [i, bytesOf(i)]));
      for (const args of events) peer.sendEvent(["message", ...args]);
      for (const args of events) await peer.expectEvent(["message-back", ...args]);
    },
  }),
  socketioCase({
    id: "binary.in-frames-of-two-namespaces",
    heading: HEADING,
    title: "puts attachments together with the packet that they came behind",
    sends: "BINARY_EVENT in /custom, and in / at once behind it",
    expects: "both back with their own attachments",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      await peer.connect(CUSTOM);
      peer.sendEvent(["message", bytesOf(1), bytesOf(2)], { namespace: CUSTOM });
      peer.sendEvent(["message", bytesOf(3)]);
      await peer.expectEvent(["message-back", bytesOf(1), bytesOf(2)], { namespace: CUSTOM });
      await peer.expectEvent(["message-back", bytesOf(3)]);
    },
  }),
  socketioCase({
    id: "binary.placeholders-in-another-order",
    heading: "Packet encoding",
    title: "goes by the numbers of placeholders, not by their order",
    sends: "BINARY_EVENT with placeholders 1 and 0",
    expects: "the second attachment first",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.send(`52-["message",${placeholder(1)},${placeholder(0)}]`, bytesOf(1), bytesOf(2));
      await peer.expectEvent(["message-back", bytesOf(2), bytesOf(1)]);
    },
  }),
  socketioCase({
    id: "binary.placeholder-in-text",
    heading: "Packet encoding",
    title: "takes what looks like a placeholder as data, where nothing is attached",
    sends: "EVENT with an object like a placeholder",
    expects: "the same object",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.send(`2["message",${placeholder(0)}]`);
      await peer.expectPacket(`2["message-back",${placeholder(0)}]`);
    },
  }),
  socketioCase({
    id: "binary.no-placeholder-after-all",
    heading: "Packet encoding",
    severity: "SHOULD",
    title: "takes an object as data that says it is no placeholder",
    sends: 'BINARY_EVENT with {"_placeholder":false,"num":0} beside a placeholder',
    expects: "the same object, and the attachment",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      const like = { _placeholder: false, num: 0 };
      peer.sendEvent(["message", like, bytesOf(2)]);
      await peer.expectEvent(["message-back", like, bytesOf(2)]);
    },
  }),
  socketioCase({
    id: "binary.text-afterwards",
    heading: HEADING,
    title: "goes back to text when all attachments have come",
    sends: "BINARY_EVENT, and when it is back EVENT",
    expects: "EVENT without attachments",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["message", bytesOf(2)]);
      await peer.expectEvent(["message-back", bytesOf(2)]);
      await peer.expectAlive();
    },
  }),
];

export const SOCKETIO_BINARY: readonly Case[] = [...VALUES, ...OTHERS];
