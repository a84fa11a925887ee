// barewire with all of its reporting in use: a logger, subscribers of all diagnostics channels, and statistics every
// second.

import { subscribe } from "node:diagnostics_channel";
import { createServer } from "node:http";

import { Server } from "../../server.ts";
import { serveEvents, settings } from "./events.ts";

/** How often each channel and the logger have reported something. */
const reports = { connection: 0, message: 0, refusal: 0, bound: 0, close: 0, logger: 0, stats: 0 };

for (const name of ["connection", "message", "refusal", "bound", "close"] as const) {
  subscribe(`barewire:${name}`, () => {
    reports[name]++;
  });
}

function note(): void {
  reports.logger++;
}

const http = createServer();
const io = new Server(http, {
  ...settings(),
  logger: { debug: note, info: note, warn: note, error: note },
});
setInterval(() => {
  reports.stats += io.stats().connections.open;
}, 1000).unref();
serveEvents(io, http, { reports: () => reports });
