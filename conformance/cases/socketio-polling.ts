// Socket.IO over HTTP long-polling: the same packets, in payloads. Socket.IO "Packet encoding".

import { type Case, expect } from "../kit/case.ts";
import { encodeEvent, placeholder, SocketioPeer } from "../kit/socketio.ts";
import { PollingPeer } from "../kit/socketio-polling.ts";
import { bytesOf, socketioCase } from "./socketio-case.ts";

const HEADING = "Packet encoding";

/** As a packet of Engine.IO. */
function base64(bytes: Uint8Array): string {
  return `b${Buffer.from(bytes).toString("base64")}`;
}

export const SOCKETIO_POLLING: readonly Case[] = [
  socketioCase({
    id: "polling.connect",
    heading: "Connection to a namespace",
    title: "lets a client in that polls",
    sends: "CONNECT in a payload",
    expects: "CONNECT with a session id in the next poll, and the event auth",
    run: async (context) => {
      await PollingPeer.connected(context);
    },
  }),
  socketioCase({
    id: "polling.connect-error",
    heading: "Connection to a namespace",
    title: "refuses a client that polls, with what the refusal says",
    sends: "CONNECT of /refusing",
    expects: "CONNECT_ERROR with message and data",
    run: async (context) => {
      const peer = await PollingPeer.open(context);
      await peer.send("40/refusing,");
      await peer.expectPacket('4/refusing,{"message":"not here","data":{"code":7}}');
    },
  }),
  socketioCase({
    id: "polling.event",
    heading: "Sending and receiving data",
    title: "takes and sends an event",
    sends: "the event message",
    expects: "the event message-back",
    run: async (context) => {
      const peer = await PollingPeer.connected(context);
      await peer.send('42["message",1,"é🦆"]');
      await peer.expectPacket('2["message-back",1,"é🦆"]');
    },
  }),
  socketioCase({
    id: "polling.several",
    heading: HEADING,
    title: "takes several packets in one payload, in order",
    sends: "three events in one payload",
    expects: "the events back in order",
    run: async (context) => {
      const peer = await PollingPeer.connected(context);
      await peer.send('42["message",1]', '42["message",2]', '42["message",3]');
      for (const i of [1, 2, 3]) await peer.expectPacket(`2["message-back",${i}]`);
    },
  }),
  socketioCase({
    id: "polling.binary",
    heading: HEADING,
    title: "takes and sends attachments in base64",
    sends: "BINARY_EVENT and its two attachments in one payload",
    expects: "BINARY_EVENT and the same attachments",
    run: async (context) => {
      const peer = await PollingPeer.connected(context);
      const { text, attachments } = encodeEvent(["message", bytesOf(3), "x", [bytesOf(256, 0)]]);
      await peer.send(`4${text}`, ...attachments.map(base64));
      const back = encodeEvent(["message-back", bytesOf(3), "x", [bytesOf(256, 0)]]);
      await peer.expectPacket(back.text, ...back.attachments);
    },
  }),
  socketioCase({
    id: "polling.binary-in-two-payloads",
    heading: HEADING,
    title: "takes an attachment that comes in another payload than its packet",
    sends: "BINARY_EVENT in one payload, and its attachment in the next",
    expects: "the event back, with the attachment",
    run: async (context) => {
      const peer = await PollingPeer.connected(context);
      await peer.send(`451-["message",${placeholder(0)}]`);
      await peer.send(base64(bytesOf(4)));
      await peer.expectPacket(`51-["message-back",${placeholder(0)}]`, bytesOf(4));
    },
  }),
  socketioCase({
    id: "polling.ack",
    heading: "Acknowledgement",
    title: "acknowledges an event, with bytes too",
    sends: "an event with an id and one with an id and bytes",
    expects: "ACK and BINARY_ACK with the same ids",
    run: async (context) => {
      const peer = await PollingPeer.connected(context);
      await peer.send('427["message-with-ack"]');
      await peer.expectPacket("37[]");
      await peer.send(`451-8["message-with-ack",${placeholder(0)}]`, base64(bytesOf(1)));
      await peer.expectPacket(`61-8[${placeholder(0)}]`, bytesOf(1));
    },
  }),
  socketioCase({
    id: "polling.disconnect",
    heading: "Disconnection from a namespace",
    title: "tells a client that polls that it is disconnected",
    sends: "the event disconnect-me",
    expects: "DISCONNECT in the next poll",
    run: async (context) => {
      const peer = await PollingPeer.connected(context);
      await peer.send('42["disconnect-me"]');
      await peer.expectPacket("1");
    },
  }),
  socketioCase({
    id: "polling.malformed",
    heading: "Sending and receiving data",
    title: "closes the session of a client that polls for an empty EVENT",
    sends: "42[] in a payload",
    expects: "a close packet in the next poll, or an error to it, and nothing for others",
    run: async (context) => {
      const bystander = await SocketioPeer.connected(context);
      const peer = await PollingPeer.connected(context);
      await peer.post("42[]", '42["message","behind"]');
      const packet = await peer.nextPacket();
      expect(packet === undefined, "the end of the session", `${packet}`);
      await bystander.expectAlive();
    },
  }),
  socketioCase({
    id: "polling.beside-websocket",
    heading: "Sending and receiving data",
    title: "sends to a room with members over both transports, bytes too",
    sends: "to-room with bytes, over a WebSocket",
    expects: "the event news with them, over both",
    run: async (context) => {
      const room = `both ${bytesOf(8).join()} ${performance.now()}`;
      const polling = await PollingPeer.connected(context);
      await polling.send(`42${JSON.stringify(["join", room])}`, '42["message","in"]');
      await polling.expectPacket('2["message-back","in"]');
      const websocket = await SocketioPeer.connected(context);
      websocket.sendEvent(["join", room]);
      websocket.sendEvent(["to-room", room, bytesOf(5)]);
      await websocket.expectEvent(["news", bytesOf(5)]);
      await polling.expectPacket(`51-["news",${placeholder(0)}]`, bytesOf(5));
    },
  }),
];
