// RFC 6455 §4.2: the opening handshake, as a server reads and answers it.

import { needBehaviour } from "../kit/behaviour.ts";
import { type Case, expect } from "../kit/case.ts";
import type { Context } from "../kit/context.ts";
import { describeStatus } from "../kit/http.ts";
import { addressOf } from "../kit/target.ts";
import {
  acceptFor,
  encodeFrame,
  encodeRequest,
  type HandshakeAnswer,
  readHandshakeAnswer,
  requestUpgrade,
  TEXT,
  WebSocketPeer,
  writeInPieces,
} from "../kit/websocket.ts";
import {
  ACCEPT,
  EXTENSION_GRAMMAR,
  EXTENSION_NOT_REQUESTED,
  NO_MATCH,
  SUBPROTOCOL,
  VALID_RESPONSE,
  VERSION,
} from "./websocket-sentences.ts";

/** The key of RFC 6455 §1.3, where any will do. */
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

interface Request {
  readonly method?: string;
  readonly version?: string;
  /** Behind the target's path. */
  readonly query?: string;
  /** Other values for the fields of the handshake; `undefined` leaves one out. */
  readonly change?: Readonly<Record<string, string | undefined>>;
  /** Further lines. */
  readonly more?: readonly string[];
  /** Changes the names of all fields. */
  readonly rename?: (name: string) => string;
  /** Bytes that are sent in one piece with the request. */
  readonly behind?: Uint8Array;
  /** Bytes in a TCP segment. */
  readonly piece?: number;
}

interface Asked {
  readonly answer: HandshakeAnswer;
  readonly peer: WebSocketPeer;
}

async function ask(context: Context, request: Request): Promise<Asked> {
  const { websocketPath } = context.target;
  const { method = "GET", version = "HTTP/1.1", query = "", change = {}, more = [] } = request;
  const { rename = (name) => name, behind, piece } = request;
  const fields: Record<string, string | undefined> = {
    Host: addressOf(context.target),
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    ...change,
  };
  const lines = [`${method} ${websocketPath}${query} ${version}`];
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) lines.push(`${rename(name)}: ${value}`);
  }
  lines.push(...more);
  const tcp = await context.tcp();
  const { conversation } = context;
  const key = fields["Sec-WebSocket-Key"] ?? "";
  let answer: HandshakeAnswer;
  if (piece === undefined) {
    answer = await requestUpgrade(tcp, conversation, lines, key, behind);
  } else {
    const bytes = encodeRequest(lines);
    conversation.sent(bytes, `${lines.join(" ⏎ ")}, in pieces of ${piece} bytes`);
    await writeInPieces(tcp, bytes, piece);
    answer = await readHandshakeAnswer(tcp, conversation, key);
  }
  return { answer, peer: new WebSocketPeer(tcp, answer, context.target, conversation) };
}

/** The handshake must be accepted as §4.2.2 has it. */
function mustAccept({ status, line, headers, key }: HandshakeAnswer): void {
  expect(status === 101, "status 101", describeStatus(line));
  const accept = headers.get("sec-websocket-accept");
  const wanted = acceptFor(key);
  expect(accept === wanted, `Sec-WebSocket-Accept: ${wanted}`, `${accept}`);
  const upgrade = headers.get("upgrade") ?? "none";
  expect(upgrade.toLowerCase() === "websocket", "Upgrade: websocket", upgrade);
  const connection = headers.get("connection") ?? "none";
  const tokens = connection.toLowerCase().split(",");
  const right = tokens.some((token) => token.trim() === "upgrade");
  expect(right, "Connection: Upgrade", connection);
}

/** The WebSocket is open: a message comes back, or a pong where the echo is missing or may be compressed. */
async function mustEcho(peer: WebSocketPeer): Promise<void> {
  const compressed = peer.header("sec-websocket-extensions") !== "";
  if (compressed || peer.lacks("websocket-echo")) return peer.expectAlive();
  peer.sendText("through the door");
  await peer.expectMessage("through the door");
}

interface Accepted {
  readonly name: string;
  readonly what: string;
  readonly request: Request;
  readonly severity?: Case["severity"];
  /** Default "RFC 6455 §4.2.1". */
  readonly clause?: string;
}

// RFC 2616 §2.1, by which RFC 6455 §4.3 and §9.1 write their lists: "null elements are allowed, but do not
// contribute to the count of elements present". RFC 9110 §5.6.1.2 has it as a MUST of the recipient.
const EMPTY_ELEMENTS: readonly Accepted[] = [
  {
    name: "extensions-empty-last",
    field: "Sec-WebSocket-Extensions",
    value: "permessage-deflate,",
  },
  {
    name: "extensions-empty-first",
    field: "Sec-WebSocket-Extensions",
    value: ",permessage-deflate",
  },
  {
    name: "extensions-empty-between",
    field: "Sec-WebSocket-Extensions",
    value: "x-unknown, , permessage-deflate",
  },
  { name: "protocol-empty-last", field: "Sec-WebSocket-Protocol", value: "echo," },
  { name: "protocol-empty-first", field: "Sec-WebSocket-Protocol", value: ", echo" },
  { name: "protocol-empty-between", field: "Sec-WebSocket-Protocol", value: "unknown,,echo" },
].map(({ name, field, value }) => ({
  name,
  what: `with "${field}: ${value}", a list with an empty element`,
  request: { more: [`${field}: ${value}`] },
  clause: "RFC 9110 §5.6.1.2",
}));

const ACCEPTED: readonly Case[] = [
  ...EMPTY_ELEMENTS,
  { name: "plain", what: "with what §4.2.1 asks for and nothing else", request: {} },
  {
    name: "names-lower-case",
    what: "whose field names are in lower case",
    request: { rename: (name: string) => name.toLowerCase() },
  },
  {
    name: "names-upper-case",
    what: "whose field names are in upper case",
    request: { rename: (name: string) => name.toUpperCase() },
  },
  {
    name: "upgrade-mixed-case",
    what: 'with "Upgrade: WebSocket"',
    request: { change: { Upgrade: "WebSocket" } },
  },
  {
    name: "upgrade-upper-case",
    what: 'with "Upgrade: WEBSOCKET"',
    request: { change: { Upgrade: "WEBSOCKET" } },
  },
  {
    name: "connection-lower-case",
    what: 'with "Connection: upgrade"',
    request: { change: { Connection: "upgrade" } },
  },
  {
    name: "connection-keep-alive-first",
    what: 'with "Connection: keep-alive, Upgrade"',
    request: { change: { Connection: "keep-alive, Upgrade" } },
  },
  {
    name: "connection-keep-alive-last",
    what: 'with "Connection: Upgrade, keep-alive"',
    request: { change: { Connection: "Upgrade, keep-alive" } },
  },
  {
    name: "connection-without-space",
    what: 'with "Connection: keep-alive,Upgrade"',
    request: { change: { Connection: "keep-alive,Upgrade" } },
  },
  {
    name: "connection-with-spaces",
    what: "whose Connection has spaces and tabs around its tokens",
    request: { change: { Connection: " keep-alive \t,\t Upgrade " } },
  },
  {
    name: "connection-in-two-lines",
    what: "with two Connection fields",
    request: { change: { Connection: "keep-alive" }, more: ["Connection: Upgrade"] },
  },
  {
    name: "value-with-spaces",
    what: "whose key and version have spaces around them",
    request: { change: { "Sec-WebSocket-Key": `  ${KEY}\t`, "Sec-WebSocket-Version": " 13 " } },
  },
  {
    name: "query",
    what: "whose path has a query",
    request: { query: "?a=b&c=%20d" },
  },
  {
    name: "other-fields",
    // No Origin: a server may refuse pages of any origin (RFC 6455 §10.2).
    what: "with Cookie and fields that nobody knows",
    request: { more: ["Cookie: a=b; c=d", "X-Unknown: 1", "Pragma: no-cache"] },
  },
  {
    name: "in-pieces-of-1",
    what: "that arrives byte by byte",
    request: { piece: 1 },
  },
  {
    name: "in-pieces-of-7",
    what: "that arrives in pieces of 7 bytes",
    request: { piece: 7 },
  },
  {
    name: "header-of-4-kib",
    what: "with a field of 4 KiB",
    request: { more: [`Cookie: a=${"x".repeat(4096)}`] },
    // How long a header may be is left to the server (RFC 9110 §5.4).
    severity: "INFO" as const,
  },
  {
    name: "upgrade-list",
    what: "whose Upgrade names another protocol as well",
    request: { change: { Upgrade: "h2c, websocket" } },
    // It "contains the value", as §4.2.1 asks; but what §4.1 asks of a client is the value alone.
    severity: "INFO" as const,
  },
  {
    name: "key-with-unused-bits",
    what: "whose key is base64 of 16 bytes with bits set that mean nothing",
    request: { change: { "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAB==" } },
    // RFC 4648 §3.5 leaves it to who decodes.
    severity: "INFO" as const,
  },
].map(({ name, what, request, severity = "MUST", clause = "RFC 6455 §4.2.1" }: Accepted): Case => {
  const key = request.change?.["Sec-WebSocket-Key"]?.trim();
  return {
    id: `websocket.handshake.${name}`,
    title: `accepts a handshake ${what}`,
    ...ACCEPT,
    clause,
    severity,
    sends: `a handshake ${what}, and a message`,
    expects: "101 with the right Upgrade, Connection and Sec-WebSocket-Accept, and the message",
    run: async (context) => {
      const { answer, peer } = await ask(context, request);
      mustAccept(key === undefined ? answer : { ...answer, key });
      await mustEcho(peer);
    },
  };
});

const ACCEPT_VALUES: readonly Case[] = [
  { name: "of-the-example", key: KEY, accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" },
  { name: "of-zeros", key: "AAAAAAAAAAAAAAAAAAAAAA==", accept: undefined },
  { name: "of-ones", key: "/////////////////////w==", accept: undefined },
  { name: "of-plus-and-slash", key: "+/+/+/+/+/+/+/+/+/+/+w==", accept: undefined },
].map(({ name, key, accept = acceptFor(key) }) => ({
  id: `websocket.handshake.accept-${name}`,
  title: `answers the key ${key} with ${accept}`,
  ...VALID_RESPONSE,
  severity: "MUST",
  sends: `a handshake with the key ${key}`,
  expects: `Sec-WebSocket-Accept: ${accept}`,
  run: async (context) => {
    const { answer } = await ask(context, { change: { "Sec-WebSocket-Key": key } });
    const got = answer.headers.get("sec-websocket-accept") ?? "none";
    expect(got === accept, accept, got);
  },
}));

interface Refused {
  readonly name: string;
  readonly what: string;
  readonly request: Request;
  readonly severity?: Case["severity"];
  /** Default "RFC 6455 §4.2.1". */
  readonly clause?: string;
  /** Default: the sentence of that section. */
  readonly sentence?: string;
}

const key = (value: string | undefined): Request => ({ change: { "Sec-WebSocket-Key": value } });
const version = (value: string | undefined): Request => ({
  change: { "Sec-WebSocket-Version": value },
});
const extensions = (value: string): Request => ({ more: [`Sec-WebSocket-Extensions: ${value}`] });
const protocols = (value: string): Request => ({ more: [`Sec-WebSocket-Protocol: ${value}`] });

// "…including but not limited to any violations of the ABNF grammar specified for the components of
// the handshake, the server MUST stop processing the client's handshake and return an HTTP response
// with an appropriate error code (such as 400 Bad Request)."
const REFUSED_TABLE: readonly Refused[] = [
  {
    name: "post",
    what: "with POST",
    request: { method: "POST", more: ["Content-Length: 0"] },
  },
  { name: "put", what: "with PUT", request: { method: "PUT", more: ["Content-Length: 0"] } },
  { name: "options", what: "with OPTIONS", request: { method: "OPTIONS" } },
  { name: "http-1-0", what: "over HTTP/1.0", request: { version: "HTTP/1.0" } },
  { name: "no-host", what: "without Host", request: { change: { Host: undefined } } },
  { name: "no-key", what: "without a key", request: key(undefined) },
  { name: "key-empty", what: "with an empty key", request: key("") },
  // "It is not necessary for the server to base64-decode the |Sec-WebSocket-Key| value" (§4.2.2).
  ...[
    { name: "key-15-bytes", what: "with a key of 15 bytes", value: "AAAAAAAAAAAAAAAAAAAA" },
    { name: "key-17-bytes", what: "with a key of 17 bytes", value: "AAAAAAAAAAAAAAAAAAAAAAA=" },
    { name: "key-18-bytes", what: "with a key of 18 bytes", value: "AAAAAAAAAAAAAAAAAAAAAAAA" },
    { name: "key-8-bytes", what: "with a key of 8 bytes", value: "AAAAAAAAAAA=" },
  ].map(
    ({ name, what, value }): Refused => ({
      name,
      what,
      request: key(value),
      severity: "INFO",
      clause: "RFC 6455 §4.2.2",
    }),
  ),
  // A violation of the grammar, which §4.2.1 has refused; but a server that need not decode the key has no
  // reason to look at its characters either.
  {
    name: "key-without-padding",
    what: "whose key lacks the padding of base64",
    request: key("dGhlIHNhbXBsZSBub25jZQ"),
    severity: "SHOULD",
  },
  {
    name: "key-no-base64",
    what: "whose key has characters that base64 has not",
    request: key("dGhlIHNhbXBsZSBub25j!!=="),
    severity: "SHOULD",
  },
  {
    name: "two-keys",
    what: "with two keys",
    request: { more: ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="] },
    // "…MUST NOT appear more than once in an HTTP request" is said to the client.
    severity: "SHOULD",
    clause: "RFC 6455 §11.3.1",
  },
  { name: "no-version", what: "without a version", request: version(undefined) },
  { name: "version-empty", what: "with an empty version", request: version("") },
  { name: "version-word", what: "whose version is no number", request: version("thirteen") },
  { name: "version-leading-zero", what: "with the version 013", request: version("013") },
  { name: "version-negative", what: "with the version -13", request: version("-13") },
  { name: "version-decimal", what: "with the version 13.0", request: version("13.0") },
  { name: "version-hexadecimal", what: "with the version 0xd", request: version("0xd") },
  {
    name: "extensions-semicolon",
    what: "whose extensions begin with a semicolon",
    request: extensions("; a"),
    ...EXTENSION_GRAMMAR,
  },
  {
    name: "extensions-no-parameter",
    what: "whose extension has a semicolon and no parameter",
    request: extensions("x-unknown;"),
    ...EXTENSION_GRAMMAR,
  },
  {
    name: "extensions-no-name",
    what: "whose extension has a parameter without a name",
    request: extensions("x-unknown; =5"),
    ...EXTENSION_GRAMMAR,
  },
  {
    name: "extensions-no-value",
    what: "whose extension has a parameter with = and no value",
    request: extensions("x-unknown; a="),
    ...EXTENSION_GRAMMAR,
  },
  {
    name: "extensions-two-words",
    what: "whose extension's name has a space",
    request: extensions("x unknown"),
    ...EXTENSION_GRAMMAR,
  },
  {
    name: "extensions-open-quote",
    what: "whose extension has a value with a quote that is not closed",
    request: extensions('x-unknown; a="b'),
    ...EXTENSION_GRAMMAR,
  },
  {
    name: "extensions-quoted-no-token",
    what: "whose extension has a quoted value that is no token",
    request: extensions('x-unknown; a="b c"'),
    ...EXTENSION_GRAMMAR,
  },
  {
    name: "protocol-two-words",
    what: "that asks for a subprotocol with a space in its name",
    request: protocols("ec ho"),
    clause: "RFC 6455 §4.3",
  },
  {
    name: "protocol-quoted",
    what: "that asks for a subprotocol in quotes",
    request: protocols('"echo"'),
    clause: "RFC 6455 §4.3",
  },
  {
    name: "protocol-with-parameter",
    what: "that asks for a subprotocol with a parameter",
    request: protocols("echo;a=b"),
    clause: "RFC 6455 §4.3",
  },
  {
    name: "protocol-twice",
    what: "that asks for a subprotocol twice",
    request: protocols("echo, echo"),
    // "…MUST all be unique strings" (§4.1) is said to clients, and no violation of the grammar.
    severity: "SHOULD",
    clause: "RFC 6455 §4.1",
  },
];

/** An "appropriate error code": the client's mistake, or what the server does not support. */
function expectRefused({ status, line }: HandshakeAnswer): void {
  const right = (status >= 400 && status < 500) || status === 501 || status === 505;
  expect(right, "a status of 400 to 499, 501 or 505", describeStatus(line));
}

const REFUSED: readonly Case[] = REFUSED_TABLE.map(
  ({ name, what, request, severity = "MUST", clause, sentence }) => ({
    id: `websocket.handshake.${name}`,
    title: `refuses a handshake ${what}`,
    ...NO_MATCH,
    ...(clause !== undefined && { clause }),
    ...(sentence !== undefined && { sentence }),
    severity,
    sends: `a handshake ${what}`,
    expects: "a status of 400 to 499, or one that says what is not supported: 501, 505",
    run: async (context) => expectRefused((await ask(context, request)).answer),
  }),
);

// Without "Upgrade: websocket" and "Connection: Upgrade" it is a plain request: an HTTP server may
// have a page there. It must not become a WebSocket.
const NO_UPGRADE: readonly Case[] = [
  { name: "no-upgrade", what: "without Upgrade", change: { Upgrade: undefined } },
  { name: "upgrade-empty", what: "with an empty Upgrade", change: { Upgrade: "" } },
  { name: "upgrade-other", what: "to another protocol", change: { Upgrade: "h2c" } },
  {
    name: "upgrade-prefix",
    what: 'to "websocket2"',
    change: { Upgrade: "websocket2" },
  },
  { name: "no-connection", what: "without Connection", change: { Connection: undefined } },
  {
    name: "connection-keep-alive",
    what: 'with "Connection: keep-alive"',
    change: { Connection: "keep-alive" },
  },
  { name: "connection-close", what: 'with "Connection: close"', change: { Connection: "close" } },
  {
    name: "connection-prefix",
    what: 'with "Connection: Upgrades"',
    change: { Connection: "Upgrades" },
  },
].map(
  ({ name, what, change }: { name: string; what: string; change: Request["change"] }): Case => ({
    id: `websocket.handshake.${name}`,
    title: `makes no WebSocket of a request ${what}`,
    ...NO_MATCH,
    severity: "MUST",
    sends: `a handshake ${what}`,
    expects: "a status other than 101",
    run: async (context) => {
      const { line } = (await ask(context, { ...(change && { change }) })).answer;
      // Of any version: a 101 of HTTP/1.0 has no status that counts.
      const switches = /^HTTP\/\S+ 101\b/.test(line);
      expect(!switches, "a status other than 101", describeStatus(line));
    },
  }),
);

/** A refusal must tell the versions that the server speaks (§4.4). */
function expectVersionRefused(answer: HandshakeAnswer): void {
  expectRefused(answer);
  const versions = answer.headers.get("sec-websocket-version") ?? "none";
  const told = versions.split(",").some((each) => each.trim() === "13");
  expect(told, "Sec-WebSocket-Version with 13", versions);
}

const VERSIONS: readonly Case[] = [0, 12, 14, 130, 255].map((number) => ({
  id: `websocket.handshake.version-${number}`,
  title: `refuses the version ${number}, and tells that it speaks 13`,
  ...VERSION,
  severity: "MUST",
  sends: `a handshake with the version ${number}`,
  expects: "a status of 400 to 499, 501 or 505, and 13 in Sec-WebSocket-Version",
  run: async (context) => expectVersionRefused((await ask(context, version(`${number}`))).answer),
}));

// The versions of drafts that were deployed. They differ from 13 in nothing that a server sends here, and a
// server may speak them: "all versions it is willing to use".
const DRAFTS: readonly Case[] = [7, 8].map((number) => ({
  id: `websocket.handshake.version-${number}`,
  title: `refuses the version ${number} of a draft and tells that it speaks 13, or speaks it`,
  ...VERSION,
  severity: "MUST",
  sends: `a handshake with the version ${number}, and a message where it is accepted`,
  expects: "101 and the message, or a refusal with 13 in Sec-WebSocket-Version",
  run: async (context) => {
    const { answer, peer } = await ask(context, version(`${number}`));
    if (answer.status === 101) await mustEcho(peer);
    else expectVersionRefused(answer);
  },
}));

// §4.2.2, item 5: the value is one that the client sent, or the field is not there. That the server speaks
// "echo" and no other is the contract's, and no MUST.
interface Subprotocol {
  readonly name: string;
  readonly what: string;
  readonly lines: readonly string[];
  readonly chosen: string | undefined;
  readonly clause?: string;
}

const PROTOCOLS: readonly Case[] = [
  { name: "echo", what: '"echo"', lines: ["echo"], chosen: "echo" },
  { name: "unknown", what: '"unknown"', lines: ["unknown"], chosen: undefined },
  { name: "echo-first", what: '"echo, unknown"', lines: ["echo, unknown"], chosen: "echo" },
  { name: "echo-last", what: '"unknown, echo"', lines: ["unknown, echo"], chosen: "echo" },
  {
    name: "without-spaces",
    what: '"unknown,echo,other"',
    lines: ["unknown,echo,other"],
    chosen: "echo",
  },
  {
    name: "with-spaces",
    what: '"echo" with spaces and tabs around it',
    lines: ["unknown \t,  echo\t ,\tother"],
    chosen: "echo",
  },
  {
    name: "in-two-lines",
    what: '"unknown" and "echo" in two fields',
    lines: ["unknown", "echo"],
    chosen: "echo",
    clause: "RFC 6455 §11.3.4",
  },
  { name: "prefix", what: '"echo2"', lines: ["echo2"], chosen: undefined },
  { name: "none", what: "no subprotocol", lines: [], chosen: undefined },
].map(
  ({ name, what, lines, chosen, clause = SUBPROTOCOL.clause }: Subprotocol): Case => ({
    id: `websocket.handshake.subprotocol-${name}`,
    title:
      chosen === undefined
        ? `chooses no subprotocol where the client asks for ${what}`
        : `chooses "${chosen}" where the client asks for ${what}`,
    ...SUBPROTOCOL,
    clause,
    severity: chosen === undefined ? "MUST" : "SHOULD",
    sends: `a handshake that asks for ${what}`,
    expects:
      chosen === undefined
        ? "no Sec-WebSocket-Protocol; 101, or a refusal"
        : `101 with Sec-WebSocket-Protocol: ${chosen}`,
    run: async (context) => {
      if (chosen !== undefined) needBehaviour(context.target, "websocket-subprotocol");
      const more = lines.map((line) => `Sec-WebSocket-Protocol: ${line}`);
      const { answer } = await ask(context, { more });
      const got = answer.headers.get("sec-websocket-protocol");
      const offered = lines.flatMap((line) => line.split(",").map((name) => name.trim()));
      const wanted = chosen ?? "no subprotocol";
      const derived = got === undefined || offered.includes(got);
      expect(derived, wanted, `"${got}", for which the client did not ask`);
      expect(got === chosen, wanted, got ?? "no subprotocol", "SHOULD");
      if (chosen !== undefined || lines.length === 0) mustAccept(answer);
    },
  }),
);

/** "…the extensions … that the server is ready to use" are among those of the client (§4.2.2, item 5; §9.1). */
const NO_EXTENSION: readonly Case[] = [
  { name: "none", what: "no extension", more: [] },
  { name: "unknown", what: "one that nobody knows", more: ["x-unknown"] },
  {
    name: "unknown-with-parameters",
    what: "one that nobody knows, with parameters of each form",
    more: ['x-unknown; a; b=c; d="e"; a'],
  },
  { name: "unknown-several", what: "three that nobody knows", more: ["x-a, x-b; c=d", "x-e"] },
  {
    name: "similar-name",
    what: "one whose name begins as permessage-deflate",
    more: ["permessage-deflate2; client_max_window_bits"],
  },
].map(({ name, what, more }) => ({
  id: `websocket.handshake.extension-${name}`,
  title: `agrees on no extension where the client offers ${what}`,
  ...EXTENSION_NOT_REQUESTED,
  severity: "MUST",
  sends: `a handshake that offers ${what}, and a message`,
  expects: "101 without Sec-WebSocket-Extensions, and the message",
  run: async (context) => {
    const lines = more.map((each) => `Sec-WebSocket-Extensions: ${each}`);
    const { answer, peer } = await ask(context, { more: lines });
    mustAccept(answer);
    const got = answer.headers.get("sec-websocket-extensions");
    expect(got === undefined, "no extension", `${got}`);
    await mustEcho(peer);
  },
}));

const OTHERS: readonly Case[] = [
  {
    id: "websocket.handshake.frame-with-request",
    title: "reads a frame that came in one piece with the request",
    clause: "RFC 6455 §4.1",
    // A client "MUST wait for a response from the server before sending any further data".
    severity: "INFO",
    sends: "a handshake with a text frame behind it in one write",
    expects: "101, and the message",
    run: async (context) => {
      const behind = encodeFrame({ opcode: TEXT, payload: "too early" });
      const { answer, peer } = await ask(context, { behind });
      mustAccept(answer);
      await peer.expectMessage("too early");
    },
  },
  {
    id: "websocket.handshake.half-a-frame-with-request",
    title: "puts together a frame of which half came with the request",
    clause: "RFC 6455 §4.1",
    severity: "INFO",
    sends:
      "a handshake with half a text frame behind it in one write; when it is answered, the rest",
    expects: "101, and the message",
    run: async (context) => {
      const frame = encodeFrame({ opcode: TEXT, payload: "half of it is too early" });
      const { answer, peer } = await ask(context, { behind: frame.subarray(0, 9) });
      mustAccept(answer);
      peer.sendBytes(frame.subarray(9), "the rest of a text frame");
      await peer.expectMessage("half of it is too early");
    },
  },
  {
    id: "websocket.handshake.header-of-64-kib",
    title: "accepts a handshake with a field of 64 KiB, or refuses it with an HTTP error",
    clause: "RFC 6455 §4.2.1",
    severity: "INFO",
    sends: "a handshake with a field of 64 KiB",
    expects: "101, or a status of 400 to 499",
    run: async (context) => {
      const more = [`Cookie: a=${"x".repeat(65_536)}`];
      const { status, line } = (await ask(context, { more })).answer;
      const right = status === 101 || (status >= 400 && status < 500);
      expect(right, "101, or a status of 400 to 499", describeStatus(line));
    },
  },
  {
    id: "websocket.handshake.same-key",
    title: "accepts two connections at a time with the same key",
    clause: "RFC 6455 §4.2.2",
    severity: "INFO",
    sends: "two handshakes with the same key, and a message on each",
    expects: "101 and the message on both",
    run: async (context) => {
      const [first, second] = [await ask(context, {}), await ask(context, {})];
      mustAccept(first.answer);
      mustAccept(second.answer);
      await mustEcho(second.peer);
      await mustEcho(first.peer);
    },
  },
];

export const HANDSHAKE: readonly Case[] = [
  ...ACCEPTED,
  ...ACCEPT_VALUES,
  ...REFUSED,
  ...NO_UPGRADE,
  ...VERSIONS,
  ...DRAFTS,
  ...PROTOCOLS,
  ...NO_EXTENSION,
  ...OTHERS,
];
