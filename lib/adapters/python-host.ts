// Represents this process as a host of a python-socketio cluster: stores its id and its only subscription, and limits
// the bytes that wait for Redis.
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

/** The adapter of a namespace in this process. */
export interface Receiver {
  readonly nsp: { readonly name: string };
  /** Called with each message of another host for this namespace. */
  receive(message: PythonMessage): void;
}

/** The options of a host. */
export interface PythonHostOptions {
  readonly publisher: RedisPublisher;
  readonly subscriber: RedisSubscriber;
  readonly channel: string;
  readonly format: PythonFormat;
  /** Largest number of bytes of messages that may wait for Redis. */
  readonly maxBackpressure: number;
  readonly onError: (error: Error) => void;
}

/**
 * The shortest and the longest delay between two attempts to subscribe, in milliseconds. The delay doubles after each
 * attempt that has failed.
 */
const FIRST_RETRY = 1000;
const LAST_RETRY = 30_000;
/** How long remove() waits until Redis has ended the subscription, in milliseconds. */
const CLOSE_TIMEOUT = 1000;

/** A host of a python-socketio cluster. */
export class PythonHost {
  readonly id: string = randomBytes(16).toString("hex");
  readonly format: PythonFormat;
  /** Resolves when the subscription is active for the first time. */
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
   * Adds a namespace. Adding the first namespace starts the subscription to the channel.
   *
   * @throws PythonAdapterError (`code` "ERR_PYTHON_IN_USE") if another server uses this host
   */
  add(receiver: Receiver): void {
    const { name } = receiver.nsp;
    // A dynamic namespace can be removed and added again. The main namespace exists as long as its server, so a second
    // main namespace belongs to another server.
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

  /** Removes a namespace. Removing the last namespace ends the subscription. */
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
    // Redis may be unreachable, or the user may have closed the client. In both cases no more messages arrive, so an
    // error of stop() is ignored, and this method waits for stop() for at most CLOSE_TIMEOUT.
    await Promise.race([late, this.subscription.stop().catch(() => {})]);
    clearTimeout(timer);
  }

  /**
   * Publishes a message, or reports why it cannot be published. If several messages in a row are lost, only the first
   * is reported.
   */
  publish(text: string): void {
    const size = Buffer.byteLength(text);
    if (this.waiting > 0 && this.waiting + size > this.maxBackpressure) {
      this.lose(
        new Error(
          `${this.waiting} bytes wait for Redis, and maxBackpressure is ${this.maxBackpressure} bytes`,
        ),
      );
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

  /** Reports an error to the user. */
  report(error: Error): void {
    try {
      this.onError(error);
    } catch (thrown) {
      // An error of the user's listener must not affect the caller of this method, so it becomes an uncaught exception.
      queueMicrotask(() => {
        throw thrown;
      });
    }
  }

  /** Reports an error once, even if it occurs for every call or message. */
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
      const sentence = `cannot subscribe to the channel "${this.channel}"`;
      this.fail("ERR_PYTHON_SUBSCRIBE", because(sentence, error), error);
      this.retry = setTimeout(
        () => void this.subscribe(Math.min(delay * 2, LAST_RETRY)),
        delay,
      ).unref();
    }
  }

  private onMessage(bytes: Buffer): void {
    // A message that ends with this host's id was sent by this host. Such a message is ignored before it is decoded,
    // because a busy host receives mostly its own messages.
    if (bytes.subarray(-this.ending.length).equals(this.ending)) return;
    try {
      const message = decodeMessage(bytes, this.format);
      if (message === undefined) return;
      const isMine = message.hostId === this.id;
      // A message with the method "callback" is for the host whose id it contains. Every other message was sent by the
      // host whose id it contains, and is for all other hosts.
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
