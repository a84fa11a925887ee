// The entry point of the classic script. The script defines a global function `io`, as the script of socket.io-client
// does.

import { AckTimeoutError, DisconnectedError } from "../lib/events/errors.ts";
import { io, protocol, RefusedError } from "./browser.ts";

const more = { AckTimeoutError, DisconnectedError, protocol, RefusedError };

Object.assign(globalThis, { io: Object.assign(io, more) });
