// barewire, as its users get it.

import { createServer } from "node:http";

import { Server } from "../../server.ts";
import { serveEvents, settings } from "./events.ts";
import { listening } from "./listening.ts";

const http = createServer();
serveEvents(new Server(http, settings()), listening(http));
