// A TCP proxy that does to connections what networks do: delays, cuts, half-closes, corrupts. It
// never changes the order of bytes.

import { connect, createServer, type Server, type Socket } from "node:net";

import { listen, reset, turn } from "./net.ts";
import type { Random } from "./random.ts";

export type FaultKind = "none" | "delay" | "cut" | "reset" | "halfClose" | "corrupt";

export interface Fault {
  readonly kind: FaultKind;
  /** Towards the server, or towards the client. */
  readonly direction: "up" | "down";
  /** It happens behind so many bytes of that direction. */
  readonly after: number;
}

const NONE: Fault = { kind: "none", direction: "up", after: 0 };

/** Of one of these kinds, somewhere in what a few messages take. */
export function randomFault(random: Random, kinds: readonly FaultKind[], within = 4000): Fault {
  return {
    kind: random.pick(kinds) ?? "none",
    direction: random.int(2) === 0 ? "up" : "down",
    after: random.int(within),
  };
}

export class FaultProxy {
  /** The fault of the next connection. */
  next: () => Fault = () => NONE;
  /** What a connection sends from which on nothing of it is passed on, either way, though it stays open. */
  silencedBy: (chunk: Buffer) => boolean = () => false;
  /** How many faults there were. */
  faults = 0;
  readonly #server: Server;
  /** The port on loopback to which the next connections lead. */
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

  /** Connections that pass through it now, counted on both sides. */
  get size(): number {
    return this.#sockets.size;
  }

  /** Passes nothing on, of connections that there are and of those that come, until thaw(). */
  freeze(): void {
    this.#frozen = new Promise((resolve) => {
      this.#thaw = resolve;
    });
  }

  thaw(): void {
    this.#thaw();
  }

  /** Cuts all connections that there are. */
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

  /** Passes on what comes, in order, until the fault. */
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
          // No text in UTF-8 has this byte.
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
