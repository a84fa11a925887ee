// Socket.IO "Sending and receiving data": this case is written in TypeScript. A transcript can only repeat the same
// text, and the object of this case has 500 properties with different names.

import type { Case } from "../../../harness/case.ts";
import { encodeEvent, expectSamePacket, SocketioPeer } from "../../../peers/socketio.ts";

export const EVENTS: readonly Case[] = [
  {
    id: "socketio.event.many-fields",
    clause: "Socket.IO v5, Sending and receiving data",
    severity: "MUST",
    title: "receives and sends an event with many fields",
    sends: "the event message with an object of 500 fields",
    expects: "the event message-back with the same object",
    run: async (context) => {
      const fields = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, i]));
      const peer = await SocketioPeer.connected(context);
      peer.sendEvent(["message", fields]);
      expectSamePacket(await peer.next(), encodeEvent(["message-back", fields]));
    },
  },
];
