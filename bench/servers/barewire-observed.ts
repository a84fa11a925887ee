// barewire while everything that it can report is used: a logger, subscribers of all channels, and statistics each second.

import { subscribe } from "node:diagnostics_channel";
import { createServer } from "node:http";

import { Server } from "../../server.ts";
import { serveEvents, settings } from "./events.ts";

/** What was reported, so that no report is optimized away. */
let reported = 0;

function note(): void {
  reported++;
}

const CHANNELS = ["connection", "message", "refusal", "bound", "close"];
for (const name of CHANNELS) subscribe(`barewire:${name}`, note);

const http = createServer();
const io = new Server(http, {
  ...settings(),
  logger: { debug: note, info: note, warn: note, error: note },
});
setInterval(() => {
  reported += io.stats().connections.open;
}, 1000).unref();
process.on("exit", () => {
  if (reported === 0) throw new Error("nothing was reported");
});
serveEvents(io, http);
