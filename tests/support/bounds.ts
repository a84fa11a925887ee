// Reads the connection bounds of a server, which are not public.

import { ConnectionBounds } from "../../lib/connection-bounds.ts";
import type { Server } from "../../server.ts";

/** Returns the bounds of a server that has at least one of the options for bounds. */
export function boundsOf(io: Server): ConnectionBounds {
  const bounds: unknown = Reflect.get(io.engine, "bounds");
  if (!(bounds instanceof ConnectionBounds)) throw new TypeError("the engine has no bounds");
  return bounds;
}
