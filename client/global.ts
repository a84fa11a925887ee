// The classic script: a global function `io`, as pages of socket.io-client load it.

import { AckTimeoutError, DisconnectedError } from "../protocol/errors.ts";
import { connect, io, Manager, protocol, RefusedError, Socket } from "./browser.ts";

const all = { AckTimeoutError, connect, DisconnectedError, io, Manager, protocol, RefusedError };

Object.assign(globalThis, { io: Object.assign(io, all, { Socket }) });
