// The transport over HTTP requests. A GET request waits until packets are sent to the client. A POST request contains packets of
// the client. Engine.IO "HTTP long-polling".

import type { IncomingMessage, ServerResponse } from "node:http";

import { type Bytes, decodeUtf8 } from "../../protocol/bytes.ts";
import type { Packet } from "../../protocol/engineio/packet.ts";
import { decodePayload, SEPARATOR } from "../../protocol/engineio/payload.ts";
import { ProtocolError } from "../../protocol/engineio/rules.ts";
import type { CloseReason } from "../../protocol/engineio/session.ts";
import { Fragments } from "../../protocol/fragments.ts";
import { Deadlines } from "../deadlines.ts";
import { flushSoon } from "../flush.ts";
import { type CompressionOptions, sendCompressed } from "./compression.ts";
import { decodeForm, encodeScript } from "./jsonp.ts";
import { CLOSE_PACKET, NOOP_PACKET, type Outgoing } from "./outgoing.ts";
import type { RequestTransport, TransportSink } from "./transport.ts";
import { discardBody } from "./unread-body.ts";

/** The encoding of packets in HTTP bodies, which depends on the revision of the protocol. */
export interface PayloadFormat {
  /** Encodes the body of a response. */
  encode(messages: readonly Outgoing[]): string | Bytes;
  /** Yields the packets of a text body in order. Throws a ProtocolError at the first invalid packet. */
  decode(body: string): Iterable<Packet>;
  /** Yields the packets of a binary body. `undefined` if the revision has no binary bodies. */
  readonly decodeBinary?: (body: Bytes) => Iterable<Packet>;
}

/** The format of revision 4. Engine.IO "HTTP long-polling". */
export const CURRENT_FORMAT: PayloadFormat = {
  encode: (messages) => {
    const [only] = messages;
    if (messages.length === 1 && only !== undefined) return only.payload;
    return messages.map(({ payload }) => payload).join(SEPARATOR);
  },
  decode: decodePayload,
};

/** The options of a polling transport. */
export interface PollingOptions {
  readonly format: PayloadFormat;
  /** Largest body of a POST request that is accepted, in bytes. */
  readonly maxPayload: number;
  /** The options of HTTP compression. `undefined`: responses are not compressed. */
  readonly compression: CompressionOptions | undefined;
  /** The query parameter "j" of a client that uses JSONP. */
  readonly jsonp: string | undefined;
}

/** How long close() waits for the client's next GET request, in milliseconds. */
const CLOSE_TIMEOUT = 30_000;

/** How long a client may take to read the last response after the end of its session, in milliseconds. */
const LAST_ANSWER_TIMEOUT = 5000;

const unsent = new Deadlines<ServerResponse>(LAST_ANSWER_TIMEOUT, (response) => response.destroy());

const OCTET_STREAM = "application/octet-stream";

// Responses must not be cached. A cached response could be delivered to another user, whose browser might display it as a page.
const TEXT_HEADERS = {
  "Content-Type": "text/plain; charset=UTF-8",
  "Cache-Control": "no-store",
} as const;
const BYTES_HEADERS = { ...TEXT_HEADERS, "Content-Type": OCTET_STREAM } as const;

/**
 * The largest number of packets of a POST request that are delivered in one iteration of the event loop. Other clients are served
 * before the next packets are delivered.
 */
const PACKETS_PER_TURN = 500;

/** Largest response, in bytes. Further packets wait for the next GET request. */
const LARGEST_ANSWER = 1_000_000;

/** Answers a POST request with "ok", which confirms that the packets were received. */
function answerPost(response: ServerResponse): void {
  response
    .writeHead(200, {
      "Content-Type": "text/html",
      "Content-Length": 2,
      "Cache-Control": "no-store",
    })
    .end("ok");
}

function refusePost(request: IncomingMessage, response: ServerResponse, status: number): void {
  response.writeHead(status).end();
  discardBody(request);
}

/** The long-polling transport of one session. */
export class PollingTransport implements RequestTransport {
  readonly name = "polling";
  bytesReceived = 0;
  bytesSent = 0;
  readonly #options: PollingOptions;
  #sink: TransportSink | undefined;
  // The response to the waiting GET request, and the messages for this response, which were sent in this iteration of the event
  // loop.
  #poll: ServerResponse | undefined;
  #answer: Outgoing[] = [];
  #answerLength = 0;
  // The response that the client has not read yet, and its length.
  #unread: ServerResponse | undefined;
  #unreadLength = 0;
  // The response to the POST request whose body is being read.
  #post: ServerResponse | undefined;
  // The response to the POST request whose packets are being delivered, in several iterations of the event loop.
  #delivering: ServerResponse | undefined;
  #released = false;
  // Runs while close() waits for the next GET request.
  #closeTimer: NodeJS.Timeout | undefined;

  constructor(options: PollingOptions) {
    this.#options = options;
  }

  /** After this call, the packets of the client are delivered to `sink`. */
  start(sink: TransportSink): void {
    this.#sink = sink;
  }

  /** Handles an HTTP request for this session. */
  onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (request.method === "GET") this.#onGet(response);
    else if (request.method === "POST") this.#onPost(request, response);
    else refusePost(request, response, 500);
  }

  get writable(): boolean {
    const mayAnswer = this.#poll !== undefined && this.#closeTimer === undefined;
    return mayAnswer && this.#answerLength < LARGEST_ANSWER;
  }

  get bufferedAmount(): number {
    return this.#answerLength;
  }

  get unreadBytes(): number {
    return this.#unread === undefined || this.#unread.writableFinished ? 0 : this.#unreadLength;
  }

  send(message: Outgoing): void {
    if (this.#answer.length === 0) flushSoon(this);
    this.#answer.push(message);
    this.#answerLength += message.length;
  }

  close(): void {
    this.#post?.destroy();
    // Clients handle a close packet before the packets in front of it in the same payload. So the close packet is sent alone.
    if (this.#poll !== undefined && !this.#answering) this.#end(CLOSE_PACKET, "forced close");
    else
      this.#closeTimer ??= setTimeout(() => this.#end(CLOSE_PACKET, "forced close"), CLOSE_TIMEOUT);
  }

  discard(): void {
    this.#sink = undefined;
    this.#post?.destroy();
    // The connection is not kept alive, because close() of the HTTP server would wait for its end.
    this.#poll?.setHeader("Connection", "close");
    this.#end(this.#answering ? undefined : CLOSE_PACKET);
  }

  release(): void {
    // The packets of an unfinished POST request are still delivered. The sink ignores them if the session has ended.
    this.#released = true;
    this.#end(NOOP_PACKET);
  }

  /** Answers the GET request with the messages that were sent. */
  flush(): void {
    const response = this.#poll;
    const messages = this.#answer;
    if (response === undefined || messages.length === 0) return;
    this.#poll = undefined;
    this.#unread = response;
    this.#unreadLength = this.#answerLength;
    this.#answer = [];
    this.#answerLength = 0;
    const { format, jsonp, compression } = this.#options;
    const payload = format.encode(messages);
    const isText = typeof payload === "string";
    const body = isText && jsonp !== undefined ? encodeScript(jsonp, payload) : payload;
    const compress = messages.some((message) => message.compress);
    const headers = isText ? TEXT_HEADERS : BYTES_HEADERS;
    this.bytesSent += sendCompressed(response, headers, body, compress ? compression : undefined);
  }

  /** Handles a GET request. Engine.IO "Receiving data". */
  #onGet(response: ServerResponse): void {
    // A client must read the response before it polls again. Otherwise a client that never reads could make the server buffer
    // any number of responses.
    if (this.#poll !== undefined || this.unreadBytes > 0) {
      response.writeHead(400).end();
      this.#lose("transport error", new Error("overlap from client"));
      return;
    }
    this.#poll = response;
    const { socket } = response.req;
    response.once("close", () => {
      // If a response did not reach the client, its packets are lost, and the session must end. After an upgrade no packets are
      // lost, since the last response contains only a noop packet.
      if (this.#poll === response) this.#poll = undefined;
      if (this.#unread === response) this.#unread = undefined;
      unsent.delete(response);
      // In Node 20 a response is also finished if its connection has failed.
      const arrived = response.writableFinished && !socket.errored;
      if (!arrived && !this.#released) {
        this.#lose("transport error", new Error("poll connection closed prematurely"));
      }
    });
    if (this.#closeTimer === undefined) {
      this.#sink?.onWritable();
    } else {
      this.send(NOOP_PACKET);
      this.#end(CLOSE_PACKET, "forced close");
    }
  }

  /** Handles a POST request. Engine.IO "Sending data". */
  #onPost(request: IncomingMessage, response: ServerResponse): void {
    if (this.#post !== undefined || this.#delivering !== undefined) {
      refusePost(request, response, 400);
      this.#lose("transport error", new Error("data request overlap from client"));
      return;
    }
    const { format } = this.#options;
    // Engine.IO "Headers": a body with any other content type, or without a content type, is text.
    const isBinary = request.headers["content-type"] === OCTET_STREAM;
    // In revision 4 binary data is encoded in base64. A binary body is an error.
    if (isBinary && format.decodeBinary === undefined) {
      refusePost(request, response, 400);
      this.#lose("transport error", new Error("invalid content"));
      return;
    }
    const { maxPayload } = this.#options;
    if (Number(request.headers["content-length"]) > maxPayload) {
      refusePost(request, response, 413);
      return;
    }
    this.#post = response;
    const body = new Fragments();
    const onData = (chunk: Bytes): void => {
      if (body.length + chunk.length <= maxPayload) {
        body.add(chunk, 0);
        return;
      }
      request.off("data", onData).off("end", onEnd);
      this.#post = undefined;
      refusePost(request, response, 413);
    };
    const onEnd = (): void => {
      this.#post = undefined;
      this.bytesReceived += body.length;
      this.#onBody(body.take(), isBinary ? format.decodeBinary : undefined, response);
    };
    request.on("data", onData).on("end", onEnd);
    response.once("close", () => {
      if (this.#post !== response && this.#delivering !== response) return;
      this.#post = undefined;
      this.#delivering = undefined;
      // After an upgrade, the session continues over WebSocket, so the session does not end here.
      if (this.#released) return;
      this.#lose("transport error", new Error("data request connection closed prematurely"));
    });
  }

  #onBody(
    bytes: Bytes,
    decodeBinary: PayloadFormat["decodeBinary"],
    response: ServerResponse,
  ): void {
    try {
      const packets = decodeBinary === undefined ? this.#decodeText(bytes) : decodeBinary(bytes);
      this.#deliver(packets[Symbol.iterator](), response);
    } catch (error) {
      this.#onBreach(error);
      answerPost(response);
    }
  }

  /**
   * Delivers the packets of a POST request, at most PACKETS_PER_TURN in each iteration of the event loop. Answers the request
   * after the last packet.
   */
  #deliver(packets: Iterator<Packet>, response: ServerResponse): void {
    this.#delivering = undefined;
    try {
      for (let count = 0; count < PACKETS_PER_TURN; count++) {
        const { done, value } = packets.next();
        if (done) {
          answerPost(response);
          return;
        }
        this.#sink?.onPacket(value);
      }
    } catch (error) {
      this.#onBreach(error);
    }
    if (this.#sink === undefined) {
      answerPost(response);
      return;
    }
    this.#delivering = response;
    setImmediate(() => {
      // The client may have disconnected, which has ended the session.
      if (this.#delivering === response) this.#deliver(packets, response);
    });
  }

  #onBreach(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    this.#lose("parse error", error);
  }

  #decodeText(bytes: Bytes): Iterable<Packet> {
    const text = decodeUtf8(bytes);
    if (text === undefined) throw new ProtocolError("INVALID_UTF8");
    const { format, jsonp } = this.#options;
    const payload = jsonp === undefined ? text : decodeForm(text);
    return payload === undefined ? [] : format.decode(payload);
  }

  #lose(reason: CloseReason, detail: Error): void {
    const sink = this.#sink;
    this.discard();
    sink?.onLost(reason, detail);
  }

  /** Whether messages were sent in this iteration of the event loop. A close packet must not follow them in the same payload. */
  get #answering(): boolean {
    return this.#answer.length > 0;
  }

  /** Ends the transport. Answers a waiting GET request, with `last` as the last packet. */
  #end(last: Outgoing | undefined, reason?: CloseReason): void {
    clearTimeout(this.#closeTimer);
    if (this.#poll !== undefined) {
      if (last !== undefined) this.send(last);
      this.flush();
    }
    if (this.#unread !== undefined) unsent.add(this.#unread);
    if (reason === undefined) return;
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.onLost(reason);
  }
}
