// Runs the kit's cases for clients with socket.io-client.
//
//   tsx conformance/testees/clients/socketio-client.ts http://127.0.0.1:9001

import { io } from "socket.io-client";
import { isProgram, loop } from "./loop.ts";
import { echo } from "./socketio.ts";

export async function runSocketioClient(url: string): Promise<void> {
  await loop(url, "socketio", () => echo((options) => io(url, options)));
}

const url = isProgram(import.meta.filename);
if (url !== undefined) await runSocketioClient(url);
