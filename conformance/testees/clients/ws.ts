// Runs the kit's cases for clients with the client of ws.
//
//   tsx conformance/testees/clients/ws.ts http://127.0.0.1:9001

import WebSocket from "ws";
import { isProgram, loop } from "./loop.ts";

export async function runWs(url: string): Promise<void> {
  await loop(url, "websocket", () => {
    return new Promise((resolve) => {
      const websocket = new WebSocket(url);
      websocket.on("message", (data, binary) => websocket.send(data, { binary }));
      websocket.on("error", () => {});
      websocket.on("close", () => resolve());
    });
  });
}

const url = isProgram(import.meta.filename);
if (url !== undefined) await runWs(url);
