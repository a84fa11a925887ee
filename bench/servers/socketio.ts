// socket.io of the installed version.

import { createServer } from "node:http";
import { createRequire } from "node:module";

import type { Server } from "../../server.ts";
import { serveEvents, settings } from "./events.ts";

// It has the members that are used here, in types of its own.
const { Server: Stock }: { Server: typeof Server } = createRequire(import.meta.url)("socket.io");

const http = createServer();
serveEvents(new Stock(http, settings()), http);
