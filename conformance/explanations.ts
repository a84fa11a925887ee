// Why peers fail the cases they fail, as conformance/results.ts writes it beside each failure.

/** What `ws` does, which is also under socket.io. */
const WS = {
  "websocket.handshake.upgrade-list":
    "Our reading: a list of protocols is allowed in Upgrade by RFC 9110; ws takes the one word only. INFO.",
  "websocket.handshake.http-1.0": "Its fault: the version of HTTP is not checked.",
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

/** By peer, then by the id of the case, or a pattern of ids as --only has it; the first that fits counts. */
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
    "websocket.handshake.connection-in-two-lines":
      "aiohttp's fault: it looks at the first line only.",
    "websocket.handshake.value-with-spaces":
      "aiohttp's fault: spaces around a value are part of it.",
    "websocket.handshake.upgrade-list":
      "Our reading: a list of protocols is allowed in Upgrade by RFC 9110. INFO.",
    "websocket.handshake.http-1.0":
      "aiohttp answers, but as HTTP/1.0, which the case does not read.",
    "websocket.handshake.no-host": "aiohttp's fault: a missing Host is not checked.",
    "websocket.handshake.two-keys": "aiohttp's fault: the second key is passed over.",
    "websocket.handshake.extensions-*":
      "aiohttp's fault: the grammar of the header is not checked.",
    "websocket.handshake.protocol-*": "aiohttp's fault: the grammar of the header is not checked.",
    "websocket.handshake.connection-prefix":
      "aiohttp's fault: a part of a word counts as the word.",
    "websocket.handshake.version-7": "aiohttp's choice: it speaks the drafts 7 and 8 too.",
    "websocket.handshake.version-*":
      "aiohttp's fault: a refusal does not tell the version that it speaks (RFC 6455 §4.4).",
    "websocket.handshake.subprotocol-in-two-lines":
      "aiohttp's fault: it looks at the first line only.",
    "websocket.framing.length-*-bits":
      "Our reading: the shortest form is a MUST of the sender. SHOULD.",
    "websocket.framing.unmasked": "aiohttp's fault: frames of clients need no mask.",
    "websocket.masking.*": "aiohttp's fault: frames of clients need no mask.",
    "websocket.fragmentation.*":
      "aiohttp's fault: a message that begins inside an empty or unfinished one is not told from it.",
    "websocket.utf8.at-once-*": "Our reading: no sentence says when to fail. SHOULD.",
    "websocket.closing.invalid-behind":
      "aiohttp's fault: what comes behind a close frame is looked at.",
    "websocket.closing.invalid-*": "aiohttp's fault: codes that must not be sent are taken.",
    "websocket.closing.code-*": "aiohttp's choice: it answers every code with 1000. SHOULD.",
    "websocket.sizes.*": "aiohttp's limit is one byte less than 16 MiB. SHOULD.",
    "websocket.deflate.rsv1-*": "aiohttp's fault: RSV1 of control frames is not checked.",
    "websocket.deflate.ping-inside":
      "aiohttp's fault: a ping inside a compressed message is taken for a part of it.",
    "websocket.deflate.garbage-*":
      "aiohttp closes with 1000 what cannot be inflated; the code for it is a SHOULD.",
    "websocket.deflate.offer-server-bits-15":
      "aiohttp's fault: it accepts the parameter and does not answer it.",
    "websocket.deflate.declines-*":
      "aiohttp's fault: parameters that are malformed or repeated are taken.",
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
};
