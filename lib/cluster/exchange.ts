// Provides the services of the primary for its workers, independently of the code that forks the workers. The primary
// numbers the workers, passes messages and connections between them, and sends each worker a list of the other workers.

import type { Worker } from "node:cluster";
import { mkdtempSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Channel } from "./channel.ts";
import { createSecret, stopReading } from "./forwarding.ts";
import { Hub } from "./hub.ts";
import { Link } from "./link.ts";
import { type FromPrimary, isToPrimary, SOURCE, type ToPrimary } from "./messages.ts";
import { MAX_WORKER_NUMBER } from "./worker-id.ts";

/** The number of the primary among the members of the hub. */
const PRIMARY_NUMBER = 0;

/** A worker that was added to an exchange. */
export interface Participant {
  readonly number: number;
  readonly worker: Worker;
  readonly channel: Channel<FromPrimary>;
  /** The path of the socket on which the worker receives forwarded requests. */
  readonly path: string;
  /**
   * "starting": the worker does not receive forwarded requests yet. "leaving": it still receives them, and will exit
   * soon.
   */
  state: "starting" | "ready" | "leaving";
}

/** Called with each message of a worker, after the exchange has handled it. */
export type OnMessage = (message: ToPrimary) => void;

/** Assigns numbers to the workers, and passes messages and connections between them. */
export class Exchange {
  /** The link between the adapters in the primary and the hub (hub.ts). */
  readonly link: Link;
  readonly #hub = new Hub();
  readonly #secret = createSecret();
  readonly #directory = mkdtempSync(join(tmpdir(), "barewire-"));
  readonly #participants = new Set<Participant>();
  readonly #removeDirectory = (): void => rmSync(this.#directory, { recursive: true, force: true });
  readonly #portFor: () => number | undefined;
  readonly #log: (line: string) => void;
  #lastNumber = PRIMARY_NUMBER;

  /**
   * @param portFor returns the port on which a worker must listen. `undefined`: the port that the worker's program
   * chooses
   * @param log called with each line of the log. Default: emits a process warning
   */
  constructor(
    portFor: () => number | undefined,
    log: (line: string) => void = (line) => process.emitWarning(line),
  ) {
    this.#portFor = portFor;
    this.#log = log;
    this.link = new Link(PRIMARY_NUMBER, (items) => this.#hub.receive(PRIMARY_NUMBER, items));
    this.#hub.add(PRIMARY_NUMBER, (items) => this.link.receive(items));
    process.once("exit", this.#removeDirectory);
  }

  /** Adds a worker after it was forked. */
  add(worker: Worker, onMessage: OnMessage = () => {}): Participant {
    const number = this.#nextNumber();
    const path = this.#pathOf(number);
    const channel = new Channel<FromPrimary>(
      (message, socket, callback) => worker.send(message, socket, callback),
      () => {
        this.#log(`Worker ${number} does not read its messages: killed`);
        worker.process.kill("SIGKILL");
      },
    );
    const participant: Participant = { number, worker, channel, path, state: "starting" };
    this.#participants.add(participant);
    worker.on("message", (message: unknown, handle: unknown) => {
      if (!isToPrimary(message)) return;
      this.#onMessage(participant, message, handle);
      onMessage(message);
    });
    worker.process.once("disconnect", () => {
      channel.close();
      // All messages of the worker have arrived before this event, so the hub can remove the worker now.
      this.#hub.remove(number);
    });
    worker.process.once("exit", () => {
      this.#participants.delete(participant);
      this.tellPeers();
    });
    worker.process.on("error", () => {});
    return participant;
  }

  /** Marks a worker as leaving, and informs the other workers. */
  leave(participant: Participant): void {
    participant.state = "leaving";
    this.tellPeers();
  }

  /** Sends each worker a list of the other workers. */
  tellPeers(): void {
    const there = [...this.#participants].filter(({ state }) => state !== "starting");
    const peers = there.map(({ number, path, state }) => {
      return { number, path, leaving: state === "leaving" };
    });
    for (const participant of there) {
      const others = peers.filter(({ number }) => number !== participant.number);
      this.send(participant, { source: SOURCE, type: "peers", peers: others });
    }
  }

  /** Sends a message to a worker. */
  send({ channel }: Participant, message: FromPrimary): void {
    channel.send(message);
  }

  /** Deletes all stored sessions and packets. Called after all workers have ended. */
  close(): void {
    this.#hub.close();
    process.off("exit", this.#removeDirectory);
    this.#removeDirectory();
  }

  #onMessage(participant: Participant, message: ToPrimary, handle: unknown): void {
    switch (message.type) {
      case "hello": {
        const { number, path } = participant;
        this.#hub.add(number, (items) =>
          this.send(participant, { source: SOURCE, type: "batch", items }),
        );
        const [secret, port] = [this.#secret, this.#portFor()];
        this.send(participant, { source: SOURCE, type: "welcome", number, secret, path, port });
        break;
      }
      case "joined":
        participant.state = "ready";
        this.tellPeers();
        break;
      case "batch":
        this.#hub.receive(participant.number, message.items);
        break;
      case "leaving":
        this.leave(participant);
        break;
      case "connection":
        if (handle instanceof Socket) this.#passOn(message, handle);
        break;
      default:
    }
  }

  #passOn(
    { to, head, ...message }: ToPrimary & { readonly type: "connection" },
    socket: Socket,
  ): void {
    const participant = [...this.#participants].find(({ number }) => number === to);
    socket.on("error", () => {});
    const bytes = Buffer.concat([message.bytes, stopReading(socket)]);
    if (participant === undefined) socket.destroy();
    else participant.channel.send({ source: SOURCE, type: "connection", head, bytes }, socket);
  }

  /**
   * Returns the next unused number. Numbers are used in ascending order and then from 1 again, so that a number is not
   * reused before the sessions of its previous worker have expired.
   */
  #nextNumber(): number {
    const used = new Set(Array.from(this.#participants, ({ number }) => number));
    do this.#lastNumber = (this.#lastNumber % MAX_WORKER_NUMBER) + 1;
    while (used.has(this.#lastNumber));
    return this.#lastNumber;
  }

  #pathOf(number: number): string {
    return process.platform === "win32"
      ? `\\\\.\\pipe\\barewire-${this.#secret}-${number}`
      : join(this.#directory, `${number}`);
  }
}
