// Constant Engine.IO and Socket.IO packets, for servers that do not implement these protocols.

import { createHash } from "node:crypto";

export const OPEN_PACKET =
  '0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":[],"pingInterval":600000,"pingTimeout":600000,"maxPayload":1000000}';
export const CONNECT_PACKET = '40{"sid":"wZX3oN0bSVIhsaknAAAI"}';
export const BURST_PREFIX = '42["burst",';

/** The response to an opening handshake. */
export function switching(key: string | undefined): string {
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  return (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    `Sec-WebSocket-Accept: ${accept.digest("base64")}\r\n\r\n`
  );
}
