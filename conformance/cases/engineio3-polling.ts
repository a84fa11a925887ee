// Engine.IO 3: the handshake, payloads as text, as bytes and as scripts, and refusals.

import { type Case, expect, expectSame } from "../kit/case.ts";
import { quote } from "../kit/conversation.ts";
import {
  decodeTextPayload3,
  encodeBinaryPayload3,
  encodeQuery,
  encodeTextPayload3,
  expectPackets,
  expectRefusal,
  needRevision3,
  type Packet,
  PollingSession,
  pathWith,
  payloadOfScript,
  type Query,
  readOpen,
  WebSocketSession,
  within,
} from "../kit/engineio.ts";
import { shakeHands } from "../kit/websocket.ts";

const SESSION = "Engine.IO v3, Anatomy of an Engine.IO session";
const PAYLOAD = "Engine.IO v3, Payload";
const JSONP = "Engine.IO v3, JSONP";
const URLS = "Engine.IO v3, URLs";

const QUERY = { EIO: "3", transport: "polling" } as const;

/** A client that reads text only. */
const TEXT_ONLY = { revision: 3, query: { b64: "1" } } as const;
/** A client that reads bytes, too. */
const BYTES = { revision: 3 } as const;
const OCTET_STREAM = { "Content-Type": "application/octet-stream" } as const;

const HANDSHAKE: readonly Case[] = [
  {
    id: "engineio3.handshake.text",
    title: "opens a session with a text payload for a client that reads text only",
    clause: PAYLOAD,
    severity: "MUST",
    sends: "a GET with EIO=3 and b64=1",
    expects: "<length>:0{…}, the length in characters",
    run: async (context) => {
      await needRevision3(context);
      const path = pathWith(context.target, { ...QUERY, b64: "1" });
      const { body } = await context.http({ path });
      readOpen(decodeTextPayload3(body)[0]);
    },
  },
  {
    id: "engineio3.handshake.bytes",
    title: "opens a session for a client that reads bytes",
    clause: PAYLOAD,
    severity: "MUST",
    sends: "a GET with EIO=3",
    expects: "a payload of text or of bytes, as its Content-Type says",
    run: async (context) => {
      const session = await PollingSession.open(context, BYTES);
      await session.expectAlive();
    },
  },
  {
    id: "engineio3.handshake.sid",
    title: "names each session with an id of its own",
    clause: SESSION,
    severity: "MUST",
    sends: "twenty handshakes",
    expects: "twenty ids that are strings",
    run: async (context) => {
      const opened = Array.from({ length: 20 }, () => PollingSession.open(context, TEXT_ONLY));
      const ids = new Set((await Promise.all(opened)).map(({ sid }) => sid));
      expect(ids.size === 20, "20 ids", `${ids.size}`);
    },
  },
  {
    id: "engineio3.handshake.upgrades",
    title: "lists the transports that a session over polling can change to",
    clause: SESSION,
    severity: "MUST",
    sends: "a GET with EIO=3",
    expects: 'upgrades ["websocket"]',
    run: async (context) => {
      const { open } = await PollingSession.open(context, TEXT_ONLY);
      expectSame(open.fields.upgrades, ["websocket"], "upgrades");
    },
  },
  ...(["pingInterval", "pingTimeout"] as const).map(
    (name): Case => ({
      id: `engineio3.handshake.${name === "pingInterval" ? "ping-interval" : "ping-timeout"}`,
      title: `tells ${name} in the open packet`,
      clause: SESSION,
      severity: "MUST",
      sends: "a GET with EIO=3",
      expects: `${name}, a number greater than 0`,
      run: async (context) => {
        const { open } = await PollingSession.open(context, TEXT_ONLY);
        expect(Number.isInteger(open[name]) && open[name] > 0, "a number", `${open.fields[name]}`);
      },
    }),
  ),
  {
    id: "engineio3.handshake.websocket",
    title: "opens a session for a WebSocket, with packets as they are",
    clause: "Engine.IO v3, WebSocket",
    severity: "MUST",
    sends: "a WebSocket handshake with EIO=3, and a message",
    expects: "an open packet without a length, with upgrades [], and the message back",
    run: async (context) => {
      const { session, open } = await WebSocketSession.open(context, BYTES);
      expectSame(open.fields.upgrades, [], "upgrades");
      await session.expectAlive();
    },
  },
];

interface Echo {
  readonly name: string;
  readonly what: string;
  readonly packets: readonly Packet[];
  readonly severity?: Case["severity"];
}

// biome-ignore format: aligned table
const TEXTS: readonly Echo[] = [
  { name: "text",        what: "a text",                           packets: ["4hello"] },
  { name: "empty-text",  what: "a text of no characters",          packets: ["4"] },
  { name: "digits",      what: "a text that looks like a payload", packets: ["44:4a1:2"] },
  { name: "several",     what: "three texts in one payload",       packets: ["4one", "4two", "4three"] },
  { name: "two-digits",  what: "texts of 9, 10, 99 and 100 characters", packets: [8, 9, 98, 99].map((length) => `4${"x".repeat(length)}`) },
  { name: "non-ascii",   what: "texts of characters of two and three bytes, counted in characters", packets: ["4é", "4日本", "4end"] },
  { name: "astral",      what: "a text of characters beyond U+FFFF, each counted as two", packets: ["4😀", "4end"], severity: "SHOULD" },
  { name: "line-ends",   what: "a text with line ends and NUL",    packets: ["4\r\n\t\0\x7f"] },
  { name: "separator",   what: "a text with U+001E, which separates nothing here", packets: ["4a\x1e4b"] },
  { name: "base64",      what: "bytes as base64, with b and the type in front", packets: [Uint8Array.of(1, 2, 3)] },
  { name: "base64-padding", what: "bytes whose base64 ends with two, one and no =", packets: [Uint8Array.of(255), Uint8Array.of(254, 253), Uint8Array.of(252, 251, 250)] },
  { name: "base64-mixed", what: "texts and bytes by turns",        packets: ["4one", Uint8Array.of(0, 1), "4two", Uint8Array.of(0xfb, 0xff)] },
];

const TEXT_ECHOES: readonly Case[] = TEXTS.map(({ name, what, packets, severity = "MUST" }) => ({
  id: `engineio3.text.echo-${name}`,
  title: `carries ${what} in text payloads both ways`,
  clause: PAYLOAD,
  severity,
  sends: `b64=1, and by POST ${what}`,
  expects: "the same in text payloads",
  run: async (context) => {
    const session = await PollingSession.open(context, TEXT_ONLY);
    await session.echo(...packets);
  },
}));

// biome-ignore format: aligned table
const BINARIES: readonly Echo[] = [
  { name: "bytes",      what: "four bytes",                  packets: [Uint8Array.of(1, 2, 3, 4)] },
  { name: "empty",      what: "a message of no bytes",       packets: [new Uint8Array(0)] },
  { name: "all",        what: "each byte from 0 to 255",     packets: [Uint8Array.from({ length: 256 }, (_, i) => i)] },
  { name: "two-digits", what: "messages of 9, 10, 98, 99 bytes", packets: [8, 9, 98, 99].map((length) => new Uint8Array(length).fill(255)) },
  { name: "with-text",  what: "a text and bytes by turns",   packets: ["4one", Uint8Array.of(0, 255), "4two", Uint8Array.of(4)] },
  { name: "non-ascii",  what: "a text that is not ASCII between bytes, as UTF-8", packets: [Uint8Array.of(1), "4é日", Uint8Array.of(2)], severity: "INFO" },
];

const BINARY_ECHOES: readonly Case[] = BINARIES.map(
  ({ name, what, packets, severity = "MUST" }) => ({
    id: `engineio3.binary.echo-${name}`,
    title: `carries ${what} in binary payloads both ways`,
    clause: PAYLOAD,
    severity,
    sends: `by POST as application/octet-stream: ${what}`,
    expects: "the same in binary payloads",
    run: async (context) => {
      const session = await PollingSession.open(context, BYTES);
      const { status } = await session.post(encodeBinaryPayload3(packets), OCTET_STREAM);
      expect(status === 200, "status 200", `status ${status}`);
      expectPackets(await session.receive(packets.length), packets);
    },
  }),
);

const REQUESTS: readonly Case[] = [
  {
    id: "engineio3.binary.content-type",
    title: "calls a payload with bytes application/octet-stream",
    clause: PAYLOAD,
    severity: "MUST",
    sends: "bytes, of a client that reads bytes",
    expects: "a payload as application/octet-stream, with 1, the length, 255, 4 and the bytes",
    run: async (context) => {
      const session = await PollingSession.open(context, BYTES);
      const message = Uint8Array.of(9, 8, 7);
      await session.post(encodeBinaryPayload3([message]), OCTET_STREAM);
      const answer = await session.get();
      const type = `${answer.headers["content-type"]}`;
      const fits = type.startsWith("application/octet-stream");
      expect(fits, "application/octet-stream", type);
      expectPackets(session.packetsOf(answer), [message]);
    },
  },
  {
    id: "engineio3.text.no-bytes",
    title: "sends no bytes to a client that reads text only",
    clause: URLS,
    severity: "MUST",
    sends: "b64=1, and bytes as base64",
    expects: "a text payload: 6:b4CQgH",
    run: async (context) => {
      const session = await PollingSession.open(context, TEXT_ONLY);
      await session.send(Uint8Array.of(9, 8, 7));
      const { body } = await session.get();
      expect(body === "6:b4CQgH", "6:b4CQgH", quote(body));
    },
  },
  {
    id: "engineio3.polling.post-ok",
    title: 'answers a POST with 200 and "ok"',
    clause: "Engine.IO v3, Polling",
    severity: "SHOULD",
    sends: "a POST with a message",
    expects: '200 "ok"',
    run: async (context) => {
      const session = await PollingSession.open(context, TEXT_ONLY);
      const { status, body } = await session.post("6:4hello");
      expect(status === 200 && body === "ok", '200 "ok"', `${status} ${quote(body)}`);
    },
  },
  {
    id: "engineio3.polling.get-waits",
    title: "keeps a GET waiting until there is something to say",
    clause: "Engine.IO v3, Polling",
    severity: "MUST",
    sends: "a GET, and 100 ms later a message",
    expects: "no answer to the GET before the message, and then the message",
    run: async (context) => {
      const session = await PollingSession.open(context, TEXT_ONLY);
      const waiting = session.poll();
      const early = await within(100, waiting);
      expect(early === undefined, "a GET that waits", quote(`${early}`));
      await session.send("4hello");
      expectPackets(await waiting, ["4hello"]);
    },
  },
  {
    id: "engineio3.polling.order",
    title: "keeps the order of many messages",
    clause: "Engine.IO v3, Polling",
    severity: "MUST",
    sends: "ten POSTs of ten messages, while a GET always waits",
    expects: "a hundred messages in order",
    run: async (context) => {
      const session = await PollingSession.open(context, BYTES);
      const packets = Array.from({ length: 100 }, (_, i) => `4${i}`);
      const received = session.receive(packets.length);
      for (let at = 0; at < 100; at += 10) await session.send(...packets.slice(at, at + 10));
      expectPackets(await received, packets);
    },
  },
  {
    id: "engineio3.polling.overlapping-gets",
    title: "ends the session for a GET while another one waits",
    clause: "Engine.IO v3, Polling",
    severity: "SHOULD",
    sends: "two GETs at a time, and another one",
    expects: "400 for the last",
    run: async (context) => {
      const session = await PollingSession.open(context, TEXT_ONLY);
      await Promise.allSettled([session.get(), session.get()]);
      await session.expectClosed();
    },
  },
  {
    id: "engineio3.close.polling",
    title: "ends the session for a close packet",
    clause: "Engine.IO v3, Packet",
    severity: "MUST",
    sends: "a POST with a close packet, and a GET",
    expects: "400",
    run: async (context) => {
      const session = await PollingSession.open(context, TEXT_ONLY);
      await session.send("1");
      expectRefusal(await session.get());
    },
  },
];

interface Malformed {
  readonly name: string;
  readonly what: string;
  readonly body: string | Uint8Array;
  readonly severity?: Case["severity"];
}

// biome-ignore format: aligned table
const MALFORMED: readonly Malformed[] = [
  { name: "length-missing",   what: "a packet without a length",               body: "4hello" },
  { name: "length-too-large", what: "a length beyond the end of the payload",  body: "7:4hello" },
  { name: "length-too-small", what: "a length within the packet",              body: "3:4hello" },
  { name: "length-no-number", what: "a length that is no number",              body: "x:4hello" },
  { name: "empty-payload",    what: "a payload of nothing",                    body: "" },
  { name: "unknown-type",     what: "a packet of a type that there is not",    body: "4:7abc" },
  { name: "malformed-base64", what: "bytes that are not base64",               body: "6:b4!!!?" },
  { name: "binary-kind",      what: "a binary payload that begins with neither 0 nor 1", body: Uint8Array.of(2, 2, 255, 0x34, 0x61) },
  { name: "binary-no-end",    what: "a binary payload whose length has no end", body: Uint8Array.of(0, 2, 0x34, 0x61) },
  { name: "binary-length",    what: "a binary payload whose length goes beyond its end", body: Uint8Array.of(0, 9, 255, 0x34, 0x61) },
];

const BREACHES: readonly Case[] = MALFORMED.map(({ name, what, body, severity = "SHOULD" }) => ({
  id: `engineio3.payload.${name}`,
  title: `ends the session for ${what}`,
  clause: PAYLOAD,
  severity,
  sends: `a POST with ${what}`,
  expects: "the session's end",
  run: async (context) => {
    const isText = typeof body === "string";
    const session = await PollingSession.open(context, isText ? TEXT_ONLY : BYTES);
    await within(1000, Promise.allSettled([session.post(body, isText ? {} : OCTET_STREAM)]));
    await session.expectClosed();
  },
}));

/** A client that loads scripts. */
function script(j: string): { readonly revision: 3; readonly query: Query } {
  return { revision: 3, query: { j, b64: "1" } };
}

const FORM = { "Content-Type": "application/x-www-form-urlencoded" } as const;

/** As a browser sends the field "d" of a form, with line feeds escaped as clients do it. */
function formOf(payload: string): string {
  const escaped = payload.replace(/\\n/g, "\\\\n").replace(/\n/g, "\\n");
  return `${new URLSearchParams({ d: escaped })}`;
}

const SCRIPTS: readonly Case[] = [
  {
    id: "engineio3.jsonp.handshake",
    title: "answers with a script that calls the page's function",
    clause: JSONP,
    severity: "MUST",
    sends: "a GET with j=4",
    expects: '___eio[4]("<payload>");',
    run: async (context) => {
      await needRevision3(context);
      const path = pathWith(context.target, { ...QUERY, b64: "1", j: "4" });
      const { body } = await context.http({ path });
      readOpen(decodeTextPayload3(payloadOfScript(body, "4"))[0]);
    },
  },
  {
    id: "engineio3.jsonp.echo",
    title: "takes a form and answers with a script",
    clause: JSONP,
    severity: "MUST",
    sends: "a POST with d=, and a GET",
    expects: 'the message in ___eio[0]("…");',
    run: async (context) => {
      const session = await PollingSession.open(context, script("0"));
      const { status, body } = await session.post(formOf("6:4hello"), FORM);
      expect(status === 200 && body === "ok", '200 "ok"', `${status} ${quote(body)}`);
      expectPackets(await session.receive(1), ["4hello"]);
    },
  },
  {
    id: "engineio3.jsonp.escaped",
    title: "escapes what would end the string or the line",
    clause: JSONP,
    severity: "MUST",
    sends: "a message with quotes, backslashes and line ends",
    expects: "a script of one line, and the message in it",
    run: async (context) => {
      const session = await PollingSession.open(context, script("0"));
      const message = '4"quoted" \\ and \r\n new </script>';
      await session.post(formOf(encodeTextPayload3([message])), FORM);
      const { body } = await session.get();
      expect(!/[\r\n]/.test(body.trimEnd()), "a script of one line", quote(body));
      expectPackets(decodeTextPayload3(payloadOfScript(body, "0")), [message]);
    },
  },
  {
    id: "engineio3.jsonp.line-separators",
    title: "escapes U+2028 and U+2029, which end a line of a script",
    clause: JSONP,
    severity: "MUST",
    sends: "a message with U+2028 and U+2029",
    expects: "\\u2028 and \\u2029 in the script",
    run: async (context) => {
      const session = await PollingSession.open(context, script("0"));
      const message = "4a\u2028b\u2029c";
      await session.post(formOf(encodeTextPayload3([message])), FORM);
      const { body } = await session.get();
      expect(!/[\u2028\u2029]/.test(body), "them escaped", quote(body));
      expectPackets(decodeTextPayload3(payloadOfScript(body, "0")), [message]);
    },
  },
  {
    id: "engineio3.jsonp.line-feeds",
    title: "reads \\n in a form as a line feed",
    clause: "Engine.IO v3, Posting data",
    severity: "MUST",
    sends: "a form with 5:4a\\nb and 6:4a\\\\nb",
    expects: "a line feed in the first message, a backslash and n in the second",
    run: async (context) => {
      const session = await PollingSession.open(context, script("0"));
      const messages = ["4a\nb", "4a\\nb"];
      await session.post(formOf(encodeTextPayload3(messages)), FORM);
      expectPackets(await session.receive(2), messages);
    },
  },
  {
    id: "engineio3.jsonp.plus-and-percent",
    title: "reads a form as forms are written",
    clause: "Engine.IO v3, Posting data",
    severity: "MUST",
    sends: "a form with blanks, +, %, & and =",
    expects: "the same message",
    run: async (context) => {
      const session = await PollingSession.open(context, script("0"));
      const messages = ["4a b+c%20d&e=f;g"];
      await session.post(formOf(encodeTextPayload3(messages)), FORM);
      expectPackets(await session.receive(1), messages);
    },
  },
  {
    id: "engineio3.jsonp.index",
    title: "lets nothing but a number into the script from j",
    clause: JSONP,
    severity: "MUST",
    sends: "a GET with j=7];alert(1);x[",
    expects: "an error, or a script without alert",
    run: async (context) => {
      await needRevision3(context);
      const path = pathWith(context.target, { ...QUERY, b64: "1", j: "7];alert(1);x[" });
      const { status, body } = await context.http({ path });
      const harmless = status >= 400 || !body.includes("alert");
      expect(harmless, "no alert", quote(body));
    },
  },
];

interface Refused {
  readonly name: string;
  readonly title: string;
  readonly severity: Case["severity"];
  readonly method?: string;
  readonly query: Query;
  readonly code: number;
}

// biome-ignore format: aligned table
const REFUSED: readonly Refused[] = [
  { name: "transport-unknown", title: "a transport that there is not", severity: "MUST",   query: { EIO: "3", transport: "pigeon" }, code: 0 },
  { name: "sid-unknown",       title: "a session that there is not",   severity: "MUST",   query: { ...QUERY, sid: "AAAAAAAAAAAAAAAAAAAA" }, code: 1 },
  { name: "method",            title: "a handshake with POST",         severity: "SHOULD", method: "POST", query: QUERY, code: 2 },
  { name: "websocket",         title: "transport=websocket in a request that is no WebSocket handshake", severity: "MUST", query: { EIO: "3", transport: "websocket" }, code: 3 },
];

const REFUSALS: readonly Case[] = REFUSED.map(({ name, title, severity, method, query, code }) => ({
  id: `engineio3.refusal.${name}`,
  title: `refuses ${title}`,
  clause: URLS,
  severity,
  sends: `${method ?? "GET"} with ${encodeQuery(query)}`,
  expects: `400 with code ${code}`,
  run: async (context) => {
    await needRevision3(context);
    const path = pathWith(context.target, query);
    expectRefusal(await context.http(method === undefined ? { path } : { method, path }), code);
  },
}));

const MORE_REFUSALS: readonly Case[] = [
  {
    id: "engineio3.refusal.websocket-sid-unknown",
    title: "refuses a WebSocket for a session that there is not",
    clause: URLS,
    severity: "MUST",
    sends: "a WebSocket handshake with EIO=3 and an unknown id",
    expects: "an HTTP error instead of 101",
    run: async (context) => {
      await needRevision3(context);
      const query = { EIO: "3", transport: "websocket", sid: "AAAAAAAAAAAAAAAAAAAA" };
      const path = pathWith(context.target, query);
      const tcp = await context.tcp();
      const { status } = await shakeHands(tcp, context.target, context.conversation, { path });
      expect(status >= 400, "status 400", `status ${status}`);
    },
  },
  {
    id: "engineio3.refusal.another-revision",
    title: "refuses a request of a session with another revision",
    clause: URLS,
    severity: "SHOULD",
    sends: "a POST with the id of a session and EIO=4",
    expects: "400, and the session goes on",
    run: async (context) => {
      const session = await PollingSession.open(context, TEXT_ONLY);
      const path = session.path({ EIO: "4" });
      expectRefusal(await context.http({ method: "POST", path, body: "4astray" }));
      await session.expectAlive();
    },
  },
];

export const POLLING3: readonly Case[] = [
  ...HANDSHAKE,
  ...REQUESTS,
  ...TEXT_ECHOES,
  ...BINARY_ECHOES,
  ...BREACHES,
  ...SCRIPTS,
  ...REFUSALS,
  ...MORE_REFUSALS,
];
