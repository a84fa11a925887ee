// The server under test: where it is, and where it does what (docs/conformance.md).

import type { Behaviour } from "./behaviour.ts";

export interface Target {
  readonly host: string;
  readonly port: number;
  /** Over TLS, whose certificate is not checked: test servers sign their own. */
  readonly secure: boolean;
  /** Where a WebSocket server echoes each message. Default "/websocket". */
  readonly websocketPath: string;
  /** Where an Engine.IO server echoes each message. Default "/engine.io/". */
  readonly engineioPath: string;
  /** Where the Socket.IO server is. Default "/socket.io/". */
  readonly socketioPath: string;
  /** What of the contract it does not do: cases that need it are skipped. Default: nothing. */
  readonly lacks?: ReadonlySet<Behaviour>;
}

export interface Paths {
  readonly websocket?: string | undefined;
  readonly engineio?: string | undefined;
  readonly socketio?: string | undefined;
}

const SCHEMES = new Map([
  ["http:", false],
  ["ws:", false],
  ["https:", true],
  ["wss:", true],
]);

/** @throws TypeError for what is no URL of a server */
export function parseTarget(url: string, paths: Paths = {}): Target {
  if (!URL.canParse(url)) throw new TypeError(`"${url}" is no URL`);
  const { protocol, hostname, port } = new URL(url);
  const secure = SCHEMES.get(protocol);
  if (secure === undefined || hostname === "") {
    throw new TypeError(`"${url}" is no URL of http, https, ws or wss`);
  }
  return {
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? (secure ? 443 : 80) : Number(port),
    secure,
    websocketPath: paths.websocket ?? "/websocket",
    engineioPath: paths.engineio ?? "/engine.io/",
    socketioPath: paths.socketio ?? "/socket.io/",
  };
}

/** "127.0.0.1:3000", "[::1]:3000": as people write it, and as Host has it (RFC 9110 §7.2). */
export function addressOf({ host, port }: Pick<Target, "host" | "port">): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
