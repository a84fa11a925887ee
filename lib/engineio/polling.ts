// The transport over HTTP requests: a GET waits until there is something for the client, a POST
// brings what the client has. Engine.IO "HTTP long-polling".

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

/** Packets to bodies and back, as a revision has it. */
export interface PayloadFormat {
  /** The body of a response with what was sent. */
  encode(messages: readonly Outgoing[]): string | Bytes;
  /** The packets of a request's body, which is text; throws ProtocolError when it comes to one that is none. */
  decode(body: string): Iterable<Packet>;
  /** The packets of a body that calls itself binary, where there is such a thing. */
  readonly decodeBinary?: (body: Bytes) => Iterable<Packet>;
}

/** Engine.IO "HTTP long-polling". */
export const CURRENT_FORMAT: PayloadFormat = {
  encode: (messages) => {
    const [only] = messages;
    if (messages.length === 1 && only !== undefined) return only.payload;
    return messages.map(({ payload }) => payload).join(SEPARATOR);
  },
  decode: decodePayload,
};

export interface PollingOptions {
  readonly format: PayloadFormat;
  /** Bytes in the body of a POST. */
  readonly maxPayload: number;
  /** `undefined`: responses are not compressed. */
  readonly compression: CompressionOptions | undefined;
  /** The value of the query's "j", for a client that loads scripts instead of making requests. */
  readonly jsonp: string | undefined;
}

/** How long a client that is to be told of the end may take to poll, in milliseconds. */
const CLOSE_TIMEOUT = 30_000;

/** How long a client may take to receive its last answer when its session has ended, in milliseconds. */
const LAST_ANSWER_TIMEOUT = 5000;

const unsent = new Deadlines<ServerResponse>(LAST_ANSWER_TIMEOUT, (response) => response.destroy());

const OCTET_STREAM = "application/octet-stream";

// Read by who asked only: what is a text to one user may be a page to another's browser.
const TEXT_HEADERS = {
  "Content-Type": "text/plain; charset=UTF-8",
  "Cache-Control": "no-store",
} as const;
const BYTES_HEADERS = { ...TEXT_HEADERS, "Content-Type": OCTET_STREAM } as const;

/** Packets of one POST that are delivered in one turn of the event loop. Others get their turn between. */
const PACKETS_PER_TURN = 500;

/** From here on what else there is waits for the next GET, in bytes. */
const LARGEST_ANSWER = 1_000_000;

/** "ok" tells the client that its packets were received. */
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

export class PollingTransport implements RequestTransport {
  readonly name = "polling";
  bytesReceived = 0;
  bytesSent = 0;
  readonly #options: PollingOptions;
  #sink: TransportSink | undefined;
  // The GET that waits, and what was sent in this turn to answer it.
  #poll: ServerResponse | undefined;
  #answer: Outgoing[] = [];
  #answerLength = 0;
  // The answer that the client has not received yet, and its length.
  #unread: ServerResponse | undefined;
  #unreadLength = 0;
  // The POST that is being read.
  #post: ServerResponse | undefined;
  // The POST whose packets are delivered over several turns.
  #delivering: ServerResponse | undefined;
  #released = false;
  // The client is told of the end with its next GET.
  #closeTimer: NodeJS.Timeout | undefined;

  constructor(options: PollingOptions) {
    this.#options = options;
  }

  /** Delivers to `sink` from now on. */
  start(sink: TransportSink): void {
    this.#sink = sink;
  }

  /** Takes an HTTP request that names this session. */
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
    // Clients act on the end before they act on what stands before it in the same payload.
    if (this.#poll !== undefined && !this.#answering) this.#end(CLOSE_PACKET, "forced close");
    else
      this.#closeTimer ??= setTimeout(() => this.#end(CLOSE_PACKET, "forced close"), CLOSE_TIMEOUT);
  }

  discard(): void {
    this.#sink = undefined;
    this.#post?.destroy();
    // An HTTP server that closes would wait for a connection that is kept.
    this.#poll?.setHeader("Connection", "close");
    this.#end(this.#answering ? undefined : CLOSE_PACKET);
  }

  release(): void {
    // A POST that is under way still counts: its sink ignores it where the session has ended.
    this.#released = true;
    this.#end(NOOP_PACKET);
  }

  /** Answers the GET with what was sent. */
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

  /** "Receiving data". */
  #onGet(response: ServerResponse): void {
    // A client polls again when it has received the answer. One that polls without reading could have any number of them
    // wait.
    if (this.#poll !== undefined || this.unreadBytes > 0) {
      response.writeHead(400).end();
      this.#lose("transport error", new Error("overlap from client"));
      return;
    }
    this.#poll = response;
    const { socket } = response.req;
    response.once("close", () => {
      // An answer that did not reach the client is lost with all its packets. A client that has
      // changed to another transport has had its last.
      if (this.#poll === response) this.#poll = undefined;
      if (this.#unread === response) this.#unread = undefined;
      unsent.delete(response);
      // Up to Node 20 a response counts as finished when its connection broke under it, too.
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

  /** "Sending data". */
  #onPost(request: IncomingMessage, response: ServerResponse): void {
    if (this.#post !== undefined || this.#delivering !== undefined) {
      refusePost(request, response, 400);
      this.#lose("transport error", new Error("data request overlap from client"));
      return;
    }
    const { format } = this.#options;
    // "Headers": what is sent with another type, or none, is text.
    const isBinary = request.headers["content-type"] === OCTET_STREAM;
    // In revision 4 bytes travel in base64; what calls itself binary is of another.
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
      // A client that has changed to another transport keeps its session.
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

  /** Delivers the packets of a POST, some in each turn, and answers it behind the last. */
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
      // The client may have left, which has ended the session.
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

  /** Something was sent in this turn, and no close packet may stand behind it. */
  get #answering(): boolean {
    return this.#answer.length > 0;
  }

  /** Ends the transport. A GET that waits is answered, with `last` at the end. */
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
