// Messages captured from @socket.io/redis-adapter 8.3.0 and @socket.io/redis-emitter 5.1.0, and their meaning. The
// broadcasts are in hexadecimal.

import type { ClusterAnswer } from "../../lib/adapters/cluster-messages.ts";
import type { From, RedisRequest } from "../../lib/adapters/redis-wire.ts";
import type { BroadcastOptions } from "../../lib/socketio/adapter.ts";
import type { EventData } from "../../protocol/socketio/packet.ts";

function to(
  rooms: readonly string[],
  except: readonly string[] = [],
  flags: BroadcastOptions["flags"] = {},
): BroadcastOptions {
  return { rooms: new Set(rooms), except: new Set(except), flags };
}

const PLAIN = { volatile: false, compress: true };

export interface BroadcastVector {
  readonly name: string;
  readonly hex: string;
  readonly namespace: string;
  readonly sender: string;
  readonly options: BroadcastOptions;
  readonly data: EventData;
  /**
   * The flags with which our encoder writes the same bytes. Without this property, our bytes differ, because the other
   * encoder writes dates or fields differently.
   */
  readonly flags?: BroadcastOptions["flags"];
}

export const BROADCASTS: readonly BroadcastVector[] = [
  {
    name: "an event to all clients, with values of every type",
    hex: "93a675696431323383a47479706502a46461746196a56576656e7401a2c3bcc0c081a16193c3cb3ff8000000000000f9a36e7370a12f83a5726f6f6d7390a665786365707490a5666c61677380",
    namespace: "/",
    sender: "uid123",
    options: to([], [], PLAIN),
    data: ["event", 1, "ü", null, null, { a: [true, 1.5, -7] }],
    flags: {},
  },
  {
    name: "a volatile event to a room, with binary data",
    hex: "93a675696431323383a47479706502a46461746192a56576656e74c4030102ffa36e7370a12f83a5726f6f6d7391a172a665786365707491a178a5666c61677382a8766f6c6174696c65c3a8636f6d7072657373c2",
    namespace: "/",
    sender: "uid123",
    options: to(["r"], ["x"], { volatile: true, compress: false }),
    data: ["event", Buffer.from([1, 2, 255])],
    flags: { volatile: true, compress: false },
  },
  {
    name: "an event to two rooms, with a date",
    hex: "93a675696431323383a47479706502a46461746192a464617465d7ff1d5353006553f100a36e7370a12f83a5726f6f6d7392a161a162a665786365707490a5666c61677380",
    namespace: "/",
    sender: "uid123",
    options: to(["a", "b"], [], PLAIN),
    data: ["date", new Date(1700000000123)],
  },
  {
    name: "an event of @socket.io/redis-emitter",
    hex: "93a7656d697474657283a47479706502a46461746192a56576656e7401a36e7370a12f83a5726f6f6d7391a172a5666c61677381a8766f6c6174696c65c3a665786365707491a178",
    namespace: "/",
    sender: "emitter",
    options: to(["r"], ["x"], { volatile: true, compress: true }),
    data: ["event", 1],
  },
  {
    name: "an event of @socket.io/redis-emitter to another namespace",
    hex: "93a7656d697474657283a47479706502a46461746191a56576656e74a36e7370a62f6f7468657283a5726f6f6d7390a5666c61677380a665786365707490",
    namespace: "/other",
    sender: "emitter",
    options: to([], [], PLAIN),
    data: ["event"],
  },
];

export interface RequestVector extends From<RedisRequest> {
  readonly name: string;
  /** The published message: JSON, or MessagePack in hexadecimal. */
  readonly text: string;
  /** Whether our encoder writes the same text. */
  readonly same?: boolean;
}

export const REQUESTS: readonly RequestVector[] = [
  {
    name: "a join request",
    text: '{"uid":"uid123","type":2,"opts":{"rooms":["r"],"except":["x"]},"rooms":["j1","j2"]}',
    sender: "uid123",
    message: {
      type: "join",
      options: to(["r"], ["x"], PLAIN),
      rooms: ["j1", "j2"],
      request: undefined,
    },
    same: true,
  },
  {
    name: "a leave request",
    text: '{"uid":"uid123","type":3,"opts":{"rooms":[],"except":[]},"rooms":["j1"]}',
    sender: "uid123",
    message: { type: "leave", options: to([], [], PLAIN), rooms: ["j1"], request: undefined },
    same: true,
  },
  {
    name: "a disconnect request",
    text: '{"uid":"uid123","type":4,"opts":{"rooms":["r"],"except":[]},"close":true}',
    sender: "uid123",
    message: {
      type: "disconnect",
      options: to(["r"], [], PLAIN),
      close: true,
      request: undefined,
    },
    same: true,
  },
  {
    name: "a join request of @socket.io/redis-emitter",
    text: '{"type":2,"opts":{"rooms":[],"except":[]},"rooms":["j"]}',
    sender: undefined,
    message: { type: "join", options: to([], [], PLAIN), rooms: ["j"], request: undefined },
  },
  {
    name: "a join request for one socket, of version 6",
    text: '{"uid":"uid123","requestId":"a","type":2,"sid":"s1","room":"j"}',
    sender: "uid123",
    message: { type: "join", options: to(["s1"]), rooms: ["j"], request: "a" },
  },
  {
    name: "a server-side event",
    text: '{"uid":"uid123","type":6,"data":["tell",1,"2"]}',
    sender: "uid123",
    message: { type: "server-side-emit", event: ["tell", 1, "2"], request: undefined },
    same: true,
  },
  {
    name: "a server-side event with an acknowledgement",
    text: '{"uid":"uid123","requestId":"FL7t9Z","type":6,"data":["ask",1]}',
    sender: "uid123",
    message: { type: "server-side-emit", event: ["ask", 1], request: "FL7t9Z" },
    same: true,
  },
  {
    name: "a request for all rooms",
    text: '{"uid":"uid123","requestId":"inSRMk","type":1}',
    sender: "uid123",
    message: { type: "all-rooms", request: "inSRMk" },
  },
  {
    name: "a request for socket ids",
    text: '{"uid":"uid123","requestId":"o1","type":0,"rooms":["r"]}',
    sender: "uid123",
    message: { type: "sockets", rooms: ["r"], request: "o1" },
  },
  {
    name: "a request for sockets",
    text: '{"uid":"uid123","requestId":"ws-J-v","type":5,"opts":{"rooms":["r"],"except":[]}}',
    sender: "uid123",
    message: { type: "fetch", options: to(["r"], [], PLAIN), request: "ws-J-v" },
    same: true,
  },
  {
    name: "a broadcast with acknowledgements",
    text: "85a3756964a6756964313233a9726571756573744964a6525a3933776ca47479706507a67061636b657483a47479706502a46461746191a361736ba36e7370a12fa46f70747383a5726f6f6d7391a172a665786365707490a5666c61677381a774696d656f757401",
    sender: "uid123",
    message: {
      type: "broadcast",
      packet: { type: 2, namespace: "/", data: ["ask"] },
      options: to(["r"], [], { ...PLAIN, timeout: 1 }),
      request: "RZ93wl",
    },
  },
];

export interface AnswerVector {
  readonly name: string;
  /** The published message: JSON, or MessagePack in hexadecimal. */
  readonly text: string;
  readonly message: ClusterAnswer | undefined;
}

export const ANSWERS: readonly AnswerVector[] = [
  {
    name: "an answer to a server-side event",
    text: '{"type":6,"requestId":"q1","data":{"a":1}}',
    message: { type: "server-side-answer", request: "q1", value: { a: 1 } },
  },
  {
    name: "the number of clients that received an event",
    text: '{"type":8,"requestId":"b1","clientCount":1}',
    message: { type: "asked", request: "b1", count: 1 },
  },
  {
    name: "an acknowledgement of a client",
    text: "83a47479706509a9726571756573744964a26231a67061636b657481a178c40109",
    message: { type: "answer", request: "b1", value: { x: Buffer.from([9]) } },
  },
  {
    name: "a response with rooms",
    text: '{"requestId":"o2","rooms":["s1","r"]}',
    message: undefined,
  },
  {
    name: "a response with socket ids",
    text: '{"requestId":"o1","sockets":["s1"]}',
    message: { type: "fetched", request: "o1", sockets: [] },
  },
];
