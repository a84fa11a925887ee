// Legacy clients, Socket.IO 1.x and 2.x, speak revision 4 of Socket.IO: the differences from
// revision 5. Socket.IO 4 "Exchange protocol".
//
//   the main namespace   joined without being asked:  the server sends 0
//   another namespace    0/admin?token=1,             its query is what `auth` is in revision 5
//   its answer           0/admin,                     without an id
//   a refusal            4/admin,"not you"            the message, or the data of the error as it is
//
// An id is the session's in the main namespace, and "/admin#" with that behind it in another.

import {
  CONNECT,
  CONNECT_ERROR,
  type ConnectErrorData,
  MAIN_NAMESPACE,
  type Packet,
} from "./packet.ts";

/** The packet that says that a client is in a namespace. */
export function connected(namespace: string): Packet {
  return { type: CONNECT, namespace };
}

/** The text of the packet that refuses a client. */
export function encodeRefusal(namespace: string, { message, data }: ConnectErrorData): string {
  const address = namespace === MAIN_NAMESPACE ? "" : `${namespace},`;
  return `${CONNECT_ERROR}${address}${JSON.stringify(data ?? message)}`;
}

/** The namespace of a packet without its query, and that as names and values. */
export function splitNamespace(given: string): { namespace: string; query: object } {
  const mark = given.indexOf("?");
  if (mark === -1) return { namespace: given, query: {} };
  const query = Object.fromEntries(new URLSearchParams(given.slice(mark + 1)));
  return { namespace: given.slice(0, mark), query };
}

/** The id of a client's socket. */
export function socketId(namespace: string, sid: string): string {
  return namespace === MAIN_NAMESPACE ? sid : `${namespace}#${sid}`;
}
