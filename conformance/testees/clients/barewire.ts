// Runs the kit's cases for clients with barewire's own clients: its WebSocket client and its Socket.IO client.
//
//   tsx conformance/testees/clients/barewire.ts http://127.0.0.1:9001

import { io } from "../../../client/index.ts";
import { WebSocket } from "../../../lib/websocket/client.ts";
import { isProgram, loop } from "./loop.ts";
import { echo } from "./socketio.ts";

export async function runBarewire(url: string): Promise<void> {
  await loop(url, "websocket", () => {
    return new Promise((resolve) => {
      const websocket = new WebSocket(url);
      websocket.binaryType = "nodebuffer";
      websocket.onmessage = ({ data }) => websocket.send(data);
      websocket.onclose = () => resolve();
    });
  });
  await loop(url, "socketio", () => echo((options) => io(url, options)));
}

const url = isProgram(import.meta.filename);
if (url !== undefined) await runBarewire(url);
