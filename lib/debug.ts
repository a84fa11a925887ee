// Debug lines on standard error for NODE_DEBUG=barewire:websocket,barewire:engine,barewire:socketio: one line for each
// decision about a client. NODE_DEBUG=barewire:* enables all three.

import { debuglog } from "node:util";

/** Logs connections that open and close, and opening handshakes that are refused. */
export const debugWebSocket = debuglog("barewire:websocket");

/** Logs clients that connect, are refused, upgrade their transport, and disconnect. */
export const debugEngine = debuglog("barewire:engine");

/** Logs clients that connect to a namespace, disconnect from it, or are refused. */
export const debugSocketio = debuglog("barewire:socketio");
