// The server under test: its address, and the path of each layer (docs/conformance.md).

import type { Behaviour } from "./behaviour.ts";

export interface Target {
  readonly host: string;
  readonly port: number;
  /** Whether to connect over TLS. The certificate is not checked, because test servers have self-signed certificates. */
  readonly secure: boolean;
  /** The path where a WebSocket server echoes each message. Default: "/websocket". */
  readonly websocketPath: string;
  /** The path where an Engine.IO server echoes each message. Default: "/engine.io/". */
  readonly engineioPath: string;
  /** The path of the Socket.IO server. Default: "/socket.io/". */
  readonly socketioPath: string;
  /** The behaviours of the contract that the server lacks. Cases that need such a behaviour are skipped. Default: none. */
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

/** @throws TypeError if the URL is not the URL of a server */
export function parseTarget(url: string, paths: Paths = {}): Target {
  if (!URL.canParse(url)) throw new TypeError(`"${url}" is not a URL`);
  const { protocol, hostname, port } = new URL(url);
  const secure = SCHEMES.get(protocol);
  if (secure === undefined || hostname === "") {
    throw new TypeError(`"${url}" is not a URL with the scheme http, https, ws or wss`);
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

/** Formats "127.0.0.1:3000" and "[::1]:3000", for people and for the field Host (RFC 9110 §7.2). */
export function addressOf({ host, port }: Pick<Target, "host" | "port">): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
