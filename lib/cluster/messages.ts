// The messages that the primary and its workers exchange over IPC.
//
//   worker                                primary
//     hello ──▶                             ◀── welcome: the worker's number, and where it listens
//     joined ──▶                            ◀── peers: the other workers, after each change
//     batch of items ──▶                    ◀── batch of items
//     connection, with its handle ──▶       ── connection ──▶ another worker
//     leaving ──▶                           ◀── leave
//
// Items are the messages that the adapters of namespaces exchange through the hub. The items of one turn of the event
// loop are sent together.

import type { RecoveryLimits } from "../socketio/recovery-store.ts";
import type { RequestHead } from "./forwarding.ts";
import type { Peer } from "./router.ts";

/** Distinguishes the messages of this module from messages of the user's program. */
export const SOURCE = "barewire";

/** The id of an adapter in its namespace. */
export type NodeId = string;

/** The stored state of a socket. */
export interface SessionRecord {
  readonly sid: string;
  readonly pid: string;
  readonly rooms: readonly string[];
  /** The serialized `socket.data`. */
  readonly data: Uint8Array;
  /** The offset at the start of the session. */
  readonly offset: string;
  /** The address of the client. */
  readonly address: string | undefined;
}

/** The sessions that a packet is for, and the packet's number among the packets of its worker. */
export interface KeptFor {
  readonly sequence: number;
  readonly rooms: readonly string[];
  readonly except: readonly string[];
  /** Whether the packet is only for clients of this worker. */
  readonly local: boolean;
}

/** A packet that a client has missed. */
export interface MissedPacket {
  /** The encoded message, as it was published. */
  readonly body: Uint8Array;
  /** The offset that the client receives with the packet. */
  readonly offset: string;
}

/** Why a session cannot be restored. RecoveryFailure of the adapter has the same values. */
export type ClaimFailure = "unknown session" | "unknown offset" | "packets dropped";

/** The response to a claim: the session and the missed packets, or why the session cannot be restored. */
export type ClaimResult =
  | { readonly session: SessionRecord; readonly missed: readonly MissedPacket[] }
  | ClaimFailure;

/** An item from an adapter to the hub. */
export type ToHub =
  /** An adapter was created. */
  | {
      readonly type: "join";
      readonly nsp: string;
      readonly node: NodeId;
      readonly recovery: RecoveryLimits | undefined;
    }
  | { readonly type: "part"; readonly nsp: string; readonly node: NodeId }
  /** A message for all other adapters of the namespace. The hub stores a message that clients may miss. */
  | {
      readonly type: "publish";
      readonly nsp: string;
      readonly node: NodeId;
      readonly body: Uint8Array;
      readonly kept: KeptFor | undefined;
    }
  /** A message for one adapter. */
  | {
      readonly type: "respond";
      readonly nsp: string;
      readonly node: NodeId;
      readonly to: NodeId;
      readonly body: Uint8Array;
    }
  /** A packet that was sent only to clients of this worker, and that these clients may miss. */
  | {
      readonly type: "keep";
      readonly nsp: string;
      readonly body: Uint8Array;
      readonly kept: KeptFor;
    }
  /**
   * The state of a connected socket. If the worker ends unexpectedly, the client can recover this state in another
   * worker.
   */
  | { readonly type: "socket"; readonly nsp: string; readonly session: SessionRecord }
  /** A socket has disconnected, and its client cannot recover the session. */
  | { readonly type: "socket-gone"; readonly nsp: string; readonly pid: string }
  /** A socket has disconnected, and its client may recover the session. */
  | { readonly type: "persist"; readonly nsp: string; readonly session: SessionRecord }
  /** A client has reconnected and requests its session. */
  | {
      readonly type: "claim";
      readonly nsp: string;
      readonly request: number;
      readonly pid: string;
      readonly offset: string | undefined;
    };

/** An item from the hub to an adapter. */
export type FromHub =
  /** A message of another adapter. `index` is the number of a stored packet among all stored packets. */
  | {
      readonly type: "message";
      readonly nsp: string;
      readonly from: NodeId;
      readonly body: Uint8Array;
      readonly index: number | undefined;
    }
  /** An adapter was removed. */
  | { readonly type: "gone"; readonly nsp: string; readonly node: NodeId }
  /** The response to a claim. `index` is the number of the last packet that the hub has stored. */
  | {
      readonly type: "claimed";
      readonly request: number;
      readonly result: ClaimResult;
      readonly index: number;
    }
  /** The client of this session has reconnected to another process. */
  | { readonly type: "returned"; readonly nsp: string; readonly pid: string };

/** What a worker reports about itself. */
export interface WorkerReport {
  /** The number of open Engine.IO sessions. */
  readonly clients: number;
  /** The resident memory, in bytes. */
  readonly memory: number;
}

/** The state of a worker. */
export interface WorkerHealth {
  /** The number of the worker in the cluster, from 1 to 4095. */
  readonly number: number;
  /** The id of the worker's process. */
  readonly pid: number | undefined;
  /** "starting": the worker does not accept clients yet. "ready": it accepts clients. "leaving": it will exit soon. */
  readonly state: "starting" | "ready" | "leaving";
  /** Milliseconds since the process was started. */
  readonly uptime: number;
  /**
   * The worker's own report. `undefined` if the worker has not answered within one second, because it is busy or
   * blocked.
   */
  readonly report: WorkerReport | undefined;
}

/** A message from a worker to the primary. */
export type ToPrimary = { readonly source: typeof SOURCE } & (
  | { readonly type: "hello" }
  /** The worker receives forwarded requests. If run() has started the worker, the worker also listens for clients. */
  | {
      readonly type: "joined";
      readonly url: string | undefined;
      readonly port: number | undefined;
    }
  | { readonly type: "failed"; readonly message: string; readonly code: string | undefined }
  | { readonly type: "leaving" }
  | { readonly type: "stop" | "restart" }
  | { readonly type: "health"; readonly request: number }
  | { readonly type: "batch"; readonly items: readonly ToHub[] }
  | { readonly type: "report"; readonly request: number; readonly report: WorkerReport }
  | {
      readonly type: "connection";
      readonly to: number;
      readonly head: RequestHead;
      readonly bytes: Uint8Array;
    }
);

/** A message from the primary to a worker. */
export type FromPrimary = { readonly source: typeof SOURCE } & (
  | {
      readonly type: "welcome";
      readonly number: number;
      readonly secret: string;
      /** The path of the socket on which the worker receives forwarded requests. */
      readonly path: string;
      /** The port to listen on. `undefined`: the port that the worker's program chooses. */
      readonly port: number | undefined;
    }
  | { readonly type: "peers"; readonly peers: readonly Peer[] }
  | { readonly type: "batch"; readonly items: readonly FromHub[] }
  | { readonly type: "leave"; readonly restart: boolean }
  | { readonly type: "report"; readonly request: number }
  | {
      readonly type: "health";
      readonly request: number;
      readonly workers: readonly WorkerHealth[];
    }
  | { readonly type: "connection"; readonly head: RequestHead; readonly bytes: Uint8Array }
);

function isOurs(message: unknown): boolean {
  return (
    typeof message === "object" && message !== null && Reflect.get(message, "source") === SOURCE
  );
}

/**
 * Returns whether a message of a worker was sent by this module. The fields of the message are not checked, because
 * both processes run the same version.
 */
export function isToPrimary(message: unknown): message is ToPrimary {
  return isOurs(message);
}

/** Returns whether a message of the primary was sent by this module. */
export function isFromPrimary(message: unknown): message is FromPrimary {
  return isOurs(message);
}
