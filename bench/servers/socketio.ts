// The installed version of socket.io.

import { createServer } from "node:http";
import { createRequire } from "node:module";

import type { Server } from "../../server.ts";
import { serveEvents, settings } from "./events.ts";

// socket.io has its own types. The members that are used here are the same as those of barewire.
const { Server: Stock }: { Server: typeof Server } = createRequire(import.meta.url)("socket.io");

const http = createServer();
serveEvents(new Stock(http, settings()), http);
