// How a server closes, before one deadline: its clients, its adapters, and the HTTP server with whatever else uses it.
//
//   drain()   no new clients ─▶ each client receives what waits for it
//   shutDown()                  ─▶ clients are disconnected ─▶ adapters leave ─▶ the HTTP server closes
//                                  (the deadline: every connection that is left is cut off)

import type { Attachment, NodeServer } from "./engineio/attach.ts";
import type { Engine } from "./engineio/engine.ts";

/** What closes. A server that is attached to nothing has no engine. */
export interface ClosingServer {
  readonly engine: Engine | undefined;
  readonly httpServer: NodeServer | undefined;
  readonly attachment: Attachment | undefined;
  readonly clients: { drain(): void; shutDown(): void };
  readonly namespaces: { closeAdapters(): Promise<void> };
}

/** Takes no clients any more. Resolves when those that are there have what was sent to them, or after so many milliseconds. */
export async function drain({ engine, clients }: ClosingServer, timeout: number): Promise<void> {
  engine?.refuseClients();
  clients.drain();
  await engine?.drained(timeout);
}

/**
 * Closes a server.
 *
 * @param timeout milliseconds in which clients may receive what was sent to them, and all connections of the HTTP server
 * may end
 * @returns the error of an HTTP server that was not listening, if any
 */
export async function shutDown(server: ClosingServer, timeout: number): Promise<Error | undefined> {
  const end = performance.now() + timeout;
  const { engine, httpServer, attachment, clients, namespaces } = server;
  // Listeners of "disconnect" may connect clients.
  engine?.refuseClients();
  clients.shutDown();
  const ended = engine?.close(timeout);
  await settledWithin(timeout, namespaces.closeAdapters());
  await ended;
  const error = await new Promise<Error | undefined>((resolve) => {
    if (httpServer === undefined) {
      resolve(undefined);
      return;
    }
    // One that drips its request, never answers a close frame, or waits for a function of the program.
    const cutOff = setTimeout(
      () => {
        engine?.cutOff();
        attachment?.cutOff();
      },
      Math.max(0, end - performance.now()),
    );
    httpServer.close((failure) => {
      clearTimeout(cutOff);
      resolve(failure);
    });
    attachment?.endSilentConnections();
  });
  // Until now requests still came on open connections, and were answered.
  attachment?.detach();
  return error;
}

/** Resolves when `promise` does, or after so many milliseconds. */
function settledWithin(milliseconds: number, promise: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    void promise.finally(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
