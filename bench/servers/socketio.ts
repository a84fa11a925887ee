// Runs the installed version of socket.io.

import { createServer } from "node:http";
import { createRequire } from "node:module";

import type { Server } from "../../server.ts";
import { serveEvents, settings } from "./events.ts";

// This file gives socket.io's Server the type of barewire's Server, and uses only members that both
// servers have.
const { Server: Stock }: { Server: typeof Server } = createRequire(import.meta.url)("socket.io");

const http = createServer();
serveEvents(new Stock(http, settings()), http);
