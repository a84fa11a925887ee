// TCP or TLS around a client's Endpoint: reading, writing once a turn, permessage-deflate, the end.
// RFC 6455 §7.1 where it speaks of TCP, RFC 7692 §6.

import { randomFillSync } from "node:crypto";
import { Socket as TcpSocket } from "node:net";
import type { Duplex } from "node:stream";

import { type Bytes, concat, copy, encodeUtf8, isValidUtf8 } from "../protocol/bytes.ts";
import { type DeflateSettings, MessageDeflate } from "../protocol/websocket/deflate.ts";
import { Endpoint, type Wire } from "../protocol/websocket/endpoint.ts";
import { BINARY, TEXT } from "../protocol/websocket/frame.ts";
import { NEED_DATA } from "../protocol/websocket/receiver.ts";
import { ProtocolError } from "../protocol/websocket/rules.ts";

export interface ConnectionSink {
  onText(text: Bytes): void;
  onBinary(bytes: Bytes): void;
  /** It has ended: with an error where something broke, or the server broke a rule. */
  onClose(error: Error | undefined): void;
}

export interface ConnectionOptions {
  /** Bytes in one message. */
  readonly maxPayload: number;
  /** permessage-deflate was agreed on. */
  readonly deflate: DeflateSettings | undefined;
  /** Bytes from which a message is compressed. */
  readonly threshold: number;
}

/** How long the server may take to answer a close frame, and to end TCP after it, in milliseconds. */
const CLOSE_TIMEOUT = 30_000;

export class Connection implements Wire {
  readonly #endpoint: Endpoint;
  readonly #socket: Duplex;
  readonly #sink: ConnectionSink;
  // Written in this turn and not handed to the socket yet.
  #written: Bytes[] = [];
  #error: Error | undefined;
  #closeTimer: NodeJS.Timeout | undefined;

  readonly #deflate: MessageDeflate | undefined;
  readonly #threshold: number;
  // Nothing is read while a message is being inflated.
  #inflating = false;
  // What has to be compressed, or read, before it can be sent; what is sent behind it waits in line.
  #line: Promise<void> | undefined;
  #lineLength = 0;

  constructor(socket: Duplex, options: ConnectionOptions, sink: ConnectionSink) {
    const { maxPayload, deflate, threshold } = options;
    this.#socket = socket;
    this.#sink = sink;
    this.#deflate = deflate && new MessageDeflate(deflate);
    this.#threshold = threshold;
    this.#endpoint = new Endpoint(this, {
      role: "client",
      maxPayload,
      deflate: deflate !== undefined,
      randomFill,
    });
  }

  /** @param head what came behind the header of the response */
  start(head: Uint8Array): void {
    const socket = this.#socket;
    if (socket instanceof TcpSocket) socket.setTimeout(0).setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("end", () => this.end());
    socket.on("error", (error) => {
      this.#error = error;
    });
    socket.on("drain", () => this.#endpoint.drained());
    socket.on("close", () => this.#onClose());
    if (head.length > 0) this.#onData(head);
  }

  /** What the server's close frame said; 1006 where none came (§7.1.5), as when TCP is lost (§7.2.1). */
  get closeStatus(): { readonly code: number; readonly reason: string } {
    return this.#endpoint.closeStatus;
  }

  /** Messages can be sent: neither end has begun to close it. */
  get open(): boolean {
    return this.#endpoint.state === "open";
  }

  get bufferedAmount(): number {
    const written = this.#written.reduce((sum, { length }) => sum + length, 0);
    return this.#socket.writableLength + written + this.#lineLength;
  }

  /** Sends a text message, in the order of the calls; drops it where it is not `open`. */
  sendText(text: string): void {
    if (!this.open) return;
    if (this.#deflate === undefined && this.#line === undefined) this.#endpoint.sendText(text);
    else this.#send(TEXT, encodeUtf8(text));
  }

  /** The same with a binary message; a Blob is read first. */
  sendBinary(data: Bytes | Blob): void {
    if (!this.open) return;
    if (!(data instanceof Blob)) {
      this.#send(BINARY, data);
      return;
    }
    this.#stand(async () => {
      await this.#sendNow(BINARY, new Uint8Array(await data.arrayBuffer()));
    }, data.size);
  }

  /** Starts the closing handshake, behind what was sent. */
  close(code?: number, reason?: string): void {
    this.#hurry();
    if (this.#line === undefined) this.#endpoint.close(code, reason);
    else this.#stand(() => this.#endpoint.close(code, reason));
  }

  // The endpoint's wire.

  get congested(): boolean {
    return this.#socket.writableNeedDrain;
  }

  write(bytes: Bytes): void {
    if (this.#written.length === 0) queueMicrotask(() => this.#flush());
    this.#written.push(bytes);
  }

  end(): void {
    this.#flush();
    this.#socket.end();
    this.#hurry();
  }

  #flush(): void {
    const written = this.#written;
    this.#written = [];
    if (written.length > 0 && this.#socket.writable) this.#socket.write(concat(written));
  }

  // Sending.

  #send(opcode: typeof TEXT | typeof BINARY, payload: Bytes): void {
    const compress = this.#deflate !== undefined && payload.length >= this.#threshold;
    if (this.#line !== undefined) {
      this.#stand(() => this.#sendNow(opcode, payload), payload.length);
    } else if (!compress) {
      this.#endpoint.sendMessage(opcode, payload);
    } else {
      const compressed = this.#deflate?.compressNow(payload);
      if (compressed !== undefined) this.#endpoint.sendCompressed(opcode, compressed);
      else this.#stand(() => this.#sendNow(opcode, payload), payload.length);
    }
  }

  /** Compressed where it is worth it (RFC 7692 §6.1). */
  async #sendNow(opcode: typeof TEXT | typeof BINARY, payload: Bytes): Promise<void> {
    if (this.#deflate === undefined || payload.length < this.#threshold) {
      if (this.open) this.#endpoint.sendMessage(opcode, payload);
      return;
    }
    const deflate = this.#deflate;
    const compressed = deflate.compressNow(payload) ?? (await deflate.compress(payload));
    if (this.open) this.#endpoint.sendCompressed(opcode, compressed);
  }

  /** Runs `job` when all that stand in line before it are done. */
  #stand(job: () => void | Promise<void>, length = 0): void {
    this.#lineLength += length;
    const line = (this.#line ?? Promise.resolve())
      .then(job)
      // A Blob that cannot be read, or zlib closed under it: what is behind it cannot be sent either.
      .catch((error) => this.#socket.destroy(error))
      .then(() => {
        this.#lineLength -= length;
        if (this.#line === line) this.#line = undefined;
      });
    this.#line = line;
  }

  // Reading.

  #onData(chunk: Bytes): void {
    this.#endpoint.receive(chunk);
    this.#read();
  }

  #read(): void {
    const endpoint = this.#endpoint;
    while (!this.#inflating) {
      const event = endpoint.next();
      if (event === NEED_DATA) return;
      if (event !== TEXT && event !== BINARY) continue;
      const deflate = endpoint.compressed ? this.#deflate : undefined;
      if (deflate !== undefined) this.#inflate(deflate, event);
      // A text is decoded at once; bytes are the program's, and those of the endpoint only borrowed.
      else this.#deliver(event, event === TEXT ? endpoint.payload : copy(endpoint.payload));
    }
  }

  #deliver(event: typeof TEXT | typeof BINARY, payload: Bytes): void {
    if (event === TEXT) this.#sink.onText(payload);
    else this.#sink.onBinary(payload);
  }

  /** RFC 7692 §6.2. */
  #inflate(deflate: MessageDeflate, event: typeof TEXT | typeof BINARY): void {
    let message: Bytes | undefined;
    try {
      message = deflate.inflateNow(this.#endpoint.payload);
      if (message !== undefined) mustBeValid(event, message);
    } catch (error) {
      this.#failFor(error);
      return;
    }
    if (message === undefined) void this.#inflateLater(deflate, event);
    else this.#deliver(event, message);
  }

  /** The same with what takes its time. Nothing is read until it is done. */
  async #inflateLater(deflate: MessageDeflate, event: typeof TEXT | typeof BINARY): Promise<void> {
    this.#inflating = true;
    this.#socket.pause();
    try {
      const message = await deflate.inflate(this.#endpoint.payload);
      mustBeValid(event, message);
      this.#inflating = false;
      this.#deliver(event, message);
    } catch (error) {
      this.#inflating = false;
      this.#failFor(error);
    }
    this.#socket.resume();
    this.#read();
    if (this.#socket.closed && !this.#inflating) this.#finish();
  }

  #failFor(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    this.#endpoint.fail(error);
  }

  // The end.

  /** A server that does not end its side is cut off (§7.1.1). */
  #hurry(): void {
    this.#closeTimer ??= setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT);
  }

  #onClose(): void {
    clearTimeout(this.#closeTimer);
    // What came before the end is delivered before it.
    if (!this.#inflating) this.#finish();
  }

  #finish(): void {
    this.#endpoint.receiveEnd();
    this.#deflate?.close();
    this.#sink.onClose(this.#endpoint.failure ?? this.#error);
  }
}

/** RFC 6455 §8.1. @throws ProtocolError */
function mustBeValid(event: typeof TEXT | typeof BINARY, message: Bytes): void {
  if (event === TEXT && !isValidUtf8(message)) throw new ProtocolError("INVALID_UTF8");
}

function randomFill(bytes: Bytes): void {
  randomFillSync(bytes);
}
