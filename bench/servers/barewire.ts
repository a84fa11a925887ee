// Runs barewire with the settings of the bench, and with its defaults for all other options.

import { createServer } from "node:http";

import { Server } from "../../server.ts";
import { serveEvents, settings } from "./events.ts";

const http = createServer();
serveEvents(new Server(http, settings()), http);
