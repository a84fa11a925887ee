// Lines on standard error for NODE_DEBUG=barewire:websocket,barewire:engine,barewire:socketio, one for each decision
// about a client. NODE_DEBUG=barewire:* has them all.

import { debuglog } from "node:util";

/** Connections that begin and end, and opening handshakes that are refused. */
export const debugWebSocket = debuglog("barewire:websocket");

/** Who connects, is refused, changes its transport, and goes. */
export const debugEngine = debuglog("barewire:engine");

/** Who joins and leaves a namespace, or is refused from it. */
export const debugSocketio = debuglog("barewire:socketio");
