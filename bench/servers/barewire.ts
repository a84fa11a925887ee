// barewire, as its users get it.

import { createServer } from "node:http";

import { Server } from "../../server.ts";
import { serveEvents, settings } from "./events.ts";

const http = createServer();
serveEvents(new Server(http, settings()), http);
