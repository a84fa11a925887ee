// A TCP proxy that simulates network faults: it delays, cuts, half-closes and corrupts connections, but never
// reorders bytes.

import { connect, createServer, type Server, type Socket } from "node:net";

import { listen, reset, turn } from "./net.ts";
import type { Random } from "./random.ts";

export type FaultKind = "none" | "delay" | "cut" | "reset" | "halfClose" | "corrupt";

export interface Fault {
  readonly kind: FaultKind;
  /** "up" is towards the server, "down" is towards the client. */
  readonly direction: "up" | "down";
  /** The fault occurs after this many bytes in that direction. */
  readonly after: number;
}

const NONE: Fault = { kind: "none", direction: "up", after: 0 };

/** Returns a fault of one of these kinds, at a random position in the first `within` bytes. */
export function randomFault(random: Random, kinds: readonly FaultKind[], within = 4000): Fault {
  return {
    kind: random.pick(kinds) ?? "none",
    direction: random.int(2) === 0 ? "up" : "down",
    after: random.int(within),
  };
}

export class FaultProxy {
  /** Returns the fault of the next connection. */
  next: () => Fault = () => NONE;
  /** Returns whether to stop forwarding in both directions from this chunk on. The connection stays open. */
  silencedBy: (chunk: Buffer) => boolean = () => false;
  /** The number of faults so far. */
  faults = 0;
  readonly #server: Server;
  /** The loopback port to which new connections are forwarded. */
  target: number;
  readonly #sockets = new Set<Socket>();
  #port = 0;
  #frozen: Promise<void> = Promise.resolve();
  #thaw: () => void = () => {};

  constructor(target: number) {
    this.target = target;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#join(client));
  }

  async start(): Promise<number> {
    this.#port = await listen(this.#server);
    return this.#port;
  }

  get port(): number {
    return this.#port;
  }

  /** The number of open sockets: two for each connection. */
  get size(): number {
    return this.#sockets.size;
  }

  /** Stops forwarding on all current and new connections until thaw(). */
  freeze(): void {
    this.#frozen = new Promise((resolve) => {
      this.#thaw = resolve;
    });
  }

  thaw(): void {
    this.#thaw();
  }

  /** Cuts all current connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #join(client: Socket): void {
    const server = connect({ port: this.target, host: "127.0.0.1", allowHalfOpen: true });
    const fault = this.next();
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        (socket === client ? server : client).destroy();
      });
    }
    const up = fault.direction === "up";
    let isSilent = false;
    const silences = (chunk: Buffer, from: Socket): boolean => {
      if (!isSilent && from === client && this.silencedBy(chunk)) {
        isSilent = true;
        this.faults++;
      }
      return isSilent;
    };
    this.#pass(client, server, up ? fault : NONE, silences);
    this.#pass(server, client, up ? NONE : fault, silences);
  }

  /** Forwards chunks in order until the fault occurs. */
  #pass(
    from: Socket,
    to: Socket,
    { kind, after }: Fault,
    silences: (chunk: Buffer, from: Socket) => boolean,
  ): void {
    let passed = 0;
    let happened = kind === "none";
    let line = Promise.resolve();
    from.on("data", (chunk: Buffer) => {
      if (silences(chunk, from)) return;
      line = line.then(async () => {
        await this.#frozen;
        const at = after - passed;
        passed += chunk.length;
        if (happened || at >= chunk.length || to.destroyed) {
          to.write(chunk);
          return;
        }
        happened = true;
        this.faults++;
        if (kind === "corrupt") {
          // This byte is never valid in UTF-8.
          chunk[at] = 0xff;
          to.write(chunk);
          return;
        }
        to.write(chunk.subarray(0, at));
        if (kind === "delay") {
          for (let turns = 0; turns < 20; turns++) await turn();
          to.write(chunk.subarray(at));
        } else if (kind === "halfClose") {
          to.end();
        } else if (kind === "reset") {
          reset(from);
          reset(to);
        } else {
          from.destroy();
          to.destroy();
        }
      });
    });
    from.on("end", () => {
      line = line.then(() => {
        to.end();
      });
    });
  }
}
