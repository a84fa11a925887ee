// Creates and parses parts of the packets of revision 4 of Socket.IO, which the legacy clients (Socket.IO 1.x and 2.x)
// use. The differences from revision 5 are in Socket.IO 4 "Exchange protocol":
//
//   main namespace    the server connects the client without a request, and sends 0
//   other namespaces  0/admin?token=1,    the query replaces `auth` of revision 5
//   the response      0/admin,            contains no id
//   a refusal         4/admin,"not you"   contains the message, or the data of the error
//
// In the main namespace, the id of a socket is the id of the session. In another namespace, such as "/admin", the id
// is "/admin#" followed by the id of the session.

import {
  CONNECT,
  CONNECT_ERROR,
  type ConnectErrorData,
  MAIN_NAMESPACE,
  type Packet,
} from "./packet.ts";

/** Returns the packet that accepts a client in a namespace. */
export function connected(namespace: string): Packet {
  return { type: CONNECT, namespace };
}

/** Encodes the packet that refuses a client. */
export function encodeRefusal(namespace: string, { message, data }: ConnectErrorData): string {
  const address = namespace === MAIN_NAMESPACE ? "" : `${namespace},`;
  return `${CONNECT_ERROR}${address}${JSON.stringify(data ?? message)}`;
}

/** Splits the namespace of a packet into the name and the parsed query. */
export function splitNamespace(given: string): { namespace: string; query: object } {
  const mark = given.indexOf("?");
  if (mark === -1) return { namespace: given, query: {} };
  const query = Object.fromEntries(new URLSearchParams(given.slice(mark + 1)));
  return { namespace: given.slice(0, mark), query };
}

/** Returns the id of a socket, from the namespace and the id of the session. */
export function socketId(namespace: string, sid: string): string {
  return namespace === MAIN_NAMESPACE ? sid : `${namespace}#${sid}`;
}
