// The behaviour that docs/conformance.md, the contract, requires of a server beyond the protocols. If the server lacks
// a behaviour that a case needs, the case is skipped, because its failure would say nothing about the protocol.

import { Skip } from "./case.ts";
import type { Target } from "./target.ts";

/** The behaviours, each with a description that completes a sentence such as "The server does not …". */
export const BEHAVIOURS = {
  "websocket-echo": "echo each message at its WebSocket path",
  "websocket-subprotocol": 'select the subprotocol "echo" if a client offers it',
  "websocket-limit": "limit a WebSocket message to 16 MiB",
  "engineio-echo": "echo each message at its Engine.IO path",
  "short-waits":
    "use the short timeouts that docs/conformance.md requires, such as a pingInterval of 300 ms",
  auth: 'emit "auth" to each socket that connects',
  message: 'answer the event "message" with "message-back"',
  "message-with-ack": 'acknowledge the event "message-with-ack"',
  "ask-me": 'answer the event "ask-me" with "question"',
  join: 'add the socket to a room at the event "join", and emit to the room at the event "to-room"',
  "disconnect-me": 'disconnect the socket at the event "disconnect-me"',
  "close-me": 'close the connection at the event "close-me"',
  custom: 'have the namespace "/custom"',
  refusing: 'refuse connections to the namespace "/refusing"',
} as const;

export type Behaviour = keyof typeof BEHAVIOURS;

export const ALL_BEHAVIOURS: ReadonlySet<Behaviour> = new Set(
  Object.keys(BEHAVIOURS).filter((name): name is Behaviour => name in BEHAVIOURS),
);

/** @throws Skip if the server lacks the behaviour */
export function needBehaviour({ lacks }: Target, behaviour: Behaviour): void {
  if (lacks?.has(behaviour) === true) {
    throw new Skip(`needs a server that can ${BEHAVIOURS[behaviour]}`);
  }
}

/** For each event of a client or of the server, the behaviour that the server needs to handle or to emit the event. */
const OF_EVENTS: Readonly<Record<string, Behaviour>> = {
  message: "message",
  "message-with-ack": "message-with-ack",
  "ask-me": "ask-me",
  join: "join",
  "to-room": "join",
  "disconnect-me": "disconnect-me",
  "close-me": "close-me",
  auth: "auth",
  "message-back": "message",
  question: "ask-me",
  answered: "ask-me",
  news: "join",
};

const OF_NAMESPACES: Readonly<Record<string, Behaviour>> = {
  "/custom": "custom",
  "/refusing": "refusing",
};

/** Patterns of the encoded text of a CONNECT and of an EVENT. The payload of an EVENT is an array. */
const CONNECT = /^0(\/[^,]*)(?:,|$)/;
const EVENT = /^(?:2|5\d+-)(?:\/[^,]*,)?\d*(\[.*\])\s*$/s;

/**
 * @throws Skip if the server lacks a behaviour that a Socket.IO packet or its answer needs. A malformed packet needs
 * no behaviour.
 */
export function needBehaviourOf(target: Target, packet: string): void {
  const namespace = OF_NAMESPACES[CONNECT.exec(packet)?.[1] ?? ""];
  if (namespace !== undefined) needBehaviour(target, namespace);
  const behaviour = OF_EVENTS[eventOf(packet)];
  if (behaviour !== undefined) needBehaviour(target, behaviour);
}

function eventOf(packet: string): string {
  try {
    const [event]: unknown[] = JSON.parse(EVENT.exec(packet)?.[1] ?? "[]");
    return typeof event === "string" ? event : "";
  } catch {
    return "";
  }
}
