// Encodes the messages between the processes of one machine, as MessagePack. The user's values are converted in the
// same way as values that are sent to clients: toJSON() is called, and functions are omitted. Sets are encoded as
// lists.

import { decode, encode } from "../../protocol/socketio/messagepack.ts";
import type { Untyped } from "../events/emitter.ts";
import type { BroadcastOptions } from "../socketio/adapter.ts";
import type { ClusterAnswer, ClusterMessage, Received } from "./cluster-messages.ts";

/**
 * Encodes a message.
 *
 * @throws RangeError or TypeError if a value cannot be encoded, for example because of a cycle
 */
export function encodeMessage(message: ClusterMessage | ClusterAnswer): Uint8Array {
  if ("options" in message) return encode({ ...message, options: withLists(message.options) });
  if (message.type !== "fetched") return encode(message);
  const sockets = message.sockets.map(({ id, handshake, rooms, data }) => {
    return { id, handshake, rooms: [...rooms], data };
  });
  return encode({ ...message, sockets });
}

/** Decodes a message that encodeMessage() of the same version has encoded. */
export function decodeMessage(bytes: Uint8Array): Received {
  const message: Untyped = decode(bytes);
  if (message.options !== undefined) message.options = withSets(message.options);
  if (message.type === "fetched") {
    for (const socket of message.sockets) socket.rooms = new Set(socket.rooms);
  }
  return message;
}

function withLists({ rooms, except, flags }: BroadcastOptions): object {
  return { rooms: [...rooms], except: [...except], flags };
}

function withSets({ rooms, except, flags }: Untyped): BroadcastOptions {
  return { rooms: new Set(rooms), except: new Set(except), flags };
}
