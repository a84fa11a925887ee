// This process as one host of a python-socketio cluster: its id, its one subscription, and what waits
// for Redis.
//
//   adapter of "/" ──┐                 ┌── publish ──▶ channel of Redis ──▶ other hosts
//   adapter of "/a" ─┴── PythonHost ◀──┴── subscribe ── the same channel

import { randomBytes } from "node:crypto";

import { PickleError } from "./pickle.ts";
import { because, PythonAdapterError, type PythonAdapterErrorCode } from "./python-errors.ts";
import {
  decodeMessage,
  endingOf,
  type PythonFormat,
  type PythonMessage,
} from "./python-messages.ts";
import {
  type RedisPublisher,
  type RedisSubscriber,
  type Subscription,
  subscription,
} from "./python-redis.ts";

/** A namespace of this process. */
export interface Receiver {
  readonly nsp: { readonly name: string };
  /** Another host has published a message for this namespace. */
  receive(message: PythonMessage): void;
}

export interface PythonHostOptions {
  readonly publisher: RedisPublisher;
  readonly subscriber: RedisSubscriber;
  readonly channel: string;
  readonly format: PythonFormat;
  /** Bytes of messages that may wait for Redis. */
  readonly maxBackpressure: number;
  readonly onError: (error: Error) => void;
}

/** Milliseconds until a subscription is tried again. The wait doubles from the first to the last. */
const FIRST_RETRY = 1000;
const LAST_RETRY = 30_000;
/** Milliseconds that a server that closes waits for Redis. */
const CLOSE_TIMEOUT = 1000;

export class PythonHost {
  readonly id: string = randomBytes(16).toString("hex");
  readonly format: PythonFormat;
  /** Resolves when what other hosts publish is received for the first time. */
  readonly ready: Promise<void>;

  private readonly publisher: RedisPublisher;
  private readonly channel: string;
  private readonly maxBackpressure: number;
  private readonly onError: (error: Error) => void;
  private readonly subscription: Subscription;
  private readonly receivers = new Map<string, Receiver>();
  private readonly reported = new Set<string>();
  private readonly ending: Buffer;
  private onReady: () => void = () => {};
  private waiting = 0;
  private isLosing = false;
  private isSubscribing = false;
  private retry: NodeJS.Timeout | undefined;

  constructor(options: PythonHostOptions) {
    this.publisher = options.publisher;
    this.channel = options.channel;
    this.format = options.format;
    this.maxBackpressure = options.maxBackpressure;
    this.onError = options.onError;
    this.ending = endingOf(this.id);
    this.ready = new Promise((resolve) => {
      this.onReady = resolve;
    });
    this.subscription = subscription(options.subscriber, options.channel, (message) =>
      this.onMessage(message),
    );
  }

  /**
   * Adds a namespace. The first one subscribes to the channel.
   *
   * @throws PythonAdapterError (`code` "ERR_PYTHON_IN_USE") if another server uses this host
   */
  add(receiver: Receiver): void {
    const { name } = receiver.nsp;
    // A namespace that was made for clients may come and go. The main one is there as long as its server.
    if (name === "/" && this.receivers.has(name)) {
      throw new PythonAdapterError(
        "ERR_PYTHON_IN_USE",
        "another server uses this adapter: call createPythonAdapter() for each server",
      );
    }
    this.receivers.set(name, receiver);
    if (this.isSubscribing) return;
    this.isSubscribing = true;
    void this.subscribe(FIRST_RETRY);
  }

  /** Removes a namespace. The last one ends the subscription. */
  async remove(receiver: Receiver): Promise<void> {
    const { name } = receiver.nsp;
    if (this.receivers.get(name) !== receiver) return;
    this.receivers.delete(name);
    if (this.receivers.size > 0) return;
    this.isSubscribing = false;
    clearTimeout(this.retry);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, CLOSE_TIMEOUT);
    });
    // Redis may be away, and the program may have closed its client. Either way nothing is received any more.
    await Promise.race([late, this.subscription.stop().catch(() => {})]);
    clearTimeout(timer);
  }

  /** Publishes a message, or reports why it cannot. While messages are lost, the first of them is reported. */
  publish(text: string): void {
    const size = Buffer.byteLength(text);
    if (this.waiting > 0 && this.waiting + size > this.maxBackpressure) {
      this.lose(new Error(`${this.waiting} bytes wait for Redis`));
      return;
    }
    this.waiting += size;
    new Promise((resolve) => resolve(this.publisher.publish(this.channel, text)))
      .then(
        () => {
          this.isLosing = false;
        },
        (error: unknown) => this.lose(error),
      )
      .finally(() => {
        this.waiting -= size;
      });
  }

  /** Reports an error to the program. */
  report(error: Error): void {
    try {
      this.onError(error);
    } catch (thrown) {
      // The mistake of a listener, which must not end what has called it.
      queueMicrotask(() => {
        throw thrown;
      });
    }
  }

  /** Reports, the first time, what every such call or message would say again. */
  reportOnce(error: Error): void {
    if (this.reported.has(error.message)) return;
    this.reported.add(error.message);
    this.report(error);
  }

  private lose(cause: unknown): void {
    if (this.isLosing) return;
    this.isLosing = true;
    this.fail("ERR_PYTHON_PUBLISH", because("messages for other hosts are lost", cause), cause);
  }

  private async subscribe(delay: number): Promise<void> {
    try {
      await this.subscription.start();
      this.onReady();
    } catch (error) {
      if (!this.isSubscribing) return;
      const sentence = `the channel "${this.channel}" cannot be subscribed to`;
      this.fail("ERR_PYTHON_SUBSCRIBE", because(sentence, error), error);
      this.retry = setTimeout(
        () => void this.subscribe(Math.min(delay * 2, LAST_RETRY)),
        delay,
      ).unref();
    }
  }

  private onMessage(bytes: Buffer): void {
    // Most messages of a busy host are its own. They come back as they were written.
    if (bytes.subarray(-this.ending.length).equals(this.ending)) return;
    try {
      const message = decodeMessage(bytes, this.format);
      if (message === undefined) return;
      const isMine = message.hostId === this.id;
      // A callback is for the host that it names, and everything else for all others.
      if (isMine === (message.method === "callback")) {
        this.receivers.get(message.namespace)?.receive(message);
      }
    } catch (error) {
      this.onInvalid(error);
    }
  }

  private onInvalid(error: unknown): void {
    if (error instanceof PythonAdapterError && error.code === "ERR_PYTHON_PICKLE_OFF") {
      this.reportOnce(error);
    } else if (error instanceof PythonAdapterError || error instanceof PickleError) {
      this.report(error);
    } else {
      this.fail("ERR_PYTHON_MESSAGE", because("a message was ignored", error), error);
    }
  }

  private fail(code: PythonAdapterErrorCode, message: string, cause?: unknown): void {
    this.report(new PythonAdapterError(code, message, cause));
  }
}
