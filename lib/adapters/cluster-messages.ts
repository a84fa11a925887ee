// The messages that the processes of a cluster exchange, independent of the transport.
//
//   to all processes                       to one process
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

/** The id of a request. Each answer to the request repeats the id. */
export type RequestId = string;

/** A message to all processes. */
export type ClusterMessage =
  /** The sender has started. Each of the other processes answers with a heartbeat. */
  | { readonly type: "hello" }
  /** The sender is alive. */
  | { readonly type: "heartbeat" }
  /** The sender leaves the cluster. */
  | { readonly type: "goodbye" }
  | {
      readonly type: "broadcast";
      readonly packet: Packet;
      readonly options: BroadcastOptions;
      /**
       * If present, each process reports how many of its clients have received the event, and sends their
       * acknowledgements.
       */
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

/** The types of the messages that a process sends about itself. */
export type Membership = "hello" | "heartbeat" | "goodbye";

/** A message that has an effect on the other processes. */
export type ClusterCommand = Exclude<ClusterMessage, { readonly type: Membership }>;

/** A message that the other processes answer. */
export type ClusterRequest = ClusterCommand & { readonly request: RequestId };

/** A message to one process. */
export type ClusterAnswer =
  | { readonly type: "heartbeat" }
  /** The number of clients that have received a broadcast and may acknowledge it. */
  | { readonly type: "asked"; readonly request: RequestId; readonly count: number }
  /** The acknowledgement of one client. */
  | { readonly type: "answer"; readonly request: RequestId; readonly value: unknown }
  /** A client has disconnected without acknowledging. */
  | { readonly type: "no-answer"; readonly request: RequestId }
  /** The requested change was made. */
  | { readonly type: "done"; readonly request: RequestId }
  | {
      readonly type: "fetched";
      readonly request: RequestId;
      readonly sockets: readonly SocketDetails[];
    }
  | { readonly type: "server-side-answer"; readonly request: RequestId; readonly value: unknown };

/** A message from another process. */
export type Received = ClusterMessage | ClusterAnswer;
