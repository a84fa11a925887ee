// Engine.IO 4: long-polling, its payloads, its limits, and its end.

import { type Case, expect, Failure } from "../kit/case.ts";
import { wait } from "../kit/context.ts";
import { quote } from "../kit/conversation.ts";
import {
  decodePayload4,
  expectPackets,
  expectRefusal,
  isMessage,
  maxPayloadOf,
  type Packet,
  PollingSession,
  SEPARATOR,
  within,
} from "../kit/engineio.ts";
import { RawRequests } from "../kit/raw-http.ts";

const POLLING = "Engine.IO v4, HTTP long-polling";
const ENCODING = "Engine.IO v4, Packet encoding, HTTP long-polling";
const DATA = "Engine.IO v4, Sending and receiving data";

/** Long enough for a server that would answer at once. */
const SILENCE = 100;

interface Echo {
  readonly name: string;
  readonly what: string;
  readonly packets: readonly Packet[];
}

// biome-ignore format: aligned table
const PAYLOADS: readonly Echo[] = [
  { name: "text",             what: "a text",                                    packets: ["4hello"] },
  { name: "empty-text",       what: "a text of no characters",                   packets: ["4"] },
  { name: "non-ascii",        what: "a text of characters of two, three and four bytes", packets: ["4é日本😀ÿ\u{10ffff}"] },
  { name: "control-characters", what: "a text with line ends, quotes and NUL",   packets: ['4\r\n\t"\\\0\x1f\x7f'] },
  { name: "looks-binary",     what: "a text that looks like base64 of bytes",    packets: ["4bAQID"] },
  { name: "looks-like-packet", what: "a text that looks like packets of other types", packets: ["41", "42probe", "46"] },
  { name: "line-separators",  what: "a text with U+2028, U+2029 and U+FEFF",     packets: ["4\u2028\u2029\ufeff"] },
  { name: "several",          what: "three texts in one payload",                packets: ["4one", "4two", "4three"] },
  { name: "many",             what: "a hundred texts in one payload",            packets: Array.from({ length: 100 }, (_, i) => `4number ${i}`) },
  { name: "binary",           what: "four bytes",                                packets: [Uint8Array.of(1, 2, 3, 4)] },
  { name: "binary-padding",   what: "bytes whose base64 ends with two, one and no =", packets: [Uint8Array.of(255), Uint8Array.of(254, 253), Uint8Array.of(252, 251, 250)] },
  { name: "binary-all",       what: "each byte from 0 to 255",                   packets: [Uint8Array.from({ length: 256 }, (_, i) => i)] },
  { name: "binary-empty",     what: "a message of no bytes",                     packets: [new Uint8Array(0)] },
  { name: "mixed",            what: "texts and bytes by turns",                  packets: ["4one", Uint8Array.of(0x1e, 0x34), "4two", Uint8Array.of(0xfb, 0xff), "4three"] },
];

const ECHOES: readonly Case[] = PAYLOADS.map(({ name, what, packets }) => ({
  id: `engineio4.polling.echo-${name}`,
  title: `carries ${what} both ways`,
  clause: ENCODING,
  severity: "MUST",
  sends: `${what}, by POST`,
  expects: "the same, in the same order, by GET",
  run: async (context) => {
    const session = await PollingSession.open(context);
    await session.echo(...packets);
  },
}));

const REQUESTS: readonly Case[] = [
  {
    id: "engineio4.polling.post-ok",
    title: 'answers a POST with 200 and "ok"',
    clause: DATA,
    severity: "MUST",
    sends: "a POST with a message",
    expects: '200 "ok"',
    run: async (context) => {
      const session = await PollingSession.open(context);
      const { status, body } = await session.post("4hello");
      expect(status === 200 && body === "ok", '200 "ok"', `${status} ${quote(body)}`);
    },
  },
  {
    id: "engineio4.polling.get-waits",
    title: "keeps a GET waiting until there is something to say",
    clause: DATA,
    severity: "MUST",
    sends: `a GET, and ${SILENCE} ms later a message`,
    expects: "no answer to the GET before the message, and then the message",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const waiting = session.poll();
      const early = await within(SILENCE, waiting);
      expect(early === undefined, "a GET that waits", quote(`${early}`));
      await session.send("4hello");
      expectPackets(await waiting, ["4hello"]);
    },
  },
  {
    id: "engineio4.polling.packets-wait",
    title: "keeps packets for the next GET",
    clause: DATA,
    severity: "MUST",
    sends: "three POSTs, and then a GET",
    expects: "the three messages in order",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const packets = ["4one", "4two", "4three"];
      for (const packet of packets) await session.send(packet);
      expectPackets(await session.receive(3), packets);
    },
  },
  {
    id: "engineio4.polling.packets-in-one-answer",
    title: "sends what has waited in one payload, with U+001E between the packets",
    clause: ENCODING,
    severity: "SHOULD",
    sends: "three messages, and then a GET",
    expects: "one answer with the three",
    run: async (context) => {
      const session = await PollingSession.open(context);
      await session.send("4one", "4two", "4three");
      const { body } = await session.get();
      const texts = body.split(SEPARATOR).filter((text) => text.startsWith("4"));
      expectPackets(texts, ["4one", "4two", "4three"]);
      // A ping may stand between or behind them.
      decodePayload4(body);
    },
  },
  {
    id: "engineio4.polling.order",
    title: "keeps the order of many messages",
    clause: DATA,
    severity: "MUST",
    sends: "ten POSTs of ten messages, while a GET always waits",
    expects: "a hundred messages in order",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const packets = Array.from({ length: 100 }, (_, i) => `4${i}`);
      const received = session.receive(packets.length);
      for (let at = 0; at < 100; at += 10) await session.send(...packets.slice(at, at + 10));
      expectPackets(await received, packets);
    },
  },
  {
    id: "engineio4.polling.one-connection",
    title: "takes the requests of a session over one connection, one after the other",
    clause: POLLING,
    severity: "MUST",
    sends: "three POSTs and a GET on one TCP connection",
    expects: "200 three times, and the three messages",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const requests = await RawRequests.open(context);
      for (const text of ["4a", "4b", "4c"]) {
        requests.head(`POST ${session.path()}`, "Content-Length: 2");
        requests.piece(text);
        const { status } = await requests.answer();
        expect(status === 200, "status 200", `status ${status}`);
      }
      expectPackets(await session.receive(3), ["4a", "4b", "4c"]);
    },
  },
  {
    id: "engineio4.polling.body-in-pieces",
    title: "puts the body of a POST together that comes in pieces",
    clause: POLLING,
    severity: "MUST",
    sends: "a POST whose body comes byte by byte, cut within characters too",
    expects: "ok, and the message",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const body = Buffer.from("4é日😀");
      const requests = await RawRequests.open(context);
      requests.head(`POST ${session.path()}`, `Content-Length: ${body.length}`);
      for (const byte of body) {
        requests.piece(Uint8Array.of(byte));
        await wait(2);
      }
      const { status } = await requests.answer();
      expect(status === 200, "status 200", `status ${status}`);
      expectPackets(await session.receive(1), ["4é日😀"]);
    },
  },
  {
    id: "engineio4.polling.chunked",
    title: "takes a POST with chunked transfer coding, however slow",
    clause: "RFC 9112 §7.1",
    severity: "MUST",
    sends: "a POST in four chunks, 20 ms apart",
    expects: "ok, and the messages",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const requests = await RawRequests.open(context);
      requests.head(`POST ${session.path()}`, "Transfer-Encoding: chunked");
      for (const chunk of ["4on", `e${SEPARATOR}`, "4tw", "o"]) {
        requests.chunk(chunk);
        await wait(20);
      }
      requests.chunk("");
      const { status } = await requests.answer();
      expect(status === 200, "status 200", `status ${status}`);
      expectPackets(await session.receive(2), ["4one", "4two"]);
    },
  },
  {
    id: "engineio4.polling.octet-stream",
    title: "answers a POST that calls itself application/octet-stream",
    clause: "Engine.IO v4, Headers",
    severity: "INFO",
    sends: "a POST with Content-Type: application/octet-stream",
    expects: "an answer of any kind",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const type = { "Content-Type": "application/octet-stream" };
      const answer = await within(1000, session.post("bAQIDBA==", type));
      expect(answer !== undefined, "an answer", "none within 1000 ms");
    },
  },
];

const OVERLAPS: readonly Case[] = [
  {
    id: "engineio4.polling.overlapping-gets-refused",
    title: "refuses a GET while another one waits",
    clause: DATA,
    severity: "MUST",
    sends: "two GETs at a time",
    expects: "400 for one of them",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const both = [session.get(), session.get()];
      const statuses = await Promise.all(both.map(async (each) => (await each).status));
      expect(statuses.includes(400), "a status 400", statuses.join(" and "));
    },
  },
  {
    id: "engineio4.polling.overlapping-gets-close",
    title: "ends the session for a GET while another one waits",
    clause: DATA,
    severity: "MUST",
    sends: "two GETs at a time, and another one",
    expects: "400 for the last",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const both = [session.get(), session.get()];
      await Promise.allSettled(both);
      for (const each of both) {
        const { status, body } = await each.catch(() => ({ status: 0, body: "" }));
        expect(status !== 200 || body !== "2", "a session that has ended", "a ping");
      }
      await session.expectClosed();
    },
  },
  {
    id: "engineio4.polling.overlapping-posts-refused",
    title: "refuses a POST while another one is under way",
    clause: DATA,
    severity: "MUST",
    sends: "half a POST, and meanwhile another one",
    expects: "400 for the other one",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const requests = await RawRequests.open(context);
      requests.head(`POST ${session.path()}`, "Content-Length: 6");
      requests.piece("4ha");
      // So that the server has begun to read it.
      await wait(SILENCE / 2);
      expectRefusal(await session.post("4other"));
    },
  },
  {
    id: "engineio4.polling.overlapping-posts-close",
    title: "ends the session for a POST while another one is under way",
    clause: DATA,
    severity: "MUST",
    sends: "half a POST, meanwhile another one, and then a GET",
    expects: "400 for the GET",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const requests = await RawRequests.open(context);
      requests.head(`POST ${session.path()}`, "Content-Length: 6");
      requests.piece("4ha");
      await wait(SILENCE / 2);
      await session.post("4other");
      await session.expectClosed();
    },
  },
];

interface Malformed {
  readonly name: string;
  readonly what: string;
  readonly severity: Case["severity"];
  readonly body: string | Uint8Array;
}

// The document does not say what is done about them; its test suite has the session end.
// biome-ignore format: aligned table
const MALFORMED: readonly Malformed[] = [
  { name: "unknown-type",     what: "a packet of a type that there is not", severity: "SHOULD", body: "7abc" },
  { name: "unknown-letter",   what: "a packet whose type is a letter",      severity: "SHOULD", body: "abc" },
  { name: "unknown-behind",   what: "a packet of an unknown type behind a message", severity: "SHOULD", body: `4a${SEPARATOR}9` },
  { name: "empty-payload",    what: "a payload of nothing",                 severity: "SHOULD", body: "" },
  { name: "empty-packet",     what: "a packet without a type",              severity: "SHOULD", body: `4a${SEPARATOR}${SEPARATOR}4b` },
  { name: "malformed-base64", what: "bytes that are not base64",            severity: "SHOULD", body: "b!!!?" },
  { name: "base64-length",    what: "base64 of one letter",                 severity: "INFO",   body: "bA" },
  { name: "not-utf8",         what: "a payload that is not UTF-8",          severity: "SHOULD", body: Buffer.of(0x34, 0x80, 0xc3, 0x28) },
];

const BREACHES: readonly Case[] = MALFORMED.map(({ name, what, severity, body }) => ({
  id: `engineio4.polling.${name}`,
  title: `ends the session for ${what}`,
  clause: ENCODING,
  severity,
  sends: `a POST with ${what}`,
  expects: "the session's end",
  run: async (context) => {
    const session = await PollingSession.open(context);
    await within(1000, Promise.allSettled([session.post(body)]));
    await session.expectClosed();
  },
}));

const LIMITS: readonly Case[] = [
  {
    id: "engineio4.limits.body-of-max-payload",
    title: "takes a body of maxPayload bytes",
    clause: "Engine.IO v4, Handshake",
    severity: "MUST",
    sends: "a POST of maxPayload bytes",
    expects: "ok, and the message",
    run: async (context) => {
      const session = await PollingSession.open(context);
      await session.echo(`4${"x".repeat(maxPayloadOf(session.open) - 1)}`);
    },
  },
  {
    id: "engineio4.limits.content-length",
    title: "refuses a body that says that it is larger than maxPayload",
    clause: "Engine.IO v4, Handshake",
    severity: "SHOULD",
    sends: "the head of a POST of maxPayload + 1 bytes, and its body",
    expects: "413",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const size = maxPayloadOf(session.open) + 1;
      const requests = await RawRequests.open(context);
      requests.head(`POST ${session.path()}`, `Content-Length: ${size}`);
      requests.piece(`4${"x".repeat(size - 1)}`);
      const { status } = await requests.answer();
      expect(status === 413, "status 413", `status ${status}`);
    },
  },
  {
    id: "engineio4.limits.chunked",
    title: "refuses a body of chunks that grows larger than maxPayload",
    clause: "Engine.IO v4, Handshake",
    severity: "SHOULD",
    sends: "a POST of chunks, maxPayload + 1 bytes, and no end",
    expects: "413",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const requests = await RawRequests.open(context);
      requests.head(`POST ${session.path()}`, "Transfer-Encoding: chunked");
      requests.chunk("4");
      requests.chunk("x".repeat(maxPayloadOf(session.open)));
      const answer = await within(1000, requests.answer());
      if (answer === undefined) throw new Failure("status 413", "no answer within 1000 ms");
      expect(answer.status === 413, "status 413", `status ${answer.status}`);
    },
  },
  {
    id: "engineio4.limits.not-delivered",
    title: "delivers nothing of a body that is too large",
    clause: "Engine.IO v4, Handshake",
    severity: "SHOULD",
    sends: "a POST of more than maxPayload bytes, which begins with a message, and a handshake",
    expects: "no such message, and a server that goes on",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const large = `4first${SEPARATOR}4${"x".repeat(maxPayloadOf(session.open))}`;
      await within(1000, Promise.allSettled([session.post(large)]));
      const answer = await within(SILENCE, session.get());
      const packets = answer?.status === 200 ? session.packetsOf(answer) : [];
      expectPackets(packets.filter(isMessage), []);
      const other = await PollingSession.open(context);
      await other.expectAlive();
    },
  },
  {
    id: "engineio4.limits.session-goes-on",
    title: "goes on with a session whose POST was too large",
    clause: "Engine.IO v4, Handshake",
    severity: "INFO",
    sends: "a POST of more than maxPayload bytes, and then a small one",
    expects: "the small message back",
    run: async (context) => {
      const session = await PollingSession.open(context);
      await within(
        1000,
        Promise.allSettled([session.post(`4${"x".repeat(maxPayloadOf(session.open))}`)]),
      );
      await session.expectAlive();
    },
  },
];

const IDENTIFIER = "Engine.IO v4, Session identifier";

const SESSIONS: readonly Case[] = [
  {
    id: "engineio4.sessions.messages-apart",
    title: "gives each session its own messages",
    clause: IDENTIFIER,
    severity: "MUST",
    sends: "messages by two sessions, by turns",
    expects: "to each its own, in order",
    run: async (context) => {
      const one = await PollingSession.open(context);
      const other = await PollingSession.open(context);
      await one.send("4one 1");
      await other.send("4other 1");
      await one.send("4one 2");
      await other.send("4other 2");
      expectPackets(await other.receive(2), ["4other 1", "4other 2"]);
      expectPackets(await one.receive(2), ["4one 1", "4one 2"]);
    },
  },
  {
    id: "engineio4.sessions.gets-apart",
    title: "has the GETs of two sessions wait side by side",
    clause: IDENTIFIER,
    severity: "MUST",
    sends: "a GET of each of two sessions, and a message of one",
    expects: "an answer to that one's GET only",
    run: async (context) => {
      const one = await PollingSession.open(context);
      const other = await PollingSession.open(context);
      const waiting = [one.poll(), other.poll()] as const;
      await one.send("4one");
      expectPackets(await waiting[0], ["4one"]);
      const early = await within(SILENCE, waiting[1]);
      expect(early === undefined, "a GET that waits", quote(`${early}`));
      await other.send("4other");
      expectPackets(await waiting[1], ["4other"]);
    },
  },
  {
    id: "engineio4.sessions.end-apart",
    title: "goes on with the others when a session ends",
    clause: IDENTIFIER,
    severity: "MUST",
    sends: "a close packet by one of two sessions",
    expects: "the end of that one; the other goes on",
    run: async (context) => {
      const one = await PollingSession.open(context);
      const other = await PollingSession.open(context);
      await one.send("1");
      await one.expectClosed();
      await other.expectAlive();
    },
  },
];

const CLOSE = "Engine.IO v4, Packet encoding";

const ENDS: readonly Case[] = [
  {
    id: "engineio4.close.polling",
    title: "ends the session for a close packet",
    clause: CLOSE,
    severity: "MUST",
    sends: "a POST with a close packet, and a GET",
    expects: "ok, and 400",
    run: async (context) => {
      const session = await PollingSession.open(context);
      await session.send("1");
      expectRefusal(await session.get());
    },
  },
  {
    id: "engineio4.close.polling-post",
    title: "takes no POST of a session that has ended",
    clause: CLOSE,
    severity: "MUST",
    sends: "a POST with a close packet, and another one",
    expects: "ok, and 400",
    run: async (context) => {
      const session = await PollingSession.open(context);
      await session.send("1");
      expectRefusal(await session.post("4late"));
    },
  },
  {
    id: "engineio4.close.polling-code",
    title: "does not know the id of a session that has ended",
    clause: "Engine.IO v4, Handshake",
    severity: "SHOULD",
    sends: "a POST with a close packet, and a GET",
    expects: "code 1",
    run: async (context) => {
      const session = await PollingSession.open(context);
      await session.send("1");
      expectRefusal(await session.get(), 1);
    },
  },
  {
    id: "engineio4.close.waiting-get",
    title: "answers the GET that waits when the session ends",
    clause: CLOSE,
    severity: "SHOULD",
    sends: "a GET, and meanwhile a POST with a close packet",
    expects: "an answer to the GET",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const waiting = session.get();
      await wait(SILENCE / 4);
      await session.send("1");
      const answer = await within(1000, waiting);
      expect(answer !== undefined, "an answer", "none within 1000 ms");
    },
  },
  {
    id: "engineio4.close.messages-before",
    title: "takes the messages in front of a close packet, and none behind it",
    clause: CLOSE,
    severity: "SHOULD",
    sends: "a GET, and a payload of a message, a close packet and a message",
    expects: "the second message in no answer, and the session's end",
    run: async (context) => {
      const session = await PollingSession.open(context);
      const waiting = session.get();
      await wait(SILENCE / 4);
      await session.send("4before", "1", "4behind");
      const answer = await within(1000, waiting);
      const packets = answer?.status === 200 ? session.packetsOf(answer) : [];
      expect(!packets.includes("4behind"), "no message behind the end", `${packets}`);
      await session.expectClosed();
    },
  },
  {
    id: "engineio4.close.get-aborted",
    title: "ends the session of a client that breaks off its GET",
    clause: POLLING,
    severity: "INFO",
    sends: "a GET that is broken off, and another one",
    expects: "400",
    run: async (context) => {
      const session = await PollingSession.open(context);
      let abort = (): void => {};
      const waiting = session.get((given) => {
        abort = given;
      });
      await wait(SILENCE / 2);
      abort();
      await Promise.allSettled([waiting]);
      await wait(SILENCE / 2);
      await session.expectClosed();
    },
  },
];

export const POLLING4: readonly Case[] = [
  ...REQUESTS,
  ...ECHOES,
  ...OVERLAPS,
  ...BREACHES,
  ...LIMITS,
  ...SESSIONS,
  ...ENDS,
];
