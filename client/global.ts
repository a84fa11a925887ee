// The classic script: a global function `io`, as pages of socket.io-client load it.

import { AckTimeoutError, DisconnectedError } from "../lib/events/errors.ts";
import { io, protocol, RefusedError } from "./browser.ts";

const more = { AckTimeoutError, DisconnectedError, protocol, RefusedError };

Object.assign(globalThis, { io: Object.assign(io, more) });
