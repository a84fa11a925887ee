// Cases for WebSocket clients: RFC 6455, a client's part. The client echoes every message.

import { expect, expectSame, Failure, type Severity } from "../../harness/case.ts";
import type { ClientCase } from "../../harness/client-case.ts";
import {
  type ClientContext,
  type ClientRequest,
  handshakeLines,
} from "../../harness/client-context.ts";
import { wait } from "../../harness/context.ts";
import { ENDED } from "../../peers/tcp.ts";
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  closePayload,
  encodeFrame,
  type FrameOptions,
  PING,
  PONG,
  TEXT,
} from "../../peers/websocket.ts";

interface Details {
  /** Without "websocket.client.". */
  readonly id: string;
  /** Of RFC 6455. */
  readonly section: string;
  /** Default "MUST". */
  readonly severity?: Severity;
  readonly title: string;
  readonly sends: string;
  readonly expects: string;
  readonly connections?: number;
  readonly run: (context: ClientContext) => Promise<void>;
}

function websocketCase({ id, section, severity = "MUST", ...rest }: Details): ClientCase {
  const clause = `RFC 6455 §${section}`;
  return { kind: "websocket", id: `websocket.client.${id}`, clause, severity, ...rest };
}

/** What must be in the request, each a case. */
const REQUESTS: readonly {
  readonly name: string;
  readonly title: string;
  readonly check: (client: ClientRequest) => void;
}[] = [
  {
    name: "method",
    title: "asks with GET of HTTP/1.1 or higher",
    check: ({ request: { method, httpVersion } }) => {
      expectSame(method, "GET", "method");
      expect(Number(httpVersion) >= 1.1, "HTTP/1.1", `HTTP/${httpVersion}`);
    },
  },
  {
    name: "host",
    title: "names the host that it asks, and its port",
    check: ({ request: { headers, socket } }) => {
      expect(headers.host?.endsWith(`:${socket.localPort}`) === true, "Host", `${headers.host}`);
    },
  },
  {
    name: "upgrade",
    title: "asks for an upgrade to WebSocket",
    check: ({ request: { headers } }) => {
      expectSame(headers.upgrade?.toLowerCase(), "websocket", "Upgrade");
      const tokens = headers.connection?.toLowerCase().split(/\s*,\s*/) ?? [];
      expect(tokens.includes("upgrade"), "Connection: Upgrade", `${headers.connection}`);
    },
  },
  {
    name: "version",
    title: "asks for version 13",
    check: ({ request: { headers } }) => {
      expectSame(headers["sec-websocket-version"], "13", "Sec-WebSocket-Version");
    },
  },
  {
    name: "key",
    title: "sends a key of 16 bytes in base64",
    check: ({ request: { headers } }) => {
      const key = headers["sec-websocket-key"] ?? "";
      expect(/^[A-Za-z0-9+/]{22}==$/.test(key), "16 bytes in base64", key);
    },
  },
];

/** Answers for which the client must fail the connection. */
const REFUSALS: readonly {
  readonly name: string;
  readonly what: string;
  readonly lines: (good: string[]) => string[];
}[] = [
  {
    name: "accept-of-another-key",
    what: "the Sec-WebSocket-Accept of another key",
    lines: (good) => [...good.slice(0, 3), "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
  },
  { name: "no-accept", what: "no Sec-WebSocket-Accept", lines: (good) => good.slice(0, 3) },
  {
    name: "accept-empty",
    what: "an empty Sec-WebSocket-Accept",
    lines: (good) => [...good.slice(0, 3), "Sec-WebSocket-Accept: "],
  },
  {
    name: "other-upgrade",
    what: "an upgrade to something else",
    lines: (good) => good.map((line) => line.replace("Upgrade: websocket", "Upgrade: h2c")),
  },
  {
    name: "subprotocol",
    what: "a subprotocol that it has not offered",
    lines: (good) => [...good, "Sec-WebSocket-Protocol: chat"],
  },
  {
    name: "extension",
    what: "an extension that it has not offered",
    lines: (good) => [...good, "Sec-WebSocket-Extensions: x-nobody-knows"],
  },
  {
    name: "status-200",
    what: "status 200",
    lines: ([, ...good]) => ["HTTP/1.1 200 OK", ...good, "Content-Length: 0"],
  },
  {
    name: "status-400",
    what: "status 400",
    lines: () => ["HTTP/1.1 400 Bad Request", "Connection: close", "Content-Length: 0"],
  },
  {
    name: "status-503",
    what: "status 503",
    lines: () => ["HTTP/1.1 503 Service Unavailable", "Connection: close", "Content-Length: 0"],
  },
];

/** Answers that are right, though written in another way. */
const ACCEPTANCES: readonly {
  readonly name: string;
  readonly what: string;
  readonly lines: (good: string[]) => string[];
}[] = [
  {
    name: "other-case",
    what: "names and values in other letters",
    lines: ([status = "", , , accept = ""]) => [
      status,
      "UPGRADE: WebSocket",
      "connection: UPGRADE",
      accept.replace("Sec-WebSocket-Accept", "sec-websocket-accept"),
    ],
  },
  {
    name: "several-tokens",
    what: "several tokens in Connection",
    lines: (good) => good.map((line) => line.replace(": Upgrade", ": keep-alive, Upgrade")),
  },
  {
    name: "more-fields",
    what: "fields that say nothing here",
    lines: (good) => [...good, "Server: x", "Set-Cookie: a=b", "X-Empty: "],
  },
  {
    name: "other-reason",
    what: "another reason phrase",
    lines: ([, ...good]) => ["HTTP/1.1 101 Why Not", ...good],
  },
];

const HANDSHAKE: readonly ClientCase[] = [
  ...REQUESTS.map(({ name, title, check }) =>
    websocketCase({
      id: `handshake.${name}`,
      section: "4.1",
      title,
      sends: "the answer to the handshake, and a message",
      expects: "the request as it must be, and the message back",
      run: async (context) => {
        const client = await context.request();
        check(client);
        const peer = context.accept(client, handshakeLines(client));
        peer.sendText("hello");
        await peer.expectMessage("hello");
        await peer.close();
      },
    }),
  ),
  ...REFUSALS.map(({ name, what, lines }) =>
    websocketCase({
      id: `handshake.fails-for-${name}`,
      section: "4.1",
      title: `fails the connection for ${what}`,
      sends: "an answer with it",
      expects: "the end of the connection, and no frame",
      run: async (context) => {
        const client = await context.request();
        await context.expectHandshakeFailed(client, lines(handshakeLines(client)));
      },
    }),
  ),
  ...ACCEPTANCES.map(({ name, what, lines }) =>
    websocketCase({
      id: `handshake.takes-${name}`,
      section: "4.1",
      title: `takes an answer with ${what}`,
      sends: "an answer with it, and a message",
      expects: "the message back",
      run: async (context) => {
        const client = await context.request();
        const peer = context.accept(client, lines(handshakeLines(client)));
        peer.sendText("hello");
        await peer.expectMessage("hello");
        await peer.close();
      },
    }),
  ),
  websocketCase({
    id: "handshake.key-of-each-connection",
    section: "4.1",
    title: "sends another key for each connection",
    sends: "a close frame, and when the client comes again another",
    expects: "two keys",
    connections: 2,
    run: async (context) => {
      const keys: (string | undefined)[] = [];
      for (let i = 0; i < 2; i++) {
        const client = await context.request();
        keys.push(client.request.headers["sec-websocket-key"]);
        await context.accept(client, handshakeLines(client)).close();
      }
      expect(keys[0] !== keys[1], "another key", `"${keys[0]}" again`);
    },
  }),
  websocketCase({
    id: "handshake.frame-in-one-piece",
    section: "4.1",
    title: "reads what comes in one piece with the answer",
    sends: "the answer and a message in one piece",
    expects: "the message back",
    run: async (context) => {
      const frame = encodeFrame({ opcode: TEXT, payload: "early", masked: false });
      const peer = await context.websocket(frame);
      await peer.expectMessage("early");
      await peer.close();
    },
  }),
];

/** Messages that must come back; frames as they are sent. */
interface Echo {
  readonly name: string;
  readonly section: string;
  readonly what: string;
  readonly frames: readonly FrameOptions[];
  readonly message: string | Uint8Array;
  /** Bytes in each piece. */
  readonly piece?: number;
}

/** The same in several frames. */
function fragments(opcode: number, payloads: readonly (string | Uint8Array)[]): FrameOptions[] {
  return payloads.map((payload, i) => ({
    opcode: i === 0 ? opcode : CONTINUATION,
    fin: i === payloads.length - 1,
    payload,
  }));
}

const STAR = Buffer.from("κόσμε 🦆 \u{10ffff}");

const ECHOES: readonly Echo[] = [
  ...[0, 1, 125, 126, 127, 65_535, 65_536].flatMap((size) =>
    [TEXT, BINARY].map((opcode): Echo => {
      const kind = opcode === TEXT ? "text" : "binary";
      const payload = Buffer.alloc(size, "x");
      return {
        name: `${kind}-of-${size}`,
        section: "5.2",
        what: `a ${kind} message of ${size} bytes`,
        frames: [{ opcode, payload }],
        message: opcode === TEXT ? payload.toString() : payload,
      };
    }),
  ),
  {
    name: "text-of-a-mebibyte",
    section: "5.2",
    what: "a text message of 1 MiB",
    frames: [{ opcode: TEXT, payload: "x".repeat(2 ** 20) }],
    message: "x".repeat(2 ** 20),
  },
  {
    name: "every-byte",
    section: "5.6",
    what: "a binary message with every byte",
    frames: [{ opcode: BINARY, payload: Uint8Array.from({ length: 256 }, (_, i) => i) }],
    message: Uint8Array.from({ length: 256 }, (_, i) => i),
  },
  {
    name: "byte-by-byte",
    section: "5.2",
    what: "a text message that comes byte by byte",
    frames: [{ opcode: TEXT, payload: STAR }],
    message: STAR.toString(),
    piece: 1,
  },
  {
    name: "unicode",
    section: "8.1",
    what: "text of one to four bytes a letter, and what is no letter",
    frames: [{ opcode: TEXT, payload: "\u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}" }],
    message: "\u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}",
  },
  {
    name: "two-fragments",
    section: "5.4",
    what: "a text message in two frames",
    frames: fragments(TEXT, ["hel", "lo"]),
    message: "hello",
  },
  {
    name: "fragments-within-a-letter",
    section: "5.4",
    what: "a text message whose frames end within letters",
    frames: fragments(
      TEXT,
      [...STAR].map((byte) => Uint8Array.of(byte)),
    ),
    message: STAR.toString(),
  },
  {
    name: "empty-fragments",
    section: "5.4",
    what: "a binary message with frames of no bytes",
    frames: fragments(BINARY, ["", "ab", "", "", "c", ""]),
    message: Buffer.from("abc"),
  },
  {
    name: "only-empty-fragments",
    section: "5.4",
    what: "a text message of three frames of no bytes",
    frames: fragments(TEXT, ["", "", ""]),
    message: "",
  },
  {
    name: "many-fragments",
    section: "5.4",
    what: "a text message in 500 frames",
    frames: fragments(
      TEXT,
      Array.from({ length: 500 }, (_, i) => `${i},`),
    ),
    message: Array.from({ length: 500 }, (_, i) => `${i},`).join(""),
  },
];

const MESSAGES: readonly ClientCase[] = [
  ...ECHOES.map(({ name, section, what, frames, message, piece }) =>
    websocketCase({
      id: `message.${name}`,
      section,
      title: `takes ${what}`,
      sends: what,
      expects: "the same message, masked",
      run: async (context) => {
        const peer = await context.websocket();
        for (const frame of frames) peer.send(frame, piece);
        await peer.expectMessage(message);
        await peer.close();
      },
    }),
  ),
  websocketCase({
    id: "message.order",
    section: "5.4",
    title: "takes many messages in order",
    sends: "100 messages without a pause",
    expects: "the same, in order",
    run: async (context) => {
      const peer = await context.websocket();
      for (let i = 0; i < 100; i++) peer.sendText(`${i}`);
      for (let i = 0; i < 100; i++) await peer.expectMessage(`${i}`);
      await peer.close();
    },
  }),
  websocketCase({
    id: "message.masking-keys",
    section: "5.3",
    title: "masks each frame with a key of its own",
    sends: "20 messages",
    expects: "the same, with 20 keys",
    run: async (context) => {
      const peer = await context.websocket();
      for (let i = 0; i < 20; i++) peer.sendText("mask");
      for (let i = 0; i < 20; i++) await peer.expectMessage("mask");
      const keys = new Set(peer.keys).size;
      expect(keys >= 19, "another key for each frame", `${keys} keys for 20 frames`);
      await peer.close();
    },
  }),
  websocketCase({
    id: "message.ping-between-fragments",
    section: "5.4",
    title: "answers a ping between the frames of a message",
    sends: "a frame, a ping and the rest of the message",
    expects: "a pong, and the message back",
    run: async (context) => {
      const peer = await context.websocket();
      peer.send({ opcode: TEXT, fin: false, payload: "hel" });
      peer.send({ opcode: PING, payload: "now" });
      await peer.expectFrame(PONG, "now");
      peer.send({ opcode: CONTINUATION, payload: "lo" });
      await peer.expectMessage("hello");
      await peer.close();
    },
  }),
];

/** What the client must fail the connection for. */
interface Breach {
  readonly name: string;
  readonly section: string;
  readonly what: string;
  readonly frames: readonly FrameOptions[];
  readonly codes: readonly number[];
}

const BAD_UTF8 = {
  "lone-continuation": "80",
  "cut-off": "e2 82",
  overlong: "c0 af",
  "overlong-of-three": "e0 80 af",
  surrogate: "ed a0 80",
  "beyond-unicode": "f4 90 80 80",
  "byte-that-never-is": "ff",
} as const;

function unhex(hex: string): Uint8Array {
  return Buffer.from(hex.replaceAll(" ", ""), "hex");
}

const BREACHES: readonly Breach[] = [
  ...[TEXT, BINARY, PING, CLOSE].map((opcode): Breach => {
    const name = { [TEXT]: "text", [BINARY]: "binary", [PING]: "ping", [CLOSE]: "close" }[opcode];
    return {
      name: `masked-${name}`,
      section: "5.1",
      what: `a ${name} frame of the server that is masked`,
      frames: [{ opcode, masked: true, payload: opcode === CLOSE ? closePayload(1000) : "x" }],
      codes: [1002],
    };
  }),
  ...[1, 2, 3, 4, 5, 6, 7].map((rsv): Breach => {
    const bits = rsv.toString(2).padStart(3, "0");
    return {
      name: `rsv-${bits}`,
      section: "5.2",
      what: `the reserved bits ${bits}, without an extension`,
      frames: [{ opcode: TEXT, rsv, payload: "x" }],
      codes: [1002],
    };
  }),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(
    (opcode): Breach => ({
      name: `opcode-${opcode}`,
      section: "5.2",
      what: `the reserved opcode ${opcode}`,
      frames: [{ opcode, payload: "x" }],
      codes: [1002],
    }),
  ),
  {
    name: "length-beyond-63-bits",
    section: "5.2",
    what: "a length whose highest bit is set",
    frames: [{ opcode: BINARY, payload: "", length: 2n ** 63n, lengthBytes: 8 }],
    codes: [1002, 1009],
  },
  {
    name: "ping-of-126",
    section: "5.5",
    what: "a ping of 126 bytes",
    frames: [{ opcode: PING, payload: "x".repeat(126) }],
    codes: [1002],
  },
  {
    name: "ping-in-fragments",
    section: "5.5",
    what: "a ping that is not whole",
    frames: [{ opcode: PING, fin: false, payload: "x" }],
    codes: [1002],
  },
  {
    name: "close-of-126",
    section: "5.5",
    what: "a close frame of 126 bytes",
    frames: [{ opcode: CLOSE, payload: closePayload(1000, "x".repeat(124)) }],
    codes: [1002],
  },
  {
    name: "close-in-fragments",
    section: "5.5",
    what: "a close frame that is not whole",
    frames: [{ opcode: CLOSE, fin: false, payload: closePayload(1000) }],
    codes: [1002],
  },
  {
    name: "continuation-of-nothing",
    section: "5.4",
    what: "a continuation of nothing",
    frames: [{ opcode: CONTINUATION, payload: "x" }],
    codes: [1002],
  },
  {
    name: "continuation-of-what-is-whole",
    section: "5.4",
    what: "a continuation that is not the last, of nothing",
    frames: [{ opcode: CONTINUATION, fin: false, payload: "x" }],
    codes: [1002],
  },
  {
    name: "text-within-text",
    section: "5.4",
    what: "a message within another",
    frames: [
      { opcode: TEXT, fin: false, payload: "a" },
      { opcode: TEXT, payload: "b" },
    ],
    codes: [1002],
  },
  {
    name: "close-of-one-byte",
    section: "5.5.1",
    what: "a close frame of one byte",
    frames: [{ opcode: CLOSE, payload: "x" }],
    codes: [1002],
  },
  ...Object.entries(BAD_UTF8).map(
    ([name, hex]): Breach => ({
      name: `utf8-${name}`,
      section: "8.1",
      what: `text that is not UTF-8 (${hex})`,
      frames: [{ opcode: TEXT, payload: Buffer.concat([Buffer.from("a"), unhex(hex)]) }],
      codes: [1007],
    }),
  ),
  {
    name: "utf8-in-fragments",
    section: "8.1",
    what: "text that is not UTF-8, in two frames",
    frames: fragments(TEXT, [unhex("ce ba e1"), unhex("bd ed a0 80")]),
    codes: [1007],
  },
  {
    name: "utf8-in-reason",
    section: "8.1",
    what: "a reason that is not UTF-8",
    frames: [{ opcode: CLOSE, payload: closePayload(1000, unhex("ed a0 80")) }],
    codes: [1007, 1002],
  },
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map(
    (code): Breach => ({
      name: `close-code-${code}`,
      section: code < 1000 || code > 1015 ? "7.4.2" : "7.4.1",
      what: `a close frame with the code ${code}, which may not be sent`,
      frames: [{ opcode: CLOSE, payload: closePayload(code) }],
      codes: [1002],
    }),
  ),
];

/** §7.4 does not say what becomes of codes that nobody has defined. */
const UNDEFINED_CODES = [
  "close-code-1016",
  "close-code-1100",
  "close-code-2000",
  "close-code-2999",
];

const FAILURES: readonly ClientCase[] = BREACHES.map(({ name, section, what, frames, codes }) =>
  websocketCase({
    id: `fails-for.${name}`,
    section,
    severity: UNDEFINED_CODES.includes(name) ? "SHOULD" : "MUST",
    title: `fails the connection for ${what}`,
    sends: `${what}, and a message behind it`,
    expects: `the end of the connection, with ${codes.join(" or ")} before or without, and no echo`,
    run: async (context) => {
      const peer = await context.websocket();
      for (const frame of frames) peer.send(frame);
      peer.sendText("behind");
      await peer.expectFailed(codes);
    },
  }),
);

const CONTROL: readonly ClientCase[] = [
  ...["", "hello", "x".repeat(125)].map((payload) =>
    websocketCase({
      id: `ping.of-${payload.length}`,
      section: "5.5.3",
      title: `answers a ping of ${payload.length} bytes with the same`,
      sends: "a ping",
      expects: "a pong with the same payload",
      run: async (context) => {
        const peer = await context.websocket();
        peer.send({ opcode: PING, payload });
        await peer.expectFrame(PONG, payload);
        await peer.close();
      },
    }),
  ),
  websocketCase({
    id: "ping.last-of-many",
    section: "5.5.3",
    title: "answers the last of many pings, at least",
    sends: "ten pings without a pause",
    expects: "pongs in order, that of the last ping among them",
    run: async (context) => {
      const peer = await context.websocket();
      for (let i = 0; i < 10; i++) peer.send({ opcode: PING, payload: `${i}` });
      for (let last = -1; last < 9; ) {
        const frame = await peer.next();
        if (frame?.opcode !== PONG) throw new Failure("a pong", frame ? "another frame" : ENDED);
        const number = Number(Buffer.from(frame.payload).toString());
        expect(number > last, "pongs in order", `${number} behind ${last}`);
        last = number;
      }
      await peer.close();
    },
  }),
  websocketCase({
    id: "pong.unsolicited",
    section: "5.5.3",
    title: "answers nothing to a pong that it has not asked for",
    sends: "a pong, and a message",
    expects: "the message back, and nothing before",
    run: async (context) => {
      const peer = await context.websocket();
      peer.send({ opcode: PONG, payload: "unasked" });
      peer.sendText("hello");
      await peer.expectMessage("hello");
      await peer.close();
    },
  }),
];

const CLOSING: readonly ClientCase[] = [
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999].map((code) =>
    websocketCase({
      id: `close.code-${code}`,
      section: "5.5.1",
      title: `answers a close frame with the code ${code}, and goes`,
      sends: "a close frame",
      expects: "a close frame, and the end of TCP when the server has ended it",
      run: async (context) => {
        const peer = await context.websocket();
        await peer.close(code);
      },
    }),
  ),
  websocketCase({
    id: "close.same-code",
    section: "5.5.1",
    severity: "SHOULD",
    title: "answers a close frame with the code that it had",
    sends: "a close frame with 1001",
    expects: "a close frame with 1001",
    run: async (context) => {
      const peer = await context.websocket();
      peer.sendClose(1001, "going");
      await peer.expectCloseAnswer([1001]);
    },
  }),
  websocketCase({
    id: "close.without-code",
    section: "5.5.1",
    title: "answers a close frame of no bytes",
    sends: "a close frame without a code",
    expects: "a close frame",
    run: async (context) => {
      const peer = await context.websocket();
      peer.sendClose();
      await peer.expectCloseAnswer([1005, 1000]);
    },
  }),
  websocketCase({
    id: "close.longest-reason",
    section: "5.5.1",
    title: "takes a reason of 123 bytes",
    sends: "a close frame of 125 bytes",
    expects: "a close frame",
    run: async (context) => {
      const peer = await context.websocket();
      peer.sendClose(1000, "é".repeat(61));
      await peer.expectCloseAnswer();
    },
  }),
  websocketCase({
    id: "close.behind-messages",
    section: "5.5.1",
    title: "takes what comes before a close frame",
    sends: "a message and a close frame",
    expects: "a close frame, with the message back before it or without, and nothing behind",
    run: async (context) => {
      const peer = await context.websocket();
      peer.sendText("last");
      peer.sendClose(1000);
      const frame = await peer.next();
      if (frame === undefined) throw new Failure("a close frame", ENDED);
      if (frame.opcode === CLOSE) await peer.endAndExpectEnd();
      else await peer.expectCloseAnswer();
    },
  }),
  websocketCase({
    id: "close.messages-behind",
    section: "5.5.1",
    title: "takes nothing that comes behind a close frame",
    sends: "a close frame, and a message and a ping behind it",
    expects: "a close frame, and nothing else",
    run: async (context) => {
      const peer = await context.websocket();
      peer.sendClose(1000);
      peer.sendText("late");
      peer.send({ opcode: PING, payload: "late" });
      await peer.expectCloseAnswer();
    },
  }),
  websocketCase({
    id: "close.within-a-message",
    section: "5.4",
    title: "answers a close frame between the frames of a message",
    sends: "the first frame of a message, and a close frame",
    expects: "a close frame",
    run: async (context) => {
      const peer = await context.websocket();
      peer.send({ opcode: TEXT, fin: false, payload: "hel" });
      peer.sendClose(1000);
      await peer.expectCloseAnswer();
    },
  }),
  websocketCase({
    id: "close.tcp-first",
    section: "7.1.1",
    severity: "SHOULD",
    title: "leaves it to the server to end TCP",
    sends: "a close frame, and the end of TCP a while after the answer",
    expects: "a close frame, and the end of TCP not before the server's",
    run: async (context) => {
      const peer = await context.websocket();
      peer.sendClose(1000);
      const frame = await peer.next();
      expect(frame?.opcode === CLOSE, "a close frame", frame ? "another frame" : ENDED);
      await wait(200);
      expect(!peer.tcp.ended, "TCP to be left open for the server to end", ENDED);
      await peer.endAndExpectEnd();
    },
  }),
  websocketCase({
    id: "close.connection-ends",
    section: "7.1.7",
    title: "ends TCP when the server does, without a close frame",
    sends: "the end of TCP",
    expects: "the end of TCP",
    run: async (context) => {
      const peer = await context.websocket();
      await peer.expectAlive();
      peer.tcp.end();
      for (let frame = await peer.next(); frame !== undefined; frame = await peer.next()) {
        expect(frame.opcode === CLOSE, "a close frame or the end", `opcode ${frame.opcode}`);
      }
    },
  }),
  websocketCase({
    id: "close.connection-ends-within-a-frame",
    section: "7.1.7",
    title: "passes on no message that has not come whole",
    sends: "half a frame, and the end of TCP",
    expects: "the end of TCP, and no echo",
    run: async (context) => {
      const peer = await context.websocket();
      const bytes = encodeFrame({ opcode: TEXT, payload: "unfinished", masked: false });
      peer.sendBytes(bytes.subarray(0, 6), "half a text frame");
      peer.tcp.end();
      for (let frame = await peer.next(); frame !== undefined; frame = await peer.next()) {
        expect(frame.opcode === CLOSE, "a close frame or the end", `opcode ${frame.opcode}`);
      }
    },
  }),
];

export const WEBSOCKET_CLIENT_CASES: readonly ClientCase[] = [
  ...HANDSHAKE,
  ...MESSAGES,
  ...FAILURES,
  ...CONTROL,
  ...CLOSING,
];
