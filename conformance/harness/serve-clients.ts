// The server for clients under test. Each connection of the client runs the next case. The client reconnects until
// there are no more cases:
//
//   GET /more?websocket    answers "yes" if there is another case for WebSocket clients, otherwise "no"
//   GET /more?socketio     the same for Socket.IO clients
//
// After the last case, the server stops listening.

import { createServer, type IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { TcpConnection } from "../peers/tcp.ts";
import type { ClientCase, ClientKind } from "./client-case.ts";
import { ClientContext, type ClientRequest } from "./client-context.ts";
import type { Context } from "./context.ts";
import { type Result, runCase } from "./runner.ts";
import type { Target } from "./target.ts";

export interface ServeOptions {
  /** The port. 0: a free port. */
  readonly port: number;
  /** The address to listen on. Default: "127.0.0.1". */
  readonly host?: string;
  readonly cases: readonly ClientCase[];
  /** Called with the port when the server listens. */
  readonly onListening?: (port: number) => void;
  /** Called after each case. */
  readonly onResult?: (result: Result) => void;
  /** Time limit of one case, in milliseconds. Default: 10,000. */
  readonly timeout?: number;
  /** The server stops after this many milliseconds without a connection. */
  readonly idleTimeout: number;
}

/** A case that has started. */
interface Running {
  readonly kind: ClientKind;
  readonly context: Promise<ClientContext>;
  /** How many more times the client must connect. */
  missing: number;
}

/** A placeholder for the target, because a case for clients connects to no server. */
const NOWHERE: Target = {
  host: "",
  port: 0,
  secure: false,
  websocketPath: "/",
  engineioPath: "/",
  socketioPath: "/",
};

/**
 * Resolves to the results, in the order of the cases, after the last case. After `idleTimeout`
 * milliseconds without a connection, the server skips the remaining cases.
 */
export function serveClientCases(options: ServeOptions): Promise<Result[]> {
  const { port, host = "127.0.0.1", cases, timeout = 10_000, idleTimeout } = options;
  const waiting = new Set(cases);
  const running = new Set<Running>();
  const results = new Map<ClientCase, Result>();
  const sockets = new Set<Socket>();
  const http = createServer();
  http.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });

  return new Promise((resolve, reject) => {
    let idle = setTimeout(() => finish(), idleTimeout);

    const finish = (): void => {
      clearTimeout(idle);
      for (const each of waiting) results.set(each, skipped(each));
      http.close();
      for (const socket of sockets) socket.destroy();
      resolve(cases.flatMap((each) => results.get(each) ?? []));
    };

    const hurry = (): void => {
      clearTimeout(idle);
      idle = setTimeout(() => (running.size === 0 ? finish() : hurry()), idleTimeout);
    };

    const next = (kind: ClientKind): ClientCase | undefined =>
      [...waiting].find((each) => each.kind === kind);

    const expected = (kind: ClientKind): Running | undefined =>
      [...running].find((each) => each.kind === kind && each.missing > 0);

    const begin = (each: ClientCase, client: ClientRequest): void => {
      waiting.delete(each);
      let give: (context: ClientContext) => void = () => {};
      const context = new Promise<ClientContext>((resolve) => {
        give = resolve;
      });
      const run: Running = { kind: each.kind, context, missing: (each.connections ?? 1) - 1 };
      running.add(run);
      const adapted = {
        ...each,
        run: async (context: Context) => {
          const own = new ClientContext(context);
          own.add(client);
          give(own);
          await each.run(own);
        },
      };
      void runCase(adapted, NOWHERE, timeout).then(async (result) => {
        (await context).close();
        running.delete(run);
        results.set(each, result);
        options.onResult?.(result);
        hurry();
        if (waiting.size === 0 && running.size === 0) finish();
      });
    };

    http.on("upgrade", (request, socket, head) => {
      hurry();
      if (!(socket instanceof Socket)) return;
      if (head.length > 0) socket.unshift(head);
      const client = { request, tcp: new TcpConnection(socket) };
      const kind = kindOf(request);
      const again = expected(kind);
      const each = next(kind);
      if (again !== undefined) {
        again.missing--;
        void again.context.then((context) => context.add(client));
      } else if (each !== undefined) {
        begin(each, client);
      } else {
        socket.destroy();
      }
    });
    http.on("request", (request, response) => {
      const kind = request.url === "/more?socketio" ? "socketio" : "websocket";
      const more = next(kind) !== undefined || expected(kind) !== undefined;
      const asked = request.url?.startsWith("/more?") === true;
      response.writeHead(asked ? 200 : 404, { Connection: "close" });
      response.end(asked ? (more ? "yes" : "no") : "");
    });
    http.on("error", reject);
    http.listen(port, host, () => {
      const address = http.address();
      if (typeof address === "object" && address !== null) options.onListening?.(address.port);
    });
  });
}

function kindOf({ url = "" }: IncomingMessage): ClientKind {
  return url.startsWith("/socket.io/") ? "socketio" : "websocket";
}

function skipped({ id, kind, title, clause, severity, sends, expects }: ClientCase): Result {
  return {
    id,
    layer: kind,
    title,
    clause,
    severity,
    sends,
    expects,
    outcome: "skipped",
    reason: "no client has connected for this case",
    milliseconds: 0,
    conversation: [],
  };
}
