// What the primary and its workers say to each other over IPC.
//
//   worker                                primary
//     hello ──▶                             ◀── welcome: its number, and where it listens
//     joined ──▶                            ◀── peers: the other workers, at each change
//     batch of items ──▶                    ◀── batch of items
//     connection, with its handle ──▶       ── connection ──▶ another worker
//     leaving ──▶                           ◀── leave
//
// Items are what the adapters of namespaces say (the hub answers them). Those of one turn travel together.

import type { RecoveryLimits } from "../socketio/recovery-store.ts";
import type { RequestHead } from "./forwarding.ts";
import type { Peer } from "./router.ts";

/** Tells our messages from those of the program. */
export const SOURCE = "barewire";

/** The id of an adapter in its namespace. */
export type NodeId = string;

/** What is kept of a socket. */
export interface SessionRecord {
  readonly sid: string;
  readonly pid: string;
  readonly rooms: readonly string[];
  /** `socket.data`, serialized. */
  readonly data: Uint8Array;
  /** The offset at which the session began. */
  readonly offset: string;
  /** Where its client came from. */
  readonly address: string | undefined;
}

/** Which sessions a packet is for, and its place among those of its worker. */
export interface KeptFor {
  readonly sequence: number;
  readonly rooms: readonly string[];
  readonly except: readonly string[];
  /** Clients of this worker only. */
  readonly local: boolean;
}

/** A packet that a client has missed. */
export interface MissedPacket {
  /** Its message, as it was published. */
  readonly body: Uint8Array;
  /** The offset with which the client receives it. */
  readonly offset: string;
}

/** Why a session is not restored; as the adapter's RecoveryFailure. */
export type ClaimFailure = "unknown session" | "unknown offset" | "packets dropped";

export type ClaimResult =
  | { readonly session: SessionRecord; readonly missed: readonly MissedPacket[] }
  | ClaimFailure;

/** From an adapter to the hub. */
export type ToHub =
  /** An adapter is there. */
  | {
      readonly type: "join";
      readonly nsp: string;
      readonly node: NodeId;
      readonly recovery: RecoveryLimits | undefined;
    }
  | { readonly type: "part"; readonly nsp: string; readonly node: NodeId }
  /** To all other adapters of the namespace; kept if it may be missed. */
  | {
      readonly type: "publish";
      readonly nsp: string;
      readonly node: NodeId;
      readonly body: Uint8Array;
      readonly kept: KeptFor | undefined;
    }
  /** To one adapter. */
  | {
      readonly type: "respond";
      readonly nsp: string;
      readonly node: NodeId;
      readonly to: NodeId;
      readonly body: Uint8Array;
    }
  /** A packet for clients of the worker itself, which may be missed. */
  | {
      readonly type: "keep";
      readonly nsp: string;
      readonly body: Uint8Array;
      readonly kept: KeptFor;
    }
  /** What would be kept of a socket if its worker ended now. */
  | { readonly type: "socket"; readonly nsp: string; readonly session: SessionRecord }
  /** The socket has disconnected. */
  | { readonly type: "socket-gone"; readonly nsp: string; readonly pid: string }
  /** The socket has disconnected and may come back. */
  | { readonly type: "persist"; readonly nsp: string; readonly session: SessionRecord }
  /** A client wants to come back. */
  | {
      readonly type: "claim";
      readonly nsp: string;
      readonly request: number;
      readonly pid: string;
      readonly offset: string | undefined;
    };

/** From the hub to an adapter. */
export type FromHub =
  /** @property index the place among all kept packets, for one that is kept */
  | {
      readonly type: "message";
      readonly nsp: string;
      readonly from: NodeId;
      readonly body: Uint8Array;
      readonly index: number | undefined;
    }
  /** An adapter is there no more. */
  | { readonly type: "gone"; readonly nsp: string; readonly node: NodeId }
  /** @property index of the last packet that the primary has numbered */
  | {
      readonly type: "claimed";
      readonly request: number;
      readonly result: ClaimResult;
      readonly index: number;
    }
  /** The client of this session has come back elsewhere. */
  | { readonly type: "returned"; readonly nsp: string; readonly pid: string };

/** What a worker tells of itself. */
export interface WorkerReport {
  /** Sessions that are open. */
  readonly clients: number;
  /** Resident memory, in bytes. */
  readonly memory: number;
}

/** How a worker is. */
export interface WorkerHealth {
  readonly number: number;
  /** The id of its process. */
  readonly pid: number | undefined;
  /** It does not accept clients yet, it does, or it is about to exit. */
  readonly state: "starting" | "ready" | "leaving";
  /** Milliseconds since it was started. */
  readonly uptime: number;
  /** `undefined` if it has not answered within a second: it is busy, or it hangs. */
  readonly report: WorkerReport | undefined;
}

/** From a worker to the primary. */
export type ToPrimary = { readonly source: typeof SOURCE } & (
  | { readonly type: "hello" }
  /** It receives what is forwarded, and listens if it is one of run(). */
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

/** From the primary to a worker. */
export type FromPrimary = { readonly source: typeof SOURCE } & (
  | {
      readonly type: "welcome";
      readonly number: number;
      readonly secret: string;
      /** Where it receives what is forwarded. */
      readonly path: string;
      /** The port to ask for; `undefined` for that of the program. */
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

/** Whether a message of a worker is ours. Both processes run the same version. */
export function isToPrimary(message: unknown): message is ToPrimary {
  return isOurs(message);
}

/** Whether a message of the primary is ours. */
export function isFromPrimary(message: unknown): message is FromPrimary {
  return isOurs(message);
}
