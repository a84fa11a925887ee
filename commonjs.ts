// What `require("barewire")` gives: a function that makes a server, as programs for socket.io call
// it, with everything that can be imported.

import * as exported from "./server.ts";

const { Server } = exported;

/** `new Server(server, options)`. */
function createServer(...args: ConstructorParameters<typeof exported.Server>): exported.Server {
  return new Server(...args);
}

const all: typeof createServer & typeof exported = Object.assign(createServer, exported);

export { all as "module.exports" };
