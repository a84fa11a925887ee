// Runs the conformance kit against servers that flood the kit with data, exit, or send invalid frames.

import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";

import { CASES } from "../../conformance/cases.ts";
import { type Result, runCase } from "../../conformance/harness/runner.ts";
import { addressOf, parseTarget } from "../../conformance/harness/target.ts";
import { acceptFor } from "../../conformance/peers/websocket.ts";
import { portOf } from "../support/net.ts";
import { withTarget } from "./support.ts";

const CHUNK = Buffer.alloc(1024 * 1024);

/**
 * Runs a case against a server that answers the handshake with `status`, and calls `fault` when the kit has sent the first
 * bytes after the handshake.
 */
async function run(
  id: string,
  fault: (socket: Socket, close: () => void) => void,
  status = "HTTP/1.1 101 Switching Protocols",
  limit = 10_000,
): Promise<Result> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", (request) => {
      const key = /sec-websocket-key: (\S+)/i.exec(request.toString())?.[1] ?? "";
      socket.write(
        `${status}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptFor(key)}\r\n\r\n`,
      );
      socket.once("data", () => fault(socket, () => server.close()));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const each = CASES.find((one) => one.id === id);
  assert.ok(each !== undefined, id);
  const result = await runCase(each, parseTarget(`http://127.0.0.1:${portOf(server)}`), limit);
  for (const socket of sockets) socket.destroy();
  if (server.listening) server.close();
  return result;
}

test("an endless frame fails the case without exhausting the kit's memory", async () => {
  const result = await run("websocket.framing.text-of-1", (socket) => {
    socket.write(Buffer.of(0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0));
    const flood = (): void => {
      while (!socket.destroyed && socket.write(CHUNK));
    };
    socket.on("drain", flood);
    flood();
  });
  assert.equal(result.outcome, "failed");
  assert.equal(result.got, "more bytes");
});

test("an endless HTTP body fails the case without exhausting the kit's memory", async () => {
  const server = createHttpServer((_request, response) => {
    response.writeHead(200);
    const flood = (): void => {
      while (!response.destroyed && response.write(CHUNK));
    };
    response.on("drain", flood);
    flood();
  });
  const each = CASES.find(({ id }) => id === "engineio4.handshake.polling");
  assert.ok(each !== undefined);
  const { outcome, got } = await withTarget(server, (target) => runCase(each, target, 10_000));
  assert.deepEqual([outcome, got], ["failed", "more bytes"]);
});

test("a server that exits does not pass a case that expects a failed connection", async () => {
  const result = await run("websocket.framing.opcode-3", (socket, close) => {
    close();
    socket.destroy();
  });
  assert.equal(result.outcome, "failed");
  assert.equal(result.expected, "a running server");
});

test("a connection that ends within a frame fails the case", async () => {
  const result = await run("websocket.framing.opcode-3", (socket) => {
    socket.end(Buffer.of(0x81, 5, 0x61));
  });
  assert.equal(result.outcome, "failed");
  assert.equal(result.expected, "complete frames");
});

test("bytes after a close frame fail the case, even if the connection ends at once", async () => {
  const result = await run("websocket.closing.reason", (socket) => {
    socket.end(Buffer.of(0x88, 2, 3, 0xe8, 0x81, 1, 0x61));
  });
  assert.equal(result.outcome, "failed");
  assert.equal(result.got, "3 bytes");
});

test("a close frame without a code fails only a SHOULD if it reports an error, and passes if it answers a close frame", async () => {
  const end = (socket: Socket): void => void socket.end(Buffer.of(0x88, 0));
  const failed = await run("websocket.framing.opcode-3", end);
  assert.equal(failed.outcome, "failed");
  assert.equal(failed.severity, "SHOULD");
  const answered = await run("websocket.closing.reason", end);
  assert.equal(answered.outcome, "passed");
});

// Headers of frames that no server may send. The payload of each frame is one byte.
const WRONG = [
  { name: "RSV1", bytes: [0xc1, 1], expected: "RSV1 to RSV3 unset (RFC 6455 §5.2)" },
  { name: "opcode 0xB", bytes: [0x8b, 1], expected: "no reserved opcode (RFC 6455 §5.2)" },
  {
    name: "a continuation frame without a message",
    bytes: [0x80, 1],
    expected: "a frame that begins a message (RFC 6455 §5.4)",
  },
  {
    name: "a ping without FIN",
    bytes: [0x09, 1],
    expected: "a short control frame with FIN (RFC 6455 §5.5)",
  },
  {
    name: "a new message inside a fragmented message",
    bytes: [0x01, 1, 0x61, 0x81, 1],
    expected: "a continuation frame (RFC 6455 §5.4)",
  },
];

for (const { name, bytes, expected } of WRONG) {
  test(`an invalid frame from the server fails the case: ${name}`, async () => {
    const result = await run("websocket.framing.text-of-1", (socket) => {
      socket.write(Buffer.from([...bytes, 0x61]));
    });
    assert.equal(result.outcome, "failed");
    assert.equal(result.expected, expected);
  });
}

test("a case fails if the server is silent, with its expectation and its severity for a silent server", async () => {
  for (const [id, severity] of [
    ["websocket.framing.opcode-3", "MUST"],
    ["websocket.control.pong-126-bytes", "SHOULD"],
  ] as const) {
    const each = CASES.find((one) => one.id === id);
    const result = await run(id, () => {}, undefined, 300);
    assert.equal(result.expected, each?.expects);
    assert.match(result.got ?? "", /^nothing more within 300 ms$/);
    assert.equal(result.severity, severity);
  }
});

test("an HTTP/1.0 rejection passes, and an HTTP/1.0 101 response fails", async () => {
  const refused = await run("websocket.handshake.no-key", () => {}, "HTTP/1.0 400 Bad Request");
  assert.equal(refused.outcome, "passed");
  const switched = await run("websocket.framing.text-of-1", () => {}, "HTTP/1.0 101 Switching");
  assert.equal(switched.got, '"HTTP/1.0 101 Switching"');
});

test("an IPv6 address is printed in brackets", () => {
  const target = parseTarget("http://[::1]:3000");
  assert.equal(target.host, "::1");
  assert.equal(addressOf(target), "[::1]:3000");
});
