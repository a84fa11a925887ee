// Explains why peers fail cases. tests/conformance/write-results.ts writes the explanation beside each failure.

/** The failures of `ws`, which socket.io uses and therefore shares. */
const WS = {
  "websocket.handshake.extensions-empty-*":
    "Its fault: an empty element of a list is legal (RFC 2616 §2.1, by which RFC 6455 writes its lists).",
  "websocket.handshake.protocol-empty-*":
    "Its fault: an empty element of a list is legal (RFC 2616 §2.1, by which RFC 6455 writes its lists).",
  "websocket.handshake.upgrade-list":
    "Our reading: a list of protocols is allowed in Upgrade by RFC 9110; ws takes the one word only. INFO.",
  "websocket.handshake.http-1-0": "Its fault: the version of HTTP is not checked.",
  "websocket.handshake.no-host": "Its fault: a missing Host is not checked.",
  "websocket.handshake.version-*": "Its fault: the version is read as a number of JavaScript.",
  "websocket.framing.length-*-bits":
    "Our reading: the shortest form is a MUST of the sender; ws does not hold it against one. SHOULD.",
  "websocket.utf8.at-once-*":
    "Our reading: no sentence says when to fail. ws looks at the whole message, when it is there. SHOULD.",
  "websocket.control.1000-pings":
    "Its choice: it ends a connection with 60 pings that are not yet answered. INFO.",
  "websocket.deflate.declines-*":
    "Its fault: values of parameters are read as numbers of JavaScript (RFC 7692 §7.1.2).",
  "websocket.deflate.declined-is-no-failure":
    "Its fault: it answers 400 where RFC 7692 §7.1 has a server decline the offer.",
  "websocket.deflate.fallback":
    "Its fault: one bad offer refuses the handshake, and the good one behind it is not looked at.",
} as const;

// Explanations that several other peers share.

const SHORTEST = "Our reading: the shortest form is a MUST of the sender (RFC 6455 §5.2). SHOULD.";
const WHEN_TO_FAIL = "Our reading: no sentence says when to fail (RFC 6455 §8.1). SHOULD.";
const NO_VERSION =
  "Its fault: a refusal does not name the version that it speaks (RFC 6455 §4.4: the server MUST respond with a Sec-WebSocket-Version header field).";
const NO_HTTP_VERSION =
  "Its fault: §4.2.1 has a request of HTTP/1.1 or higher; another handshake MUST be refused.";
const NO_HOST = "Its fault: a missing Host is not checked (RFC 6455 §4.2.1, item 2).";
const KEY_UNCHECKED =
  "Its choice: the key is not decoded, which RFC 6455 §4.2.2 leaves to the server.";
const TWO_KEYS = "Our reading: §11.3.1 tells the client to send one key. SHOULD.";
const UNIQUE = "Our reading: §4.1 tells the client that subprotocols are unique. SHOULD.";
const EXTENSIONS =
  "Its fault: the grammar of the header is not checked (RFC 6455 §9.1: the recipient MUST fail the connection).";
const PROTOCOL_GRAMMAR =
  "Its fault: the grammar of the header is not checked (RFC 6455 §4.2.1: violations of the ABNF MUST be refused).";
const NO_MASK =
  "Its fault: frames of clients need no mask (RFC 6455 §5.1: the server MUST close the connection).";
const UPGRADE_LIST = "Our reading: a list of protocols is allowed in Upgrade by RFC 9110. INFO.";
const CODE_1000 = "Its choice: it answers every code with 1000. SHOULD.";
const LISTS =
  "Its fault: an empty element of a list is legal (RFC 2616 §2.1, by which RFC 6455 writes its lists).";

const AIOHTTP = {
  "websocket.handshake.connection-in-two-lines":
    "aiohttp's fault: it looks at the first line only (RFC 9110 §5.3: two lines are one list).",
  "websocket.handshake.value-with-spaces":
    "aiohttp's fault: spaces around a value are part of it (RFC 9110 §5.5: they are not).",
  "websocket.handshake.upgrade-list": UPGRADE_LIST,
  "websocket.handshake.http-1-0": `${NO_HTTP_VERSION} aiohttp answers with a 101 of HTTP/1.0.`,
  "websocket.handshake.no-host": NO_HOST,
  "websocket.handshake.two-keys": TWO_KEYS,
  "websocket.handshake.extensions-*": EXTENSIONS,
  "websocket.handshake.protocol-twice": UNIQUE,
  "websocket.handshake.protocol-*": PROTOCOL_GRAMMAR,
  "websocket.handshake.connection-prefix":
    "aiohttp's fault: a part of a word counts as the word (RFC 6455 §4.2.1, item 4: the token).",
  "websocket.handshake.version-*": NO_VERSION,
  "websocket.handshake.subprotocol-in-two-lines":
    "aiohttp's fault: it looks at the first line only (RFC 6455 §11.3.4: two lines are one list).",
  "websocket.framing.length-*-bits": SHORTEST,
  "websocket.framing.unmasked": NO_MASK,
  "websocket.masking.*": NO_MASK,
  "websocket.fragmentation.fragment-inside-text":
    "aiohttp waits for the end of the second message and has forgotten the first. Silence is a SHOULD.",
  "websocket.fragmentation.text-inside-empty":
    "aiohttp's fault: it delivers a message that begins inside another (RFC 6455 §10.7: data MUST be validated).",
  "websocket.utf8.at-once-*": WHEN_TO_FAIL,
  "websocket.closing.invalid-behind":
    "aiohttp's fault: what comes behind a close frame is looked at. SHOULD.",
  "websocket.closing.invalid-*": "aiohttp's fault: codes that must not be sent are taken. SHOULD.",
  "websocket.closing.code-*": CODE_1000,
  "websocket.sizes.*": "aiohttp's limit is one byte less than 16 MiB. SHOULD.",
  "websocket.deflate.rsv1-*":
    "aiohttp's fault: RSV1 of control frames is not checked (RFC 7692 §6.1: an endpoint MUST fail the connection).",
  "websocket.deflate.ping-inside":
    "aiohttp's fault: a ping inside a compressed message is taken for a part of it (RFC 6455 §5.4).",
  "websocket.deflate.garbage-*":
    "aiohttp closes with 1000 what cannot be inflated; the code for it is a SHOULD.",
  "websocket.deflate.offer-server-bits-15":
    "Our reading: it agrees and does not answer the parameter, which changes nothing at 15. SHOULD.",
  "websocket.deflate.declines-*":
    "aiohttp's fault: parameters that are malformed or repeated are taken (RFC 7692 §7: a server MUST decline).",
} as const;

/** Explanations by peer, then by case id or by a pattern of ids as in --only. The first match counts. */
export const EXPLANATIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ws: WS,
  "socket.io": {
    ...WS,
    "engineio4.refusal.websocket-transport-polling":
      "Its fault: a WebSocket is answered with 101 before it is decided that it may not be.",
    "engineio4.refusal.*":
      "Its choice, with allowEIO3: every EIO that is not 4 counts as 3. The text of revision 3 has no EIO. SHOULD.",
    "engineio4.polling.malformed-base64":
      "Its fault: Node's decoder passes over what is no base64.",
    "engineio4.polling.base64-length": "Its fault: Node's decoder passes over what is no base64.",
    "engineio4.polling.not-utf8": "Its fault: what is not UTF-8 is replaced and delivered.",
    "engineio4.websocket.base64":
      "Its choice: a text with base64 is taken for bytes on a WebSocket too; the document has it for polling.",
    "engineio4.close.websocket":
      "Our reading: the document says how a client closes, not that a server ends the WebSocket. SHOULD.",
    "engineio4.upgrade.without-probe":
      "Our reading: an upgrade packet without a probe is taken; the document has the probe first. SHOULD.",
    "engineio4.upgrade.websocket-of-websocket":
      "Its fault: another probe is answered in a session that has its WebSocket already.",
    "engineio3.payload.*": "Its fault: the payload is not checked.",
    "engineio3.heartbeat.pong-data":
      "Its fault: the pong of revision 3 has not the data of its ping.",
    "engineio3.upgrade.without-probe": "Our reading: as for revision 4. SHOULD.",
    "socketio.ack.id-beyond-safe-integers":
      "Its fault: the id is rounded, so that another one is acknowledged.",
    "socketio.connect.twice-at-once":
      "Its fault: two CONNECTs sent together make two sockets, of which the client knows one.",
    "socketio.disconnect.and-again-at-once":
      "Its fault: leaving and joining again in one go ends the connection.",
    "socketio.malformed.event-without-payload":
      "Its fault: an event without a payload is passed over.",
    "socketio.malformed.ack-without-payload":
      "Its fault: an acknowledgement without a payload is passed over.",
    "socketio.malformed.placeholder-fraction":
      "Its fault: a number that is no index gives undefined.",
    "socketio.malformed.deep":
      "Its fault: one message that is nested deep ends the process of a server that echoes it.",
  },
  "python-socketio": {
    ...AIOHTTP,
    "engineio4.handshake.max-payload": "Its fault: the open packet has no maxPayload.",
    "engineio4.handshake.cache-control": "Our reading: not in the document. INFO.",
    "engineio4.refusal.code-*":
      "Its choice: refusals are a sentence, without the codes of the reference implementation.",
    "engineio4.refusal.method-post": "Its fault: an exception, status 500.",
    "engineio4.refusal.*":
      "Its fault: transport and revision of a request are not compared with those of its session.",
    "engineio4.polling.post-ok": 'Its fault: "OK" where the document has "ok".',
    "engineio4.polling.body-in-pieces":
      "Its fault: what has come of a body is taken for all of it.",
    "engineio4.polling.chunked": "Its fault: a body without Content-Length is taken for empty.",
    "engineio4.polling.echo-many":
      "Its choice: more than 16 packets in one payload are dropped, and answered with OK.",
    "engineio4.polling.overlapping-*": "Its fault: requests that overlap are served.",
    "engineio4.polling.*":
      "Its fault: the mistake is answered with an error, and the session goes on.",
    "engineio4.close.get-aborted": "Its choice: a GET that is broken off goes unnoticed.",
    "engineio4.close.*": "Its fault: an exception, status 500, for a session that is gone.",
    "engineio4.websocket.*": "Its fault: the mistake is passed over.",
    "engineio4.heartbeat.no-get":
      "Its fault: an exception, status 500, for a session that is gone.",
    "engineio4.heartbeat.*": "Its choice: whatever comes counts as a sign of life.",
    "engineio4.cors.vary":
      "Its fault: a cache is not told that the answer depends on the origin. SHOULD.",
    "engineio4.upgrade.get-behind": "Its fault: polling goes on behind the upgrade.",
    "engineio4.upgrade.post-behind": "Its fault: polling goes on behind the upgrade.",
    "engineio4.upgrade.second-while-probing": "Its fault: a second probe is answered.",
    "engineio4.upgrade.*":
      "Its fault: an upgrade that comes to nothing ends or disturbs the session.",
    "socketio.connect-error.refused*":
      "Its choice, with always_connect: CONNECT is answered before the handler can refuse.",
    "socketio.connect-error.others-stay": "Its choice, with always_connect, as for refused.",
    "socketio.connect-error.not-inside": "Its choice, with always_connect, as for refused.",
    "socketio.connect-error.*":
      "Its fault: the payload of CONNECT_ERROR is a text, where the document has an object with a message.",
    "socketio.before-connect.*": "Its fault: packets before CONNECT are passed over.",
    "socketio.connect.twice":
      "Its fault: a second CONNECT is answered with CONNECT_ERROR, and the connection goes on.",
    "socketio.polling.connect-error": "Its choice, with always_connect, as for refused.",
    "socketio.polling.malformed":
      "Its fault: what is malformed is passed over, and the session goes on.",
    "socketio.malformed.*":
      "Its fault: what is malformed is passed over, and the connection goes on.",
  },
  aiohttp: AIOHTTP,
  websockets: {
    "websocket.handshake.upgrade-list": UPGRADE_LIST,
    "websocket.handshake.no-host": NO_HOST,
    "websocket.handshake.protocol-twice": UNIQUE,
    "websocket.handshake.version-*": NO_VERSION,
    "websocket.framing.length-*-bits": SHORTEST,
    "websocket.control.ping-in-*": SHORTEST,
    "websocket.control.ping-too-long-at-once":
      "Its choice: it looks at a frame when it is there. INFO.",
    "websocket.utf8.at-once-*": WHEN_TO_FAIL,
    "websocket.closing.messages-before":
      "Its choice: it answers the close frame before the application has its turn. INFO.",
    "websocket.deflate.offer-server-bits-8":
      "Its fault: it agrees to a window that zlib does not have, fails and answers 500 (RFC 7692 §7: a server MUST decline what it does not support).",
  },
  faye: {
    "websocket.handshake.extensions-empty-*": LISTS,
    "websocket.handshake.connection-with-spaces":
      "Its fault: a tab beside a comma is legal (RFC 2616 §2.2, LWS).",
    "websocket.handshake.upgrade-list": UPGRADE_LIST,
    "websocket.handshake.http-1-0": NO_HTTP_VERSION,
    "websocket.handshake.no-host": NO_HOST,
    "websocket.handshake.key-empty":
      "Its fault: a handshake without a key MUST be refused (RFC 6455 §4.2.1, item 5; §4.3: base64-value-non-empty).",
    "websocket.handshake.key-*": KEY_UNCHECKED,
    "websocket.handshake.two-keys": TWO_KEYS,
    "websocket.handshake.extensions-*": EXTENSIONS,
    "websocket.handshake.protocol-twice": UNIQUE,
    "websocket.handshake.protocol-*": PROTOCOL_GRAMMAR,
    "websocket.handshake.version-*": NO_VERSION,
    "websocket.handshake.subprotocol-with-spaces":
      "Its fault: a tab beside a comma is legal (RFC 2616 §2.2, LWS). SHOULD.",
    "websocket.framing.length-*-bits": SHORTEST,
    "websocket.control.ping-in-*": SHORTEST,
    "websocket.framing.unmasked": "Its choice of the code: 1002 is a MAY (RFC 6455 §5.1). INFO.",
    "websocket.masking.*": "Its choice of the code: 1002 is a MAY (RFC 6455 §5.1). INFO.",
    "websocket.utf8.at-once-*": WHEN_TO_FAIL,
    "websocket.closing.code-*": "It does not know codes that were registered later. INFO.",
  },
  theturtle32: {
    "websocket.handshake.http-1-0": NO_HTTP_VERSION,
    "websocket.handshake.post": "Its fault: the method is not checked (RFC 6455 §4.2.1: a GET).",
    "websocket.handshake.put": "Its fault: the method is not checked (RFC 6455 §4.2.1: a GET).",
    "websocket.handshake.options": "Its fault: the method is not checked (RFC 6455 §4.2.1: a GET).",
    "websocket.handshake.key-*": KEY_UNCHECKED,
    "websocket.handshake.two-keys": TWO_KEYS,
    "websocket.handshake.version-0": NO_VERSION,
    "websocket.handshake.version-*":
      "Its fault: the version is read as a number of JavaScript (RFC 6455 §4.3: digits without a zero in front).",
    "websocket.handshake.extensions-*": EXTENSIONS,
    "websocket.handshake.protocol-twice": UNIQUE,
    "websocket.handshake.protocol-*": PROTOCOL_GRAMMAR,
    "websocket.handshake.upgrade-*":
      'Its fault: Upgrade is not checked (RFC 6455 §4.2.1, item 3: the value "websocket").',
    "websocket.handshake.subprotocol-with-spaces":
      "Its fault: a tab beside a comma is legal (RFC 2616 §2.2, LWS). SHOULD.",
    "websocket.handshake.*frame-with-request":
      "Its choice: what comes before its answer is lost; a client MUST wait (RFC 6455 §4.1). INFO.",
    "websocket.framing.unmasked": NO_MASK,
    "websocket.framing.length-*-bits": SHORTEST,
    "websocket.masking.*": NO_MASK,
    "websocket.utf8.at-once-*": WHEN_TO_FAIL,
    "websocket.closing.code-*": CODE_1000,
    "websocket.closing.invalid-*": "It takes a code that must not be sent. SHOULD.",
    "websocket.sizes.claimed-*": "Its choice of the code: 1002 for lengths of more than 32 bits.",
    "websocket.sizes.last-fragment-beyond-limit":
      "Its choice: fragments are counted when they are there. SHOULD.",
  },
  bun: {
    "websocket.handshake.http-1-0": NO_HTTP_VERSION,
    "websocket.handshake.*connection*":
      'Its fault: Connection is not checked (RFC 6455 §4.2.1, item 4: the token "Upgrade").',
    "websocket.handshake.extensions-*": EXTENSIONS,
    "websocket.handshake.protocol-twice": UNIQUE,
    "websocket.handshake.protocol-*": PROTOCOL_GRAMMAR,
    "websocket.handshake.subprotocol-*":
      'Its choice: it names the first subprotocol that the client offers where the program names none. The contract has "echo" and no other. SHOULD.',
    "websocket.framing.length-*-bits": SHORTEST,
    "websocket.utf8.at-once-*": WHEN_TO_FAIL,
    "websocket.sizes.last-fragment-beyond-limit":
      "Its choice: fragments are counted when they are there. SHOULD.",
    "websocket.deflate.compresses":
      "Its choice: it compresses where the program asks for it. INFO.",
  },
  deno: {
    "websocket.handshake.http-1-0": `${NO_HTTP_VERSION} Deno answers with a 101 of HTTP/1.0.`,
    "websocket.handshake.options": "Its fault: the method is not checked (RFC 6455 §4.2.1: a GET).",
    "websocket.handshake.no-host": NO_HOST,
    "websocket.handshake.key-empty":
      "Its fault: a handshake without a key MUST be refused (RFC 6455 §4.2.1, item 5; §4.3: base64-value-non-empty).",
    "websocket.handshake.key-*": KEY_UNCHECKED,
    "websocket.handshake.two-keys": TWO_KEYS,
    "websocket.handshake.*version*":
      "Its fault: the version is not checked (RFC 6455 §4.2.2: the server MUST abort the handshake).",
    "websocket.handshake.extensions-*": EXTENSIONS,
    "websocket.handshake.protocol-twice": UNIQUE,
    "websocket.handshake.protocol-*": PROTOCOL_GRAMMAR,
    "websocket.handshake.subprotocol-*":
      'It takes the list apart at ", " only (RFC 2616 §2.1: spaces are optional). SHOULD.',
    "websocket.framing.unmasked": NO_MASK,
    "websocket.framing.length-*-bits": SHORTEST,
    "websocket.masking.*": NO_MASK,
    "websocket.fragmentation.fragment-inside-text":
      "It waits for the end of a message that cannot come. Silence is a SHOULD.",
    "websocket.utf8.invalid-fragmented-truncated-*":
      "Its fault: a text that ends inside a character is delivered without it (RFC 6455 §8.1: an endpoint MUST fail the connection).",
    "websocket.utf8.at-once-*": WHEN_TO_FAIL,
    "websocket.control.ping-in-*": SHORTEST,
    "websocket.control.pong-126-bytes": "It ignores the pong. Silence is a SHOULD.",
    "websocket.control.close-126-bytes":
      "Its fault: it answers with a close frame of 126 bytes itself (RFC 6455 §5.5: 125 bytes or less).",
    "websocket.closing.code-*": "It does not know a code that was registered later. INFO.",
    "websocket.sizes.*": "Its own limit is larger than 16 MiB. SHOULD.",
  },
};
