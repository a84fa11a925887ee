// Cases of Socket.IO 5: what is the same in all of them.

import type { Case, Severity } from "../kit/case.ts";
import type { Context } from "../kit/context.ts";
import type { SocketioPeer } from "../kit/socketio.ts";

/** The headings of the protocol document. */
export type Heading =
  | "Exchange protocol"
  | "Connection to a namespace"
  | "Sending and receiving data"
  | "Acknowledgement"
  | "Disconnection from a namespace"
  | "Packet encoding"
  | "Difference between v5 and v4";

export interface SocketioCase {
  /** Without the layer: group and name. */
  readonly id: string;
  readonly heading: Heading;
  /** Default "MUST". */
  readonly severity?: Severity;
  readonly title: string;
  readonly sends: string;
  readonly expects: string;
  readonly alone?: boolean;
  readonly run: (context: Context) => Promise<void>;
}

export function socketioCase({ id, heading, severity = "MUST", ...rest }: SocketioCase): Case {
  return { id: `socketio.${id}`, clause: `Socket.IO v5, ${heading}`, severity, ...rest };
}

/** The other namespace of the server under test. */
export const CUSTOM = "/custom";

/** Different bytes for each number, as many as that. */
export function bytesOf(length: number, first = length): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (first + i) & 0xff);
}

/** How long a text may be with which a message is as large as the server takes it, or 100 kB. */
export function largestText({ handshake }: SocketioPeer): number {
  return Math.min(handshake.maxPayload, 100_000);
}
