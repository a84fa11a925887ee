// Endpoints that write to an array instead of a socket, and a log with one line for each event.

import { Buffer } from "node:buffer";
import { inflateRawSync } from "node:zlib";

import { Endpoint, type EndpointOptions, type Wire } from "../../protocol/websocket/endpoint.ts";
import { BINARY, TEXT } from "../../protocol/websocket/frame.ts";
import { NEED_DATA, Receiver, type ReceiverOptions } from "../../protocol/websocket/receiver.ts";
import { ProtocolError } from "../../protocol/websocket/rules.ts";
import { describe, describeFrames } from "./frame.ts";

/** A wire that stores the bytes written to it. */
export class MemoryWire implements Wire {
  congested = false;
  ended = false;
  #written: Uint8Array[] = [];

  write(bytes: Uint8Array): void {
    if (this.ended) throw new Error("written after the end");
    this.#written.push(bytes);
  }

  end(): void {
    if (this.ended) throw new Error("ended twice");
    this.ended = true;
  }

  /** Returns the bytes written since the last call. */
  take(): Uint8Array {
    const written = Buffer.concat(this.#written);
    this.#written = [];
    return written;
  }
}

/** An endpoint with its wire. It logs each event of next(), or echoes each message instead. */
export class Station {
  readonly wire = new MemoryWire();
  readonly endpoint: Endpoint;
  readonly log: string[] = [];
  readonly #maxPayload: number;
  readonly #echo: boolean;

  constructor(options: EndpointOptions, echo = false) {
    this.endpoint = new Endpoint(this.wire, options);
    this.#maxPayload = options.maxPayload;
    this.#echo = echo;
  }

  /** Passes a copy of `chunk` to the endpoint, which may unmask it in place, and reads all events. */
  receive(chunk: Uint8Array): void {
    const { endpoint } = this;
    endpoint.receive(new Uint8Array(chunk));
    for (let event = endpoint.next(); event !== NEED_DATA; event = endpoint.next()) {
      const payload = endpoint.compressed ? this.#inflate() : endpoint.payload;
      if (payload === undefined) continue;
      if (!this.#echo) this.log.push(describe(event, payload));
      else if (endpoint.state !== "open") continue;
      else if (event === TEXT && !endpoint.compressed) endpoint.sendText(endpoint.text);
      else if (event === TEXT || event === BINARY) endpoint.sendMessage(event, payload);
    }
  }

  // RFC 7692 §7.2.2. Each message is inflated separately, without context takeover.
  #inflate(): Uint8Array | undefined {
    const { endpoint } = this;
    try {
      const tail = Uint8Array.of(0, 0, 0xff, 0xff);
      return inflateRawSync(Buffer.concat([endpoint.payload, tail]), {
        maxOutputLength: this.#maxPayload,
      });
    } catch {
      endpoint.fail("INVALID_DEFLATE");
      return undefined;
    }
  }

  /** Returns the log, the rule that the peer violated, the frames sent, and whether the endpoint ended TCP. */
  outcome(): string[] {
    const { failure } = this.endpoint;
    return [
      ...this.log,
      ...(failure === undefined ? [] : [`fail ${failure.rule}`]),
      ...describeFrames(this.wire.take()).map((line) => `sends ${line}`),
      ...(this.wire.ended ? ["ends"] : []),
    ];
  }
}

/**
 * Returns the output of a Receiver for `chunks`: one line for each message and control frame, and one line for a failure.
 */
export function receive(chunks: readonly Uint8Array[], options: ReceiverOptions): string[] {
  const receiver = new Receiver(options);
  const log: string[] = [];
  try {
    for (const chunk of chunks) {
      receiver.push(new Uint8Array(chunk));
      for (let event = receiver.next(); event !== NEED_DATA; event = receiver.next()) {
        log.push(
          receiver.compressed ? compressed(event, receiver) : describe(event, receiver.payload),
        );
      }
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    log.push(`fail ${error.rule}`);
  }
  return log;
}

function compressed(event: number, { payload }: Receiver): string {
  return describe(BINARY, payload).replace(
    "binary",
    event === TEXT ? "compressed text" : "compressed binary",
  );
}
