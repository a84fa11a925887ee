// barewire with its default settings.

import { createServer } from "node:http";

import { Server } from "../../server.ts";
import { serveEvents, settings } from "./events.ts";

const http = createServer();
serveEvents(new Server(http, settings()), http);
