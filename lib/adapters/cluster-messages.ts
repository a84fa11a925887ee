// What the processes of a cluster say to each other, whatever carries it.
//
//   everybody                              one process
//     hello ──▶                              ◀── heartbeat
//     heartbeat ──▶ … goodbye ──▶
//     broadcast ──▶                          ◀── asked, answer, answer …   (with a request)
//     join, leave, disconnect ──▶            ◀── done                      (with a request)
//     fetch ──▶                              ◀── fetched
//     server-side-emit ──▶                   ◀── server-side-answer        (with a request)

import type { Packet } from "../../protocol/socketio/packet.ts";
import type {
  BroadcastOptions,
  Room,
  ServerSideEvent,
  SocketDetails,
} from "../socketio/adapter.ts";

/** The id of a process in one namespace. */
export type NodeId = string;

/** Names a request in its answers. */
export type RequestId = string;

/** What is published to all processes. */
export type ClusterMessage =
  /** A process is new. Each of the others answers with a heartbeat. */
  | { readonly type: "hello" }
  /** A process is there. */
  | { readonly type: "heartbeat" }
  /** A process leaves. */
  | { readonly type: "goodbye" }
  | {
      readonly type: "broadcast";
      readonly packet: Packet;
      readonly options: BroadcastOptions;
      /** Asks each process how many clients it has sent it to, and for their acknowledgements. */
      readonly request?: RequestId | undefined;
    }
  | {
      readonly type: "join" | "leave";
      readonly options: BroadcastOptions;
      readonly rooms: readonly Room[];
      readonly request?: RequestId | undefined;
    }
  | {
      readonly type: "disconnect";
      readonly options: BroadcastOptions;
      readonly close: boolean;
      readonly request?: RequestId | undefined;
    }
  | {
      readonly type: "fetch";
      readonly options: BroadcastOptions;
      readonly request: RequestId;
    }
  | {
      readonly type: "server-side-emit";
      readonly event: ServerSideEvent;
      readonly request?: RequestId | undefined;
    };

/** What is published about a process itself. */
export type Membership = "hello" | "heartbeat" | "goodbye";

/** A message that does something in other processes. */
export type ClusterCommand = Exclude<ClusterMessage, { readonly type: Membership }>;

/** A message that others answer. */
export type ClusterRequest = ClusterCommand & { readonly request: RequestId };

/** What is sent to one process. */
export type ClusterAnswer =
  | { readonly type: "heartbeat" }
  /** So many clients were asked to acknowledge a broadcast. */
  | { readonly type: "asked"; readonly request: RequestId; readonly count: number }
  /** One of them has acknowledged it. */
  | { readonly type: "answer"; readonly request: RequestId; readonly value: unknown }
  /** One of them has disconnected without. */
  | { readonly type: "no-answer"; readonly request: RequestId }
  /** What was asked for has been done. */
  | { readonly type: "done"; readonly request: RequestId }
  | {
      readonly type: "fetched";
      readonly request: RequestId;
      readonly sockets: readonly SocketDetails[];
    }
  | { readonly type: "server-side-answer"; readonly request: RequestId; readonly value: unknown };

/** What arrives from another process. */
export type Received = ClusterMessage | ClusterAnswer;
