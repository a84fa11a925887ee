// Socket.IO "Disconnection from a namespace", and rooms, which a client leaves with its namespace.

import { type Case, expect, Failure } from "../kit/case.ts";
import { describePacket, parsePacket, SocketioPeer } from "../kit/socketio.ts";
import { bytesOf, CUSTOM, socketioCase } from "./socketio-case.ts";

const HEADING = "Disconnection from a namespace";

const LEAVING: readonly Case[] = [
  socketioCase({
    id: "disconnect.other-namespace-stays",
    heading: HEADING,
    title: "lets a client leave one namespace and stay in another",
    sends: "DISCONNECT of /custom, and an event in /",
    expects: "the event back, and no answer to DISCONNECT",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      await peer.connect(CUSTOM);
      peer.send("1/custom,");
      await peer.expectAlive();
    },
  }),
  socketioCase({
    id: "disconnect.main-namespace",
    heading: HEADING,
    title: "lets a client leave the main namespace and stay in another",
    sends: "DISCONNECT of /, and an event in /custom",
    expects: "the event back, and no answer to DISCONNECT",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      await peer.connect(CUSTOM);
      peer.send("1");
      await peer.expectAlive(CUSTOM);
    },
  }),
  socketioCase({
    id: "disconnect.again-new-sid",
    heading: HEADING,
    title: "lets a client in again that has left, with a new session id",
    sends: "DISCONNECT of /custom, an event in /, and when that is back CONNECT of /custom",
    expects: "CONNECT with another session id",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      const first = await peer.connect(CUSTOM);
      peer.send("1/custom,");
      await peer.expectAlive();
      const second = await peer.connect(CUSTOM, { again: true });
      expect(first.sid !== second.sid, "a new session id", `"${first.sid}" again`);
      await peer.expectAlive(CUSTOM);
    },
  }),
  socketioCase({
    id: "disconnect.and-again-at-once",
    heading: HEADING,
    title: "lets a client in again that leaves and comes again without a pause",
    sends: "DISCONNECT of /custom and CONNECT of it, at once",
    expects: "CONNECT with another session id",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      const first = await peer.connect(CUSTOM);
      peer.send("1/custom,");
      const second = await peer.connect(CUSTOM);
      expect(first.sid !== second.sid, "a new session id", `"${first.sid}" again`);
    },
  }),
  socketioCase({
    id: "disconnect.packets-after",
    heading: HEADING,
    title: "takes no events in a namespace that the client has left",
    sends: "DISCONNECT of /custom, an event in it, and an event in /",
    expects: "no answer in /custom; the event in / back, or the end of the connection",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      await peer.connect(CUSTOM);
      peer.send("1/custom,");
      peer.sendEvent(["message-with-ack", 1], { id: 1, namespace: CUSTOM });
      peer.sendEvent(["message", "behind"]);
      const packet = await peer.next();
      const left = packet !== undefined && parsePacket(packet.text).namespace === CUSTOM;
      if (left) throw new Failure("nothing in /custom", describePacket(packet));
    },
  }),
  socketioCase({
    id: "disconnect.last-namespace",
    heading: HEADING,
    title: "lets a client leave its last namespace, and answers nothing",
    sends: "DISCONNECT of the only namespace, and CONNECT of it",
    expects: "CONNECT, or the end of the connection; no answer to DISCONNECT",
    run: async (context) => {
      const bystander = await SocketioPeer.connected(context);
      const peer = await SocketioPeer.connected(context);
      peer.send("1");
      peer.sendConnect();
      const packet = await peer.next();
      const answered = packet !== undefined && parsePacket(packet.text).type !== 0;
      if (answered) throw new Failure("CONNECT or the end", describePacket(packet));
      await bystander.expectAlive();
    },
  }),
  socketioCase({
    id: "disconnect.by-the-server",
    heading: HEADING,
    title: "tells a client that it disconnects it from the main namespace",
    sends: "the event disconnect-me",
    expects: "1",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["disconnect-me"]);
      await peer.expectPacket("1");
    },
  }),
  socketioCase({
    id: "disconnect.by-the-server-elsewhere",
    heading: HEADING,
    title:
      "tells a client that it disconnects it from another namespace, and leaves it in the rest",
    sends: "the event disconnect-me in /custom, and an event in /",
    expects: "1/custom, and the event back",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      await peer.connect(CUSTOM);
      peer.sendEvent(["disconnect-me"], { namespace: CUSTOM });
      await peer.expectPacket("1/custom,");
      await peer.expectAlive();
    },
  }),
  socketioCase({
    id: "disconnect.by-the-server-and-again",
    heading: HEADING,
    title: "lets a client in again that it has disconnected",
    sends: "the event disconnect-me in /custom, and CONNECT of it",
    expects: "DISCONNECT, and CONNECT with another session id",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      const first = await peer.connect(CUSTOM);
      peer.sendEvent(["disconnect-me"], { namespace: CUSTOM });
      await peer.expectPacket("1/custom,");
      const second = await peer.connect(CUSTOM);
      expect(first.sid !== second.sid, "a new session id", `"${first.sid}" again`);
    },
  }),
  socketioCase({
    id: "disconnect.nothing-afterwards",
    heading: HEADING,
    title: "sends nothing in a namespace from which it has disconnected the client",
    sends: "the event disconnect-me in /custom, an event that was on its way there, and one in /",
    expects: "DISCONNECT, and nothing in /custom behind it",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      await peer.connect(CUSTOM);
      peer.sendEvent(["disconnect-me"], { namespace: CUSTOM });
      peer.sendEvent(["message", "late"], { namespace: CUSTOM });
      peer.sendEvent(["message", "behind"]);
      await peer.expectPacket("1/custom,");
      const packet = await peer.next();
      const late = packet !== undefined && parsePacket(packet.text).namespace === CUSTOM;
      if (late) throw new Failure("nothing in /custom", describePacket(packet));
    },
  }),
  socketioCase({
    id: "disconnect.closes-the-connection",
    heading: HEADING,
    title: "closes the connection, with every namespace on it, when it wants to",
    sends: "the event close-me, in one of two namespaces",
    expects: "the end of the connection, with DISCONNECTs before it or without",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      await peer.connect(CUSTOM);
      peer.sendEvent(["close-me"], { namespace: CUSTOM });
      for (let packet = await peer.next(); packet !== undefined; packet = await peer.next()) {
        const { type } = parsePacket(packet.text);
        expect(type === 1, "DISCONNECT or the end of the connection", describePacket(packet));
      }
    },
  }),
  socketioCase({
    id: "disconnect.client-closes",
    heading: HEADING,
    title: "takes the close of the connection for all namespaces",
    sends: "a close packet of Engine.IO, and a close frame",
    expects: "the end of the connection, and nothing for others",
    run: async (context) => {
      const bystander = await SocketioPeer.connected(context);
      const peer = await SocketioPeer.connected(context);
      peer.websocket.sendText("1");
      peer.websocket.sendClose();
      await peer.expectClosed();
      await bystander.expectAlive();
    },
  }),
  socketioCase({
    id: "disconnect.connection-breaks",
    heading: HEADING,
    title: "bears a client that goes without a word, in the middle of a packet",
    sends: "BINARY_EVENT without its attachment, and the end of TCP",
    expects: "nothing for others",
    run: async (context) => {
      const bystander = await SocketioPeer.connected(context);
      const peer = await SocketioPeer.connected(context);
      peer.send('51-["message",{"_placeholder":true,"num":0}]');
      peer.websocket.tcp.reset();
      await bystander.expectAlive();
    },
  }),
];

const ROOMS: readonly Case[] = [
  socketioCase({
    id: "room.members-only",
    heading: HEADING,
    severity: "INFO",
    title: "sends to a room what is for it, to each member once, and to nobody else",
    sends: "to-room of a client in no room, with two members and one client in another room",
    expects: "the event news for the two members only",
    run: async (context) => {
      const room = roomName();
      const members = [
        await SocketioPeer.connected(context),
        await SocketioPeer.connected(context),
      ];
      const other = await SocketioPeer.connected(context);
      const sender = await SocketioPeer.connected(context);
      for (const member of members) await join(member, room);
      await join(other, `${room} no`);
      sender.sendEvent(["to-room", room, "hello", 1]);
      for (const member of members) {
        await member.expectEvent(["news", "hello", 1]);
        await member.expectAlive();
      }
      await other.expectAlive();
      await sender.expectAlive();
    },
  }),
  socketioCase({
    id: "room.sender-is-a-member",
    heading: HEADING,
    severity: "INFO",
    title: "sends to a room what one of its members sends, to that one too",
    sends: "join, twice, and to-room",
    expects: "the event news, once",
    run: async (context) => {
      const room = roomName();
      const peer = await SocketioPeer.connected(context);
      await join(peer, room);
      await join(peer, room);
      peer.sendEvent(["to-room", room]);
      await peer.expectEvent(["news"]);
      await peer.expectAlive();
    },
  }),
  socketioCase({
    id: "room.of-its-namespace",
    heading: HEADING,
    severity: "INFO",
    title: "keeps rooms of the same name in different namespaces apart",
    sends: "join in / of one client and in /custom of another, and to-room in /custom",
    expects: "the event news in /custom only",
    run: async (context) => {
      const room = roomName();
      const main = await SocketioPeer.connected(context);
      const custom = await SocketioPeer.connected(context, CUSTOM);
      await join(main, room);
      await join(custom, room, CUSTOM);
      custom.sendEvent(["to-room", room, "x"], { namespace: CUSTOM });
      await custom.expectEvent(["news", "x"], { namespace: CUSTOM });
      await main.expectAlive();
    },
  }),
  socketioCase({
    id: "room.with-bytes",
    heading: HEADING,
    severity: "INFO",
    title: "sends bytes to a room, to each member whole",
    sends: "to-room with two attachments",
    expects: "the event news with both, for both members",
    run: async (context) => {
      const room = roomName();
      const members = [
        await SocketioPeer.connected(context),
        await SocketioPeer.connected(context),
      ];
      for (const member of members) await join(member, room);
      members[0]?.sendEvent(["to-room", room, bytesOf(3), { b: bytesOf(5) }]);
      for (const member of members) {
        await member.expectEvent(["news", bytesOf(3), { b: bytesOf(5) }]);
        await member.expectAlive();
      }
    },
  }),
  socketioCase({
    id: "room.left-with-the-namespace",
    heading: HEADING,
    severity: "INFO",
    title: "takes a client out of its rooms that leaves the namespace and comes again",
    sends: "join, DISCONNECT and CONNECT, and to-room of another client",
    expects: "no event for who has left",
    run: async (context) => {
      const room = roomName();
      const peer = await SocketioPeer.connected(context);
      await peer.connect(CUSTOM);
      await join(peer, room, CUSTOM);
      peer.send("1/custom,");
      await peer.expectAlive();
      await peer.connect(CUSTOM);
      const sender = await SocketioPeer.connected(context, CUSTOM);
      await join(sender, room, CUSTOM);
      sender.sendEvent(["to-room", room], { namespace: CUSTOM });
      await sender.expectEvent(["news"], { namespace: CUSTOM });
      await peer.expectAlive(CUSTOM);
    },
  }),
  socketioCase({
    id: "room.empty",
    heading: HEADING,
    severity: "INFO",
    title: "sends to a room that nobody is in, and goes on",
    sends: "to-room of names that no room has, one of them every object's",
    expects: "nothing",
    run: async (context) => {
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["to-room", roomName(), 1]);
      peer.sendEvent(["to-room", "__proto__", 1]);
      await peer.expectAlive();
    },
  }),
];

let rooms = 0;

/** A room of no other case. */
function roomName(): string {
  rooms++;
  return `room ${process.pid} ${rooms}`;
}

async function join(peer: SocketioPeer, room: string, namespace = "/"): Promise<void> {
  peer.sendEvent(["join", room], { namespace });
  // What is behind it in the same order has come when it is back.
  await peer.expectAlive(namespace);
}

export const SOCKETIO_DISCONNECT: readonly Case[] = [...LEAVING, ...ROOMS];
