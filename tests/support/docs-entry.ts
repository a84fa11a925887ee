// The entry "barewire" for the programs in the documentation. It also records the servers that a program creates, so
// that a test can close them.

import type { NodeServer } from "../../lib/engineio/attach.ts";
import type { Untyped } from "../../lib/events/emitter.ts";
import { type DefaultEventsMap, Server as RealServer } from "../../server.ts";

export * from "../../server.ts";

const servers: Pick<RealServer, "httpServer" | "stats" | "disconnectSockets" | "close">[] = [];

/** Returns the server that was created last. */
export function lastServer(): (typeof servers)[number] | undefined {
  return servers.at(-1);
}

/** Returns the HTTP server of the server that was created last. */
export function lastHttpServer(): NodeServer | undefined {
  return lastServer()?.httpServer;
}

/** Closes the servers created since the last call. */
export async function closeServers(): Promise<void> {
  await Promise.all(servers.splice(0).map((server) => server.close()));
}

export class Server<
  ListenEvents = DefaultEventsMap,
  EmitEvents = ListenEvents,
  ServerSideEvents = DefaultEventsMap,
  SocketData = Untyped,
> extends RealServer<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
  constructor(...args: ConstructorParameters<typeof RealServer>) {
    super(...args);
    servers.push(this);
  }
}
