// A worker of a cluster: it serves its own clients, and forwards requests for sessions of other workers.
//
//   hello ──▶ welcome ──▶ listening ──▶ ready ──▶ (serves) ──▶ leave ──▶ drained ──▶ goodbye

import cluster from "node:cluster";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { Server, Socket } from "node:net";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import type { Engine } from "../engineio/engine.ts";
import { generateId } from "../generate-id.ts";
import { Channel } from "./channel.ts";
import { InnerServer } from "./forwarding.ts";
import { Link } from "./link.ts";
import {
  type FromPrimary,
  isFromPrimary,
  SOURCE,
  type ToPrimary,
  type WorkerHealth,
} from "./messages.ts";
import { Router, receiveConnection } from "./router.ts";
import { generateSessionId } from "./worker-id.ts";

/**
 * The time between the end of listening and the closing of the first sessions, in milliseconds. During this time,
 * clients whose connections were accepted shortly before can send their first request.
 */
const GRACE = 1_000;
/** How long the primary may take to answer "hello" with "welcome", in milliseconds. */
const WELCOME_TIMEOUT = 10_000;

/** A server whose sessions belong to a worker. */
export interface MemberHost {
  /** The engine. The ids of its sessions contain the worker's number. */
  readonly engine: Engine;
  /** Sets the link between the server's adapters and the other processes. */
  useLink(link: Link): void;
}

/** A server that runs in a worker. */
export interface WorkerHost extends MemberHost {
  /** The HTTP server, on which the worker calls listen(). */
  readonly httpServer: Server;
  /**
   * Disconnects all clients, after they have received all data or after `timeout` milliseconds.
   *
   * @param timeout how long to wait, in milliseconds
   */
  drain(timeout: number): Promise<void>;
  /** Returns the URL on which the server listens. */
  url(): string;
}

/** The options of a worker. */
export interface WorkerOptions {
  /** The host name or IP address to listen on. */
  readonly host: string;
  /** The port to listen on. */
  readonly port: number;
  /** How long the stopping worker waits for its clients to receive all data, in milliseconds. */
  readonly drainTimeout: number;
  /** Called to end the process. */
  readonly exit: () => void;
}

/** A worker as a member of the cluster: its sessions, and the link to the other workers. */
export class ClusterMember {
  /** The port to listen on. `undefined`: the port that the program chooses. */
  readonly port: number | undefined;
  readonly #engine: Engine;
  readonly #link: Link;
  readonly #router: Router;
  readonly #inner: InnerServer;

  /**
   * Joins the cluster. From then on, the ids of new sessions contain the worker's number.
   *
   * @throws Error (rejects) if the user has replaced the engine's generateId()
   */
  static async join({ engine, useLink }: MemberHost): Promise<ClusterMember> {
    if (engine.generateId !== generateId)
      throw new Error(
        "the engine's generateId() must not be replaced: session ids contain the worker's number",
      );
    send({ source: SOURCE, type: "hello" });
    const welcome = await receiveWelcome();
    const member = new ClusterMember(engine, welcome);
    process.once("exit", () => removeAfterPrimary(welcome.path));
    useLink(member.#link);
    // `exclusive` is set, because the primary must not share this socket among the workers.
    member.#inner.server.listen({ path: welcome.path, exclusive: true });
    await once(member.#inner.server, "listening");
    return member;
  }

  private constructor(engine: Engine, { number, secret, port }: Welcome) {
    this.port = port;
    this.#engine = engine;
    this.#link = new Link(number, (items) => send({ source: SOURCE, type: "batch", items }));
    this.#router = new Router(number, secret, (to, head, bytes, socket) => {
      // The HTTP server must not track the connection any longer. Otherwise the HTTP server would ask the other process
      // about this connection when the server closes.
      Reflect.set(socket, "server", null);
      send({ source: SOURCE, type: "connection", to, head, bytes }, socket);
    });
    this.#inner = new InnerServer(secret, engine);
    engine.generateId = () => generateSessionId(number);
    engine.routeBy(this.#router);
    process.on("message", (message: unknown, handle: unknown) => {
      if (isFromPrimary(message)) this.#onMessage(message, handle);
    });
  }

  /** From now on, forwards new clients to other workers. */
  leave(): void {
    this.#router.leave();
  }

  close(): void {
    this.#inner.server.close();
    this.#router.close();
    this.#link.flush();
  }

  #onMessage(message: FromPrimary, handle: unknown): void {
    switch (message.type) {
      case "batch":
        this.#link.receive(message.items);
        break;
      case "peers": {
        const leaving = message.peers.filter((peer) => peer.leaving);
        this.#router.setPeers(message.peers);
        this.#inner.setLeaving(new Set(leaving.map(({ number }) => number)));
        break;
      }
      case "connection":
        // If the client has disconnected in the meantime, the handle is missing.
        if (handle instanceof Socket)
          receiveConnection(this.#engine, message.head, message.bytes, handle);
        break;
      default:
    }
  }
}

type Welcome = FromPrimary & { readonly type: "welcome" };

/** A worker that was started by runCluster(): it listens, serves clients, and exits when the primary requests it. */
export class ClusterWorker {
  /** Resolves after the worker has drained its clients. */
  readonly stopped: Promise<void>;
  readonly #host: WorkerHost;
  readonly #options: WorkerOptions;
  readonly #member: ClusterMember;
  readonly #healths = new Map<number, (workers: readonly WorkerHealth[]) => void>();
  #requests = 0;
  #onStopped = (): void => {};
  #leaving: Promise<void> | undefined;

  /** Starts the worker. Resolves after the worker has started to listen, and rejects if it cannot listen. */
  static async start(host: WorkerHost, options: WorkerOptions): Promise<ClusterWorker> {
    try {
      const member = await ClusterMember.join(host);
      const worker = new ClusterWorker(host, options, member);
      await worker.#listen();
      return worker;
    } catch (error) {
      const { message } = error instanceof Error ? error : new Error(String(error));
      const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
      const known = typeof code === "string" ? code : undefined;
      send({ source: SOURCE, type: "failed", message, code: known });
      throw error;
    }
  }

  private constructor(host: WorkerHost, options: WorkerOptions, member: ClusterMember) {
    this.#host = host;
    this.#options = options;
    this.#member = member;
    this.stopped = new Promise((resolve) => {
      this.#onStopped = resolve;
    });
    process.on("message", (message: unknown) => {
      if (isFromPrimary(message)) this.#onMessage(message);
    });
  }

  async #listen(): Promise<void> {
    const { httpServer } = this.#host;
    const { host, port } = this.#options;
    httpServer.listen({ port: this.#member.port ?? port, host });
    await once(httpServer, "listening");
    const address = httpServer.address();
    const listening = typeof address === "object" ? address?.port : undefined;
    send({ source: SOURCE, type: "joined", url: this.#host.url(), port: listening });
  }

  /** Requests a replacement for this worker, and exits after the worker's clients have received all data. */
  leave(): void {
    send({ source: SOURCE, type: "leaving" });
    void this.#leave(true);
  }

  /** Requests that all workers stop. Resolves after this worker has drained its clients. */
  stop(): Promise<void> {
    send({ source: SOURCE, type: "stop" });
    return this.stopped;
  }

  /** Requests that all workers are replaced, one by one. */
  restart(): void {
    send({ source: SOURCE, type: "restart" });
  }

  /** Requests the state of all workers from the primary. */
  health(): Promise<readonly WorkerHealth[]> {
    const request = this.#requests++;
    return new Promise((resolve) => {
      this.#healths.set(request, resolve);
      send({ source: SOURCE, type: "health", request });
    });
  }

  /** @param restart whether other workers are available for the clients */
  #leave(restart: boolean): Promise<void> {
    this.#leaving ??= this.#drain(restart);
    return this.#leaving;
  }

  async #drain(restart: boolean): Promise<void> {
    const { httpServer, drain } = this.#host;
    const { drainTimeout, exit } = this.#options;
    if (restart) {
      this.#member.leave();
      // close() of an HTTP server would also close idle connections, on which a client may be sending a request.
      Reflect.apply(Server.prototype.close, httpServer, []);
      await sleep(GRACE);
    }
    await drain(drainTimeout);
    this.#member.close();
    this.#onStopped();
    // exit() is called after this message was sent, and therefore after all earlier messages were sent.
    send({ source: SOURCE, type: "batch", items: [] }, undefined, exit);
  }

  #onMessage(message: FromPrimary): void {
    switch (message.type) {
      case "leave":
        void this.#leave(message.restart);
        break;
      case "report": {
        const clients = this.#host.engine.clientsCount;
        const report = { clients, memory: process.memoryUsage.rss() };
        send({ source: SOURCE, type: "report", request: message.request, report });
        break;
      }
      case "health":
        this.#healths.get(message.request)?.(message.workers);
        this.#healths.delete(message.request);
        break;
      default:
    }
  }
}

/**
 * Reports to the primary that this worker, which run() has not started, receives forwarded
 * requests.
 */
export function sendJoined(): void {
  send({ source: SOURCE, type: "joined", url: undefined, port: undefined });
}

/**
 * Removes the directory of the Unix domain sockets if the primary was killed and could not remove it. In this case all
 * workers end, and each of them removes the directory.
 */
function removeAfterPrimary(path: string): void {
  // If the worker has disconnected on purpose, the primary is still alive.
  const isLeaving = isPrimaryStalled || cluster.worker?.exitedAfterDisconnect === true;
  if (process.connected || isLeaving || process.platform === "win32") return;
  rmSync(dirname(path), { recursive: true, force: true });
}

let isPrimaryStalled = false;
const channel = new Channel<ToPrimary>(
  // If the primary has ended, nothing is sent. Node then ends the worker.
  (message, socket, callback) =>
    process.connected ? process.send?.(message, socket, {}, callback) : callback(),
  () => {
    process.stderr.write(
      "The primary does not read the messages of this worker: the worker exits\n",
    );
    isPrimaryStalled = true;
    // Node ends the worker in the same way as if the primary had ended.
    process.disconnect();
  },
);

/** Sends a message to the primary, together with the connection `socket` if it is set. */
function send(message: ToPrimary, socket?: Socket, callback?: () => void): void {
  channel.send(message, socket, callback);
}

function receiveWelcome(): Promise<Welcome> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: unknown): void => {
      if (!isFromPrimary(message) || message.type !== "welcome") return;
      process.off("message", onMessage);
      clearTimeout(timer);
      resolve(message);
    };
    const timer = setTimeout(() => {
      process.off("message", onMessage);
      reject(new Error("the primary did not answer: it must call setupPrimary()"));
    }, WELCOME_TIMEOUT);
    process.on("message", onMessage);
  });
}
