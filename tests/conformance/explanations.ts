// Explains why peers, which are other implementations, fail cases of the conformance kit. tests/conformance/write-results.ts
// writes the explanation beside each failure, and defines the words with which explanations begin: "Bug", "Choice" and "Our
// reading".

/** The failures of `ws`. socket.io uses `ws`, and therefore fails the same cases. */
const WS = {
  "websocket.handshake.extensions-empty-*":
    "Bug: the server rejects a list with an empty element, which is valid (RFC 2616 §2.1, whose list syntax RFC 6455 uses).",
  "websocket.handshake.protocol-empty-*":
    "Bug: the server rejects a list with an empty element, which is valid (RFC 2616 §2.1, whose list syntax RFC 6455 uses).",
  "websocket.handshake.upgrade-list":
    "Our reading: RFC 9110 allows a list of protocols in Upgrade. ws accepts only the single value.",
  "websocket.handshake.http-1-0": "Bug: the server does not check the HTTP version.",
  "websocket.handshake.no-host": "Bug: the server accepts a handshake without Host.",
  "websocket.handshake.version-*": "Bug: the server parses the version like a JavaScript number.",
  "websocket.framing.length-*-bits":
    "Our reading: only the sender is obliged to use the shortest form of the length. ws accepts the other forms.",
  "websocket.utf8.at-once-*":
    "Our reading: RFC 6455 does not say when the connection must fail. ws checks the text after the whole message has arrived.",
  "websocket.control.1000-pings":
    "Choice: ws ends a connection with 60 pings that it has not answered yet.",
  "websocket.deflate.declines-*":
    "Bug: the server parses parameter values like JavaScript numbers (RFC 7692 §7.1.2).",
  "websocket.deflate.declined-is-no-failure":
    "Bug: the server answers 400 instead of declining the offer (RFC 7692 §7.1).",
  "websocket.deflate.fallback":
    "Bug: the server rejects the handshake because of one invalid offer, and ignores the valid offer after it.",
} as const;

// Explanations that several other peers share.

const SHORTEST =
  "Our reading: RFC 6455 §5.2 obliges only the sender to use the shortest form of the length. The server accepts the other forms.";
const WHEN_TO_FAIL =
  "Our reading: RFC 6455 §8.1 does not say when the connection must fail. The kit expects a failure at the first invalid byte.";
const NO_VERSION =
  "Bug: the refusal does not name the version that the server supports (RFC 6455 §4.4: the server MUST respond with a Sec-WebSocket-Version header field).";
const NO_HTTP_VERSION =
  "Bug: the server accepts a handshake over HTTP/1.0 (RFC 6455 §4.2.1 requires HTTP/1.1 or higher).";
const NO_HOST = "Bug: the server accepts a handshake without Host (RFC 6455 §4.2.1, item 2).";
const KEY_UNCHECKED =
  "Choice: the server does not decode the key. RFC 6455 §4.2.2 does not require it.";
const TWO_KEYS = "Our reading: RFC 6455 §11.3.1 obliges only the client to send a single key.";
const UNIQUE = "Our reading: RFC 6455 §4.1 obliges only the client to list each subprotocol once.";
const EXTENSIONS =
  "Bug: the server does not check the grammar of the header (RFC 6455 §9.1: the recipient MUST fail the connection).";
const PROTOCOL_GRAMMAR =
  "Bug: the server does not check the grammar of the header (RFC 6455 §4.2.1: the server MUST refuse violations of the ABNF).";
const NO_MASK =
  "Bug: the server accepts unmasked frames (RFC 6455 §5.1: the server MUST close the connection).";
const UPGRADE_LIST =
  "Our reading: RFC 9110 allows a list of protocols in Upgrade. The server accepts only the single value.";
const CODE_1000 = "Choice: the server answers every close frame with the code 1000.";
const LISTS =
  "Bug: the server rejects a list with an empty element, which is valid (RFC 2616 §2.1, whose list syntax RFC 6455 uses).";

const AIOHTTP = {
  "websocket.handshake.connection-in-two-lines":
    "Bug: aiohttp reads only the first Connection field (RFC 9110 §5.3: two fields form one list).",
  "websocket.handshake.value-with-spaces":
    "Bug: aiohttp treats spaces around a value as a part of the value (RFC 9110 §5.5 excludes them).",
  "websocket.handshake.upgrade-list": UPGRADE_LIST,
  "websocket.handshake.http-1-0": `${NO_HTTP_VERSION} The response of aiohttp is HTTP/1.0, too.`,
  "websocket.handshake.no-host": NO_HOST,
  "websocket.handshake.two-keys": TWO_KEYS,
  "websocket.handshake.extensions-*": EXTENSIONS,
  "websocket.handshake.protocol-twice": UNIQUE,
  "websocket.handshake.protocol-*": PROTOCOL_GRAMMAR,
  "websocket.handshake.connection-prefix":
    'Bug: aiohttp accepts "Upgrades" in place of the token "Upgrade" (RFC 6455 §4.2.1, item 4).',
  "websocket.handshake.version-*": NO_VERSION,
  "websocket.handshake.subprotocol-in-two-lines":
    "Bug: aiohttp reads only the first Sec-WebSocket-Protocol field (RFC 6455 §11.3.4: two fields form one list).",
  "websocket.framing.length-*-bits": SHORTEST,
  "websocket.framing.unmasked": NO_MASK,
  "websocket.masking.*": NO_MASK,
  "websocket.fragmentation.fragment-inside-text":
    "aiohttp discards the first message, and waits for the end of the second. A server that does not respond fails only a SHOULD.",
  "websocket.fragmentation.text-inside-empty":
    "Bug: aiohttp delivers a message that begins inside another message (RFC 6455 §10.7: data MUST be validated).",
  "websocket.utf8.at-once-*": WHEN_TO_FAIL,
  "websocket.closing.invalid-behind":
    "Bug: aiohttp processes frames that arrive after a close frame.",
  "websocket.closing.invalid-*": "Bug: aiohttp accepts close codes that must not be sent.",
  "websocket.closing.code-*": CODE_1000,
  "websocket.sizes.*": "The message limit of aiohttp is one byte less than 16 MiB.",
  "websocket.deflate.rsv1-*":
    "Bug: aiohttp does not check RSV1 of control frames (RFC 7692 §6.1: an endpoint MUST fail the connection).",
  "websocket.deflate.ping-inside":
    "Bug: aiohttp treats a ping inside a compressed message as a part of the message (RFC 6455 §5.4).",
  "websocket.deflate.garbage-*":
    "aiohttp closes with 1000 if it cannot inflate a message. The close code is only a SHOULD.",
  "websocket.deflate.offer-server-bits-15":
    "Our reading: aiohttp accepts the offer, but its response omits the parameter. A window of 15 bits is the default, so the omission has no effect.",
  "websocket.deflate.declines-*":
    "Bug: aiohttp accepts malformed and repeated parameters (RFC 7692 §7: a server MUST decline).",
} as const;

/**
 * Explanations by peer, then by case id or by a pattern of ids, as in the option
 * `--only` of `barewire conform`. The first match counts.
 */
export const EXPLANATIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ws: WS,
  "socket.io": {
    ...WS,
    "engineio4.refusal.websocket-transport-polling":
      "Bug: the server answers 101 before it checks whether the request may become a WebSocket.",
    "engineio4.refusal.*":
      "Choice: with allowEIO3, the server treats every EIO other than 4 as 3. The document of revision 3 does not mention EIO.",
    "engineio4.polling.malformed-base64":
      "Bug: Node's decoder ignores characters that are not base64.",
    "engineio4.polling.base64-length":
      "Bug: Node's decoder ignores characters that are not base64.",
    "engineio4.polling.not-utf8": "Bug: the server replaces invalid UTF-8, and delivers the text.",
    "engineio4.websocket.base64":
      "Choice: the server also decodes base64 in text messages of a WebSocket. The document describes base64 only for polling.",
    "engineio4.close.websocket":
      "Our reading: the document says how a client closes a session. It does not say that the server must close the WebSocket.",
    "engineio4.upgrade.without-probe":
      "Our reading: the document describes an upgrade packet only after a probe. The server accepts an upgrade packet without a probe.",
    "engineio4.upgrade.websocket-of-websocket":
      "Bug: the server answers a probe although the session already uses a WebSocket.",
    "engineio3.payload.*": "Bug: the server does not check the payload.",
    "engineio3.heartbeat.pong-data": "Bug: in revision 3, the pong lacks the data of the ping.",
    "engineio3.upgrade.without-probe":
      "Our reading: the document describes an upgrade packet only after a probe. The server accepts an upgrade packet without a probe.",
    "socketio.ack.id-beyond-safe-integers":
      "Bug: the server rounds the id, and acknowledges another id.",
    "socketio.connect.twice-at-once":
      "Bug: two CONNECT packets sent together create two sockets, and the client knows only one of them.",
    "socketio.disconnect.and-again-at-once":
      "Bug: the connection ends if a client leaves a namespace and joins it again without a pause.",
    "socketio.malformed.event-without-payload":
      "Bug: the server ignores an event without a payload.",
    "socketio.malformed.ack-without-payload":
      "Bug: the server ignores an acknowledgement without a payload.",
    "socketio.malformed.placeholder-fraction":
      "Bug: the server replaces a placeholder whose number is not an index with undefined.",
    "socketio.malformed.deep":
      "Bug: if a server echoes a deeply nested message, its process exits.",
  },
  "python-socketio": {
    ...AIOHTTP,
    "engineio4.handshake.max-payload": "Bug: the open packet has no maxPayload.",
    "engineio4.handshake.cache-control":
      "Our reading: the document does not require Cache-Control.",
    "engineio4.refusal.code-*":
      "Choice: a refusal contains a sentence instead of the codes of the reference implementation.",
    "engineio4.refusal.method-post": "Bug: the request causes an exception and the status 500.",
    "engineio4.refusal.*":
      "Bug: the server accepts a request without transport. It does not compare the transport with the kind of the request, or transport and EIO with those of the session.",
    "engineio4.polling.post-ok": 'Bug: the server answers "OK". The document requires "ok".',
    "engineio4.polling.body-in-pieces":
      "Bug: the server treats the first part of a body as the whole body.",
    "engineio4.polling.chunked": "Bug: the server treats a body without Content-Length as empty.",
    "engineio4.polling.echo-many":
      "Choice: the server drops a payload of more than 16 packets, and still answers OK.",
    "engineio4.polling.overlapping-*": "Bug: the server accepts overlapping requests.",
    "engineio4.polling.*":
      "Bug: the server answers the invalid payload with an error, but the session stays open.",
    "engineio4.close.get-aborted": "Choice: the server does not notice that a GET was aborted.",
    "engineio4.close.*":
      "Bug: a request of a session that has ended causes an exception and the status 500.",
    "engineio4.websocket.*": "Bug: the invalid packet does not end the session.",
    "engineio4.heartbeat.no-get":
      "Bug: a request of a session that has ended causes an exception and the status 500.",
    "engineio4.heartbeat.*": "Choice: any packet from the client keeps the session open.",
    "engineio4.cors.vary":
      "Bug: the server does not tell caches that the response depends on the origin.",
    "engineio4.upgrade.get-behind":
      "Bug: the server still accepts polling requests after the upgrade.",
    "engineio4.upgrade.post-behind":
      "Bug: the server still accepts polling requests after the upgrade.",
    "engineio4.upgrade.second-while-probing":
      "Bug: the server answers the probe of a second WebSocket.",
    "engineio4.upgrade.*": "Bug: an upgrade that is not completed ends or disturbs the session.",
    "socketio.connect-error.refused*":
      "Choice: with always_connect, the server answers CONNECT before the handler can refuse the client.",
    "socketio.connect-error.others-stay":
      "Choice: with always_connect, the server answers CONNECT before the handler can refuse the client.",
    "socketio.connect-error.not-inside":
      "Choice: with always_connect, the server answers CONNECT before the handler can refuse the client.",
    "socketio.connect-error.*":
      "Bug: the payload of CONNECT_ERROR is a string. The document requires an object with a message.",
    "socketio.before-connect.*": "Bug: the server ignores packets before CONNECT.",
    "socketio.connect.twice":
      "Bug: the server answers a second CONNECT with CONNECT_ERROR, and keeps the connection open.",
    "socketio.polling.connect-error":
      "Choice: with always_connect, the server answers CONNECT before the handler can refuse the client.",
    "socketio.polling.malformed": "Bug: the invalid packet does not end the session.",
    "socketio.malformed.*": "Bug: the invalid packet does not end the connection.",
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
      "Choice: the server checks a frame only after the whole frame has arrived.",
    "websocket.utf8.at-once-*": WHEN_TO_FAIL,
    "websocket.closing.messages-before":
      "Choice: the server answers the close frame before the application can answer the messages.",
    "websocket.deflate.offer-server-bits-8":
      "Bug: the server accepts a window of 8 bits, which zlib does not support, and then answers 500 (RFC 7692 §7: a server MUST decline what it does not support).",
  },
  faye: {
    "websocket.handshake.extensions-empty-*": LISTS,
    "websocket.handshake.connection-with-spaces":
      "Bug: the server does not accept a tab beside a comma, which is valid (RFC 2616 §2.2, LWS).",
    "websocket.handshake.upgrade-list": UPGRADE_LIST,
    "websocket.handshake.http-1-0": NO_HTTP_VERSION,
    "websocket.handshake.no-host": NO_HOST,
    "websocket.handshake.key-empty":
      "Bug: the server accepts an empty key (RFC 6455 §4.2.1, item 5; §4.3: base64-value-non-empty).",
    "websocket.handshake.key-*": KEY_UNCHECKED,
    "websocket.handshake.two-keys": TWO_KEYS,
    "websocket.handshake.extensions-*": EXTENSIONS,
    "websocket.handshake.protocol-twice": UNIQUE,
    "websocket.handshake.protocol-*": PROTOCOL_GRAMMAR,
    "websocket.handshake.version-*": NO_VERSION,
    "websocket.handshake.subprotocol-with-spaces":
      "Bug: the server does not accept a tab beside a comma, which is valid (RFC 2616 §2.2, LWS).",
    "websocket.framing.length-*-bits": SHORTEST,
    "websocket.control.ping-in-*": SHORTEST,
    "websocket.framing.unmasked":
      "Choice: the server closes with another code than 1002. RFC 6455 §5.1 only permits 1002, and does not require it.",
    "websocket.masking.*":
      "Choice: the server closes with another code than 1002. RFC 6455 §5.1 only permits 1002, and does not require it.",
    "websocket.utf8.at-once-*": WHEN_TO_FAIL,
    "websocket.closing.code-*":
      "The server does not know codes that were registered after RFC 6455.",
  },
  theturtle32: {
    "websocket.handshake.http-1-0": NO_HTTP_VERSION,
    "websocket.handshake.post":
      "Bug: the server does not check the method (RFC 6455 §4.2.1 requires GET).",
    "websocket.handshake.put":
      "Bug: the server does not check the method (RFC 6455 §4.2.1 requires GET).",
    "websocket.handshake.options":
      "Bug: the server does not check the method (RFC 6455 §4.2.1 requires GET).",
    "websocket.handshake.key-*": KEY_UNCHECKED,
    "websocket.handshake.two-keys": TWO_KEYS,
    "websocket.handshake.version-0": NO_VERSION,
    "websocket.handshake.version-*":
      "Bug: the server parses the version like a JavaScript number (RFC 6455 §4.3 allows only digits without a leading zero).",
    "websocket.handshake.extensions-*": EXTENSIONS,
    "websocket.handshake.protocol-twice": UNIQUE,
    "websocket.handshake.protocol-*": PROTOCOL_GRAMMAR,
    "websocket.handshake.upgrade-*":
      'Bug: the server does not check Upgrade (RFC 6455 §4.2.1, item 3: the value "websocket").',
    "websocket.handshake.subprotocol-with-spaces":
      "Bug: the server does not accept a tab beside a comma, which is valid (RFC 2616 §2.2, LWS).",
    "websocket.handshake.*frame-with-request":
      "Choice: the server loses data that arrives before its response. A client MUST wait for the response (RFC 6455 §4.1).",
    "websocket.framing.unmasked": NO_MASK,
    "websocket.framing.length-*-bits": SHORTEST,
    "websocket.masking.*": NO_MASK,
    "websocket.utf8.at-once-*": WHEN_TO_FAIL,
    "websocket.closing.code-*": CODE_1000,
    "websocket.closing.invalid-*": "Bug: the server accepts a close code that must not be sent.",
    "websocket.sizes.claimed-*":
      "Choice: the server closes with 1002 if a length needs more than 32 bits.",
    "websocket.sizes.last-fragment-beyond-limit":
      "Choice: the server counts a fragment only after the whole fragment has arrived.",
  },
  bun: {
    "websocket.handshake.http-1-0": NO_HTTP_VERSION,
    "websocket.handshake.*connection*":
      'Bug: the server does not check Connection (RFC 6455 §4.2.1, item 4: the token "Upgrade").',
    "websocket.handshake.extensions-*": EXTENSIONS,
    "websocket.handshake.protocol-twice": UNIQUE,
    "websocket.handshake.protocol-*": PROTOCOL_GRAMMAR,
    "websocket.handshake.subprotocol-*":
      'Choice: if the program selects no subprotocol, Bun selects the first one that the client offers. The kit expects "echo" or none.',
    "websocket.framing.length-*-bits": SHORTEST,
    "websocket.utf8.at-once-*": WHEN_TO_FAIL,
    "websocket.sizes.last-fragment-beyond-limit":
      "Choice: the server counts a fragment only after the whole fragment has arrived.",
    "websocket.deflate.compresses":
      "Choice: Bun compresses a message only if the program requests it.",
  },
  deno: {
    "websocket.handshake.http-1-0": `${NO_HTTP_VERSION} The response of Deno is HTTP/1.0, too.`,
    "websocket.handshake.options":
      "Bug: the server does not check the method (RFC 6455 §4.2.1 requires GET).",
    "websocket.handshake.no-host": NO_HOST,
    "websocket.handshake.key-empty":
      "Bug: the server accepts an empty key (RFC 6455 §4.2.1, item 5; §4.3: base64-value-non-empty).",
    "websocket.handshake.key-*": KEY_UNCHECKED,
    "websocket.handshake.two-keys": TWO_KEYS,
    "websocket.handshake.*version*":
      "Bug: the server does not check the version (RFC 6455 §4.2.2: the server MUST abort the handshake).",
    "websocket.handshake.extensions-*": EXTENSIONS,
    "websocket.handshake.protocol-twice": UNIQUE,
    "websocket.handshake.protocol-*": PROTOCOL_GRAMMAR,
    "websocket.handshake.subprotocol-*":
      'Bug: Deno splits the list only at ", " (RFC 2616 §2.1: the space is optional).',
    "websocket.framing.unmasked": NO_MASK,
    "websocket.framing.length-*-bits": SHORTEST,
    "websocket.masking.*": NO_MASK,
    "websocket.fragmentation.fragment-inside-text":
      "Deno waits for the end of a message that can never be complete. A server that does not respond fails only a SHOULD.",
    "websocket.utf8.invalid-fragmented-truncated-*":
      "Bug: if a text ends inside a character, the server delivers the text without this character (RFC 6455 §8.1: an endpoint MUST fail the connection).",
    "websocket.utf8.at-once-*": WHEN_TO_FAIL,
    "websocket.control.ping-in-*": SHORTEST,
    "websocket.control.pong-126-bytes":
      "Deno ignores the pong. A server that does not respond fails only a SHOULD.",
    "websocket.control.close-126-bytes":
      "Bug: the server sends a close frame of 126 bytes itself (RFC 6455 §5.5: 125 bytes or less).",
    "websocket.closing.code-*":
      "The server does not know a code that was registered after RFC 6455.",
    "websocket.sizes.*": "The message limit of Deno is larger than 16 MiB.",
  },
};
