// The lines of a Socket.IO client. The harness is the server.

import { expect, Failure } from "../harness/case.ts";
import { describePacket, namespacePart, parsePacket } from "../peers/socketio.ts";
import { SocketioClientPeer } from "../peers/socketio-client.ts";
import { ENDED } from "../peers/tcp.ts";
import type { WebSocketClientPeer } from "../peers/websocket-client.ts";
import type { Lines } from "./levels.ts";
import { evaluateAwaited, matchPacket } from "./packet.ts";
import type { Action, Play } from "./play.ts";
import type { Scanner } from "./scanner.ts";
import {
  connectionOf,
  expectPacketOrAlive,
  packetsOf,
  SocketioConnection,
  scanAuth,
  scanNamespace,
  sendPackets,
} from "./socketio.ts";
import { type Awaited, scanAwaited, scanWritten, sendWritten } from "./websocket.ts";

/** The session id that the harness assigns to a client in its namespace. */
const SID = "AAAAAAAAAAAAAAAAAAAB";

/**
 * Turns a WebSocket into a Socket.IO connection.
 *
 * @param namespace accepts the client into this namespace. Missing: nothing is sent
 */
export async function openSocketio(
  play: Play,
  name: string,
  websocket: WebSocketClientPeer,
  namespace: string | undefined,
): Promise<void> {
  const peer = new SocketioClientPeer(websocket);
  const connection = new SocketioConnection(peer, play.context);
  play.socketio.set(name, connection);
  if (namespace === undefined) return;
  peer.open();
  await expectJoins(connection, namespace);
  await connection.sendText(`0${namespacePart(namespace)}{"sid":"${SID}"}`);
}

function peerOf(play: Play, connection: string): SocketioClientPeer {
  const { peer } = connectionOf(play, connection);
  if (peer instanceof SocketioClientPeer) return peer;
  throw new Error("expected a connection that a client has opened");
}

/**
 * Expects CONNECT for a namespace. Returns the values of the variables in `auth` that had no value.
 *
 * @param auth the payload of CONNECT. Default: any payload, or none
 */
async function expectJoins(
  { packets }: SocketioConnection,
  wanted: string,
  auth?: string,
): Promise<ReadonlyMap<string, string>> {
  const packet = await packets.take(() => true);
  if (packet === undefined) throw new Failure("CONNECT", ENDED);
  const { type, namespace } = parsePacket(packet.text);
  const what = `CONNECT of "${wanted}"`;
  expect(type === 0 && namespace === wanted, what, describePacket(packet));
  if (auth === undefined) return new Map();
  const part = namespacePart(wanted);
  // A client may name the main namespace, although the name is optional.
  const got = { ...packet, text: packet.text.replace(/^0\/,/, "0") };
  const found = matchPacket({ text: `0${part}${auth}`, attachments: [] }, got);
  if (found === undefined) throw new Failure(`${what} with ${auth}`, describePacket(packet));
  return found;
}

/** Expects the client to close the connection. The client may send DISCONNECT before that, and nothing else. */
async function expectClosed(connection: SocketioConnection): Promise<void> {
  const packet = await connection.packets.peek();
  if (packet !== undefined && parsePacket(packet.text).type === 1) {
    await connection.packets.take(() => true);
  }
  await connection.expectClosed();
}

/** Expects the client to close the connection. The client may send any valid packets before that. */
async function expectClosedAtLast({ packets }: SocketioConnection): Promise<void> {
  for (;;) {
    const packet = await packets.take(() => true);
    if (packet === undefined) return;
    const { type } = parsePacket(packet.text);
    expect(type <= 3 || type === 5, "a packet that a client may send", describePacket(packet));
  }
}

/**
 * Parses what the harness sends:
 *
 *     '0{"sid":"A"}', '2["message"]'  packets in one write, with their attachments
 *     open                            the open packet of Engine.IO
 *     frame text '2'                  a frame of the WebSocket
 *     FIN                             the end of TCP
 */
function sent(scanner: Scanner, connection: string): Action {
  if (scanner.take("open")) return (play) => peerOf(play, connection).open();
  if (scanner.take("FIN")) return (play) => peerOf(play, connection).websocket.tcp.end();
  if (!scanner.take("frame")) return sendPackets(scanner, connection);
  const written = scanWritten(scanner, false);
  return sendWritten([written], connection, (play) => peerOf(play, connection).websocket);
}

/**
 * Parses what the harness expects:
 *
 *     '2["message-back"]' + 01 02     the next packet
 *     joins /                         CONNECT of this namespace, with any "auth"
 *     joins / '{"token":1}'           CONNECT of this namespace, with this "auth"
 *     alive                           the answer to an event that is sent now, with nothing before it
 *     closed                          the end of the connection, with nothing before it but DISCONNECT
 *     any packets, then closed        the end of the connection
 *     frame text '3'                  the next message or frame of the WebSocket
 */
function awaited(scanner: Scanner, connection: string): Awaited {
  // For the next alternative, PacketQueue.firstOf() restores the packets that an alternative has read, but not its frames.
  if (scanner.take("frame")) return { ...scanAwaited(scanner, connection), isReadOnce: true };
  if (scanner.take("joins")) {
    const namespace = scanNamespace(scanner);
    const auth = scanAuth(scanner);
    return {
      action: async (play) => {
        const payload = auth && evaluateAwaited(auth, play.variables).text;
        const found = await expectJoins(connectionOf(play, connection), namespace, payload);
        for (const [name, value] of found) play.variables.set(name, value);
      },
    };
  }
  if (scanner.take("closed")) {
    return { action: (play) => expectClosed(connectionOf(play, connection)) };
  }
  if (scanner.take("any packets, then closed")) {
    return { action: (play) => expectClosedAtLast(connectionOf(play, connection)) };
  }
  return { action: expectPacketOrAlive(scanner, connection) };
}

export const SOCKETIO_CLIENT: Lines = { sent, awaited, peerOf: packetsOf };
