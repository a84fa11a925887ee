// A worker of a cluster: it serves its part of the clients, and forwards what belongs to another worker.
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
 * Milliseconds from the end of listening to the end of the first sessions, in which connections that were
 * accepted just before send their first request.
 */
const GRACE = 1_000;
/** Milliseconds that the primary may take to answer. */
const WELCOME_TIMEOUT = 10_000;

/** A server whose sessions belong to a worker. */
export interface MemberHost {
  readonly engine: Engine;
  /** Gives the adapters the way to the other processes. */
  useLink(link: Link): void;
}

/** A server that runs in a worker. */
export interface WorkerHost extends MemberHost {
  readonly httpServer: Server;
  /** Ends the sessions; their clients get what waits for them first. */
  drain(timeout: number): Promise<void>;
  /** Returns where the server listens. */
  url(): string;
}

export interface WorkerOptions {
  readonly host: string;
  readonly port: number;
  readonly drainTimeout: number;
  /** Ends the process. */
  readonly exit: () => void;
}

/** A worker as the others know it: its sessions, and the way to theirs. */
export class ClusterMember {
  /** The port that the worker is to ask for; `undefined` for that of the program. */
  readonly port: number | undefined;
  readonly #engine: Engine;
  readonly #link: Link;
  readonly #router: Router;
  readonly #inner: InnerServer;

  /**
   * Joins the other workers. From then on the sessions of the engine are known by their ids.
   *
   * @throws Error (rejects) if the program has replaced the engine's generateId()
   */
  static async join({ engine, useLink }: MemberHost): Promise<ClusterMember> {
    if (engine.generateId !== generateId)
      throw new Error("workers need the engine's own generateId(): session ids name their worker");
    send({ source: SOURCE, type: "hello" });
    const welcome = await receiveWelcome();
    const member = new ClusterMember(engine, welcome);
    process.once("exit", () => removeAfterPrimary(welcome.path));
    useLink(member.#link);
    // Not one that the primary shares among the workers.
    member.#inner.server.listen({ path: welcome.path, exclusive: true });
    await once(member.#inner.server, "listening");
    return member;
  }

  private constructor(engine: Engine, { number, secret, port }: Welcome) {
    this.port = port;
    this.#engine = engine;
    this.#link = new Link(number, (items) => send({ source: SOURCE, type: "batch", items }));
    this.#router = new Router(number, secret, (to, head, bytes, socket) => {
      // Where it goes is no matter of the server, which would ask there when it closes.
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

  /** Passes new clients to other workers. */
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
        // The client may have left on the way.
        if (handle instanceof Socket)
          receiveConnection(this.#engine, message.head, message.bytes, handle);
        break;
      default:
    }
  }
}

type Welcome = FromPrimary & { readonly type: "welcome" };

export class ClusterWorker {
  /** Resolves when it has drained. */
  readonly stopped: Promise<void>;
  readonly #host: WorkerHost;
  readonly #options: WorkerOptions;
  readonly #member: ClusterMember;
  readonly #healths = new Map<number, (workers: readonly WorkerHealth[]) => void>();
  #requests = 0;
  #onStopped = (): void => {};
  #leaving: Promise<void> | undefined;

  /** Starts to serve. Resolves when it listens, and rejects if it cannot. */
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

  /** Has another worker take its place, and exits when its clients have got what waits for them. */
  leave(): void {
    send({ source: SOURCE, type: "leaving" });
    void this.#leave(true);
  }

  /** Has all workers exit. */
  stop(): Promise<void> {
    send({ source: SOURCE, type: "stop" });
    return this.stopped;
  }

  /** Has all workers replaced, one by one. */
  restart(): void {
    send({ source: SOURCE, type: "restart" });
  }

  /** Asks the primary how the workers are. */
  health(): Promise<readonly WorkerHealth[]> {
    const request = this.#requests++;
    return new Promise((resolve) => {
      this.#healths.set(request, resolve);
      send({ source: SOURCE, type: "health", request });
    });
  }

  /** @param restart another worker is there for its clients */
  #leave(restart: boolean): Promise<void> {
    this.#leaving ??= this.#drain(restart);
    return this.#leaving;
  }

  async #drain(restart: boolean): Promise<void> {
    const { httpServer, drain } = this.#host;
    const { drainTimeout, exit } = this.#options;
    if (restart) {
      this.#member.leave();
      // An HTTP server would end connections on which a request may be under way.
      Reflect.apply(Server.prototype.close, httpServer, []);
      await sleep(GRACE);
    }
    await drain(drainTimeout);
    this.#member.close();
    this.#onStopped();
    // When this has been sent, all has.
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

/** Says that a worker that no run() has started receives what is forwarded. */
export function sendJoined(): void {
  send({ source: SOURCE, type: "joined", url: undefined, port: undefined });
}

/** Removes what the primary would, if it was killed: the directory of the sockets. All workers end then. */
function removeAfterPrimary(path: string): void {
  // A worker that disconnects of its own will leaves a primary that lives.
  const isLeaving = isPrimaryStalled || cluster.worker?.exitedAfterDisconnect === true;
  if (process.connected || isLeaving || process.platform === "win32") return;
  rmSync(dirname(path), { recursive: true, force: true });
}

let isPrimaryStalled = false;
const channel = new Channel<ToPrimary>(
  // When the primary has gone, Node ends the worker.
  (message, socket, callback) =>
    process.connected ? process.send?.(message, socket, {}, callback) : callback(),
  () => {
    process.stderr.write("The primary does not read what this worker sends: the worker ends\n");
    isPrimaryStalled = true;
    // Node ends the worker, as if the primary had gone.
    process.disconnect();
  },
);

/** Sends to the primary. */
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
      reject(new Error("the primary does not answer: it has to call setupPrimary()"));
    }, WELCOME_TIMEOUT);
    process.on("message", onMessage);
  });
}
