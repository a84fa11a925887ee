// Socket.IO "Connection to a namespace": this case is written in TypeScript, not as a transcript, because a transcript
// would fail a server whose time limit for CONNECT is longer than 3 s or missing. This case is skipped for such a server.

import { needBehaviour } from "../../../harness/behaviour.ts";
import { type Case, Failure, Skip } from "../../../harness/case.ts";
import { wait } from "../../../harness/context.ts";
import { describePacket, SocketioPeer } from "../../../peers/socketio.ts";
import { ENDED } from "../../../peers/tcp.ts";

export const CONNECT: readonly Case[] = [
  {
    id: "socketio.before-connect.nothing",
    clause: "Socket.IO v5, Connection to a namespace",
    severity: "INFO",
    title: "closes the connection of a client that never sends CONNECT",
    sends: "only pongs",
    expects: "the end of the connection within 3 s",
    alone: true,
    run: async (context) => {
      needBehaviour(context.target, "short-waits");
      const peer = await SocketioPeer.open(context);
      const packet = await Promise.race([
        peer.next(),
        wait(3000).then(() => "still open" as const),
      ]);
      if (packet === "still open")
        throw new Skip("the server has no time limit for CONNECT of at most 3 s");
      if (packet !== undefined) throw new Failure(ENDED, describePacket(packet));
    },
  },
];
