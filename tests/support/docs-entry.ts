// "barewire" for the programs in the documentation: the same, but that servers can be closed when a
// program has ended.

import type { NodeServer } from "../../lib/engineio/attach.ts";
import type { Untyped } from "../../lib/events/emitter.ts";
import { type DefaultEventsMap, Server as RealServer } from "../../server.ts";

export * from "../../server.ts";

const servers: Pick<RealServer, "httpServer" | "stats" | "disconnectSockets" | "close">[] = [];

/** The one that was made last. */
export function lastServer(): (typeof servers)[number] | undefined {
  return servers.at(-1);
}

/** The HTTP server of the one that was made last. */
export function lastHttpServer(): NodeServer | undefined {
  return lastServer()?.httpServer;
}

/** Closes those that were made since the last call. */
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
