// The guards of the limits in docs/limits.md: for each limit the source code that enforces it, the code without the
// limit, and the test that must then fail. `npm run guards` removes the guards one by one.

/** A place in the sources that enforces a limit. */
export interface Guard {
  /** The limit, as in the first column of docs/limits.md. A limit may have several guards. */
  readonly bound: string;
  /** The path relative to the project root. */
  readonly file: string;
  /** The guard, which occurs in the file exactly once. */
  readonly from: string;
  /** The code that replaces the guard. */
  readonly to: string;
  /** The path of the test file, relative to the project root. */
  readonly test: string;
  /** The title of the test, or a part of several titles. Default: the last column of docs/limits.md. */
  readonly title?: string;
}

export const GUARDS: readonly Guard[] = [
  {
    bound: "Bytes of a message, before and after inflating, and of a POST",
    file: "lib/engineio/polling.ts",
    from: "const { maxPayload } = this.#options;",
    to: "const maxPayload = Number.POSITIVE_INFINITY;",
    test: "tests/lib/engineio/ways-in.test.ts",
    // docs/limits.md names the suite "body size". This title selects the tests of the suite that need the guard.
    title: "POST is rejected: 413",
  },
  {
    bound: "Bytes of a message, before and after inflating, and of a POST",
    file: "lib/engineio/polling.ts",
    from: 'if (Number(request.headers["content-length"]) > maxPayload) {',
    to: "if (false) {",
    test: "tests/limits/slow.test.ts",
    title: "the rest of the body may take five more seconds: Content-Length is too large",
  },
  {
    bound: "Bytes of a message, before and after inflating, and of a POST",
    file: "lib/engineio/polling.ts",
    from: "if (body.length + chunk.length <= maxPayload) {",
    to: "if (true) {",
    test: "tests/limits/slow.test.ts",
    title: "the rest of the body may take five more seconds: chunked body becomes too large",
  },
  {
    bound: "Bytes of a message, before and after inflating, and of a POST",
    file: "protocol/websocket/receiver.ts",
    from: 'if (held + length > this.#maxPayload) throw new ProtocolError("MESSAGE_TOO_BIG");',
    to: "void held;",
    test: "tests/protocol/websocket/receiver.test.ts",
    title: "RFC 6455 §10.4 MESSAGE_TOO_BIG and MINIMAL_LENGTH are detected in the length",
  },
  {
    bound: "Bytes of a message, before and after inflating, and of a POST",
    file: "lib/websocket/message-deflate.ts",
    from: "const options = this.#inflateOptions(Math.min(maxPayload, SMALL_INFLATED));",
    to: "const options = this.#inflateOptions(SMALL_INFLATED);",
    test: "tests/lib/websocket/message-deflate.test.ts",
    title: "RFC 6455 §10.4 inflateNow() stops at 32 KiB or maxPayload",
  },
  {
    bound: "Bytes of a message, before and after inflating, and of a POST",
    file: "lib/websocket/message-deflate.ts",
    from: "const options = this.#inflateOptions(this.#settings.maxPayload);",
    to: "const options = this.#inflateOptions(Number.POSITIVE_INFINITY);",
    test: "tests/lib/websocket/message-deflate.test.ts",
    title: "RFC 7692 §7.2.2: rejects invalid compressed data, and messages larger than maxPayload",
  },
  {
    bound: "Attachments of a packet",
    file: "protocol/socketio/decoder.ts",
    from: 'if (expected > this.#maxAttachments) throw new ProtocolError("TOO_MANY_ATTACHMENTS");',
    to: "",
    test: "tests/server.test.ts",
  },
  {
    bound: "Milliseconds until a client has joined a namespace",
    file: "lib/socketio/clients.ts",
    from: "this.#connecting.at(-1)?.add(dispatcher);",
    to: "",
    test: "tests/lib/engineio/heartbeat.test.ts",
  },
  {
    bound: "Milliseconds that an upgrade may take",
    file: "lib/engineio/engine.ts",
    from: "this.upgrades = new Deadlines(upgradeTimeout, (upgrade) => upgrade.abandon());",
    to: "this.upgrades = new Deadlines(upgradeTimeout, () => {});",
    test: "tests/lib/engineio/upgrade.test.ts",
  },
  {
    bound: "Milliseconds until a pong must arrive",
    file: "lib/engineio/heartbeat.ts",
    from: "this.#awaiting.add(session);\n      session.onPingDue();",
    to: "session.onPingDue();",
    test: "tests/lib/engineio/heartbeat.test.ts",
  },
  {
    bound: "Bytes of `auth`, in all namespaces of a connection together",
    file: "lib/socketio/dispatcher.ts",
    from: "if (this.#authSize + authSize > maxAuthSize) {",
    to: "if (authSize > maxAuthSize) {",
    test: "tests/limits/connect.test.ts",
  },
  {
    bound: "Bytes of `auth`, in all namespaces of a connection together",
    file: "lib/socketio/dispatcher.ts",
    from: "if (this.#authSize + authSize > maxAuthSize) {",
    to: "if (this.#authSize > maxAuthSize) {",
    test: "tests/limits/connect.test.ts",
    title: "auth of more than maxAuthSize bytes is refused, and the connection stays open",
  },
  {
    bound:
      "Namespaces that a connection causes to exist, including namespaces that the program has not accepted yet",
    file: "lib/socketio/namespaces.ts",
    from: "if (allowance.left < 1 || name.length > MAX_CREATED_NAME) {",
    to: "if (name.length > MAX_CREATED_NAME) {",
    test: "tests/limits/connect.test.ts",
  },
  {
    bound: "Polling responses that pages load as scripts (JSONP)",
    file: "lib/engineio/origin-gate.ts",
    from: "if (jsonp && !this.#jsonp) {",
    to: "if (false) {",
    test: "tests/lib/engineio/ways-in.test.ts",
    // docs/limits.md names the suite "jsonp off". This title selects the tests of the suite that need the guard.
    title: "is rejected: 400 JSONP_NOT_ENABLED",
  },
  {
    bound: "Milliseconds in which all connections end after `io.close()`",
    file: "lib/shutdown.ts",
    from: "attachment?.cutOff();",
    to: "",
    test: "tests/limits/close.test.ts",
  },
  {
    bound: "Milliseconds in which all connections end after SIGTERM, with `io.run()`",
    file: "lib/run.ts",
    from: "await close(drainTimeout);",
    to: "await close(0x7fffffff);",
    test: "tests/limits/close.test.ts",
  },
  {
    bound: "Milliseconds in which a client must send the rest of a refused request body",
    file: "lib/engineio/unread-body.ts",
    from: "unread.add(request);",
    to: "",
    test: "tests/limits/slow.test.ts",
    // docs/limits.md names the suite "The rest of the body of a refused request". This title selects one of its tests.
    title: "the rest of the body may take five more seconds",
  },
  {
    bound: "Milliseconds that each attachment of a packet may take",
    file: "lib/socketio/clients.ts",
    from: 'dispatcher.endAt("attachmentTimeout", "an attachment has not arrived in time"),',
    to: "void dispatcher,",
    test: "tests/limits/slow.test.ts",
  },
  {
    bound: "Rooms of one socket",
    file: "lib/socketio/socket.ts",
    from: "if ((joined?.size ?? 0) + more.size > this.nsp.maxRoomsPerSocket) {\n      for",
    to: "if (false) {\n      for",
    test: "tests/limits/slow.test.ts",
  },
  {
    bound: "Bytes that wait for one client, plus one message",
    file: "lib/engineio/waiting-messages.ts",
    from: "if (this.#kept.first !== undefined && mustFit > this.#max) {",
    to: "if (false) {",
    test: "tests/guarantees.test.ts",
  },
  {
    bound: "Bytes that wait for all clients together",
    file: "lib/total-backpressure.ts",
    from: "while (this.#total > this.#max && this.#lengths.size > 1) this.#endLargest();",
    to: "",
    test: "tests/limits/backlog.test.ts",
  },
  {
    bound: "Poll responses that a client has not read",
    file: "lib/engineio/polling.ts",
    from: "if (this.#poll !== undefined || this.unreadBytes > 0) {",
    to: "if (this.#poll !== undefined) {",
    test: "tests/limits/backlog.test.ts",
  },
  {
    bound: "Milliseconds in which a client must read the last poll response of a session",
    file: "lib/engineio/polling.ts",
    from: "if (this.#unread !== undefined) unsent.add(this.#unread);",
    to: "",
    test: "tests/limits/backlog.test.ts",
  },
  {
    bound: "Characters in the name of a namespace that a client causes to exist",
    file: "lib/socketio/namespaces.ts",
    from: "if (allowance.left < 1 || name.length > MAX_CREATED_NAME) {",
    to: "if (allowance.left < 1) {",
    test: "tests/limits/connect.test.ts",
  },
  {
    bound: "Bytes of the events and the sessions that are kept for clients that may recover",
    file: "lib/socketio/recovery-store.ts",
    from: "this.packets = new FairEviction(maxPackets, maxBytes);",
    to: "this.packets = new FairEviction(maxPackets, Number.POSITIVE_INFINITY);",
    test: "tests/lib/socketio/recovery.test.ts",
  },
  {
    bound: "Bytes of the events and the sessions that are kept for clients that may recover",
    file: "lib/socketio/recovery-store.ts",
    from: "this.sessions = new FairEviction(maxSessions, maxBytes);",
    to: "this.sessions = new FairEviction(maxSessions, Number.POSITIVE_INFINITY);",
    test: "tests/lib/socketio/recovery-store.test.ts",
    title: "stored sessions are limited in number and bytes, for all namespaces together",
  },
  {
    bound: "Sessions that are kept for clients that may recover",
    file: "lib/socketio/recovery-store.ts",
    from: "this.sessions = new FairEviction(maxSessions, maxBytes);",
    to: "this.sessions = new FairEviction(Number.POSITIVE_INFINITY, maxBytes);",
    test: "tests/lib/socketio/recovery.test.ts",
  },
  {
    bound: "Events that are kept for clients that may recover",
    file: "lib/socketio/recovery-store.ts",
    from: "this.packets = new FairEviction(maxPackets, maxBytes);",
    to: "this.packets = new FairEviction(Number.POSITIVE_INFINITY, maxBytes);",
    test: "tests/lib/socketio/recovery.test.ts",
  },
  {
    bound: "Bytes that are sent to a client that recovers",
    file: "lib/socketio/recovery-store.ts",
    from: 'if (length > this.#bounds.limits.maxReplay) return "packets dropped";',
    to: "",
    test: "tests/lib/socketio/recovery.test.ts",
  },
  {
    bound: "Packets of one POST that are delivered before other clients are served",
    file: "lib/engineio/polling.ts",
    from: "for (let count = 0; count < PACKETS_PER_TURN; count++) {",
    to: "for (;;) {",
    test: "tests/lib/engineio/large-payload.test.ts",
  },
  {
    bound: "Events that wait for a client at `maxBackpressure`",
    file: "lib/engineio/waiting-messages.ts",
    from: "this.#makeRoom(this.#max - message.length);",
    to: "",
    test: "tests/lib/socketio/slow-client.test.ts",
  },
  {
    bound: "Events that one socket sends",
    file: "lib/socketio/rate-limit.ts",
    from: "if (excess > ROUNDING) {",
    to: "if (false) {",
    test: "tests/lib/socketio/rate-limit.test.ts",
  },
  {
    bound: "Clients that are connected at once",
    file: "lib/connection-bounds.ts",
    from: 'if (this.#count >= maxConnections) return this.#noPlace("maxConnections");',
    to: "void maxConnections;",
    test: "tests/limits/connections.test.ts",
  },
  {
    bound:
      "Clients of one address that are connected at once; for IPv6, clients of one network of 64 bits",
    file: "lib/connection-bounds.ts",
    from: 'if (ofGroup >= maxConnectionsPerAddress) return this.#noPlace("maxConnectionsPerAddress");',
    to: "",
    test: "tests/limits/connections.test.ts",
  },
  {
    bound: "New clients in one second",
    file: "lib/connection-bounds.ts",
    from: "if (this.#tokens < 1) {",
    to: "if (false) {",
    test: "tests/limits/connections.test.ts",
  },
  {
    bound: "Lines of `logger` at `warn` for one reason in one second",
    file: "lib/engineio/log.ts",
    from: "if (warnings.count <= MAX_LINES)",
    to: "if (true)",
    test: "tests/lib/engineio/log.test.ts",
  },
  {
    bound: "Bytes of a message to a `WebSocketServer`, also after inflating",
    file: "lib/websocket/server.ts",
    from: "const { maxPayload = DEFAULT_MAX_PAYLOAD } = this.#options;",
    to: "const maxPayload = Number.POSITIVE_INFINITY;",
    test: "tests/limits/websocket-server.test.ts",
  },
  {
    bound: "Clients of a `WebSocketServer` that are connected at once",
    file: "lib/websocket/server.ts",
    from: "this.#bounds = ConnectionBounds.of(options);",
    to: "this.#bounds = undefined;",
    test: "tests/limits/websocket-server.test.ts",
  },
  {
    bound: "Clients of a `WebSocketServer` from one address; for IPv6, from one network of 64 bits",
    file: "lib/websocket/server.ts",
    from: "this.#bounds?.enter(clientAddress(request, this.#isTrusted));",
    to: "this.#bounds?.enter(String(Math.random()));",
    test: "tests/limits/websocket-server.test.ts",
  },
  {
    bound: "New clients of a `WebSocketServer` in one second",
    file: "lib/connection-bounds.ts",
    from: "this.#tokens--;",
    to: "",
    test: "tests/limits/websocket-server.test.ts",
  },
  {
    bound:
      "Milliseconds in which a `WebSocketServer` decides about a client, with `origins` and `verify`",
    file: "lib/websocket/server.ts",
    from: "this.#handshakes.add(socket);",
    to: "",
    test: "tests/limits/websocket-server.test.ts",
  },
  {
    bound: "Bytes that wait for one client of a `WebSocketServer`, plus one message",
    file: "lib/websocket/server.ts",
    from: "if (connection.open && connection.congested && connection.bufferedAmount > maxBackpressure) {",
    to: "if (false) {",
    test: "tests/limits/websocket-server.test.ts",
  },
  {
    bound: "Bytes that wait for all clients of a `WebSocketServer` together",
    file: "lib/websocket/server.ts",
    from: "backlog.set(this, connection.bufferedAmount);",
    to: "void backlog;",
    test: "tests/limits/websocket-server.test.ts",
  },
  {
    bound: "Milliseconds that the closing handshake of any WebSocket may take",
    file: "lib/websocket/connection.ts",
    from: "if (!closing.has(this.#socket)) this.#startCloseTimer();",
    to: "",
    test: "tests/lib/websocket/connection.test.ts",
  },
  {
    bound: "Pongs of any WebSocket that wait until the client reads",
    file: "protocol/websocket/endpoint.ts",
    from: "if (!congested) this.#writeControl(PONG, this.payload);",
    to: "this.#writeControl(PONG, this.payload);",
    test: "tests/lib/websocket/connection.test.ts",
  },
];
