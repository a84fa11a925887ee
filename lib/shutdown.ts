// Closes a server before a deadline: its clients, its adapters, and the HTTP server with its other connections.
//
//   drain()     no new clients ─▶ each client receives all waiting data
//   shutDown()                    ─▶ clients are disconnected ─▶ adapters close ─▶ the HTTP server closes
//                                    (at the deadline, all remaining connections are destroyed)

import type { Attachment, NodeServer } from "./engineio/attach.ts";
import type { Engine } from "./engineio/engine.ts";

/** The parts of a server that are closed. A server that was never attached to an HTTP server has no engine. */
export interface ClosingServer {
  readonly engine: Engine | undefined;
  readonly httpServer: NodeServer | undefined;
  readonly attachment: Attachment | undefined;
  readonly clients: { drain(): void; shutDown(): void };
  readonly namespaces: { closeAdapters(): Promise<void> };
}

/**
 * Stops accepting clients. Resolves after the connected clients have received all data, or after `timeout`
 * milliseconds.
 */
export async function drain({ engine, clients }: ClosingServer, timeout: number): Promise<void> {
  engine?.refuseClients();
  clients.drain();
  await engine?.drained(timeout);
}

/**
 * Closes a server.
 *
 * @param timeout how long the server waits until clients have received all data and all connections of the HTTP server
 * have ended, in milliseconds
 * @returns the error of an HTTP server that was not listening, if any
 */
export async function shutDown(server: ClosingServer, timeout: number): Promise<Error | undefined> {
  const end = performance.now() + timeout;
  const { engine, httpServer, attachment, clients, namespaces } = server;
  // New clients are refused first, because a listener for "disconnect" could cause a client to reconnect.
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
    // A client may send its request slowly, or never answer the close frame. A request may wait for the decision of a
    // function of the user. So all remaining connections are destroyed at the deadline.
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
  // The engine is detached last, so that requests on open connections receive responses until the HTTP server has closed.
  attachment?.detach();
  return error;
}

/** Resolves when `promise` has settled, or at the latest after the given number of milliseconds. */
function settledWithin(milliseconds: number, promise: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    void promise.finally(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
