// io(url): the socket of a namespace, on a connection that others to the same server share.

import type { DefaultEventsMap } from "../../lib/events/emitter.ts";
import { object } from "../../lib/events/options.ts";
import { parseAddress } from "./address.ts";
import type { AnyManager } from "./manager.ts";
import type { ClientOptions } from "./options.ts";
import { Socket } from "./socket.ts";

/** The class Manager of a platform. */
type ManagerClass = new (url: string | URL, options: ClientOptions) => AnyManager;

interface LookupFunction {
  <ListenEvents = DefaultEventsMap, EmitEvents = ListenEvents>(
    url?: string | URL,
    options?: ClientOptions,
  ): Socket<ListenEvents, EmitEvents>;
  /** Connects to the page's server. */
  <ListenEvents = DefaultEventsMap, EmitEvents = ListenEvents>(
    options: ClientOptions,
  ): Socket<ListenEvents, EmitEvents>;
}

interface Classes<Class> {
  readonly Manager: Class;
  readonly Socket: typeof Socket;
}

/** The function io(). It has the main exports as members: programs call `io.connect()` and `new io.Manager()`. */
export interface Lookup<Class = ManagerClass> extends LookupFunction, Classes<Class> {
  /** The same function. */
  readonly io: LookupFunction & Classes<Class>;
  /** The same function. */
  readonly connect: LookupFunction & Classes<Class>;
}

/**
 * Creates the function io() of a platform.
 *
 * @param base the URL of the page, for URLs that lack a host or a scheme
 */
export function createLookup<Class extends ManagerClass>(
  Manager: Class,
  base: () => string | undefined,
): Lookup<Class> {
  const managers = new Map<string, AnyManager>();
  const lookup: LookupFunction = (
    first: string | URL | ClientOptions = "",
    second: ClientOptions = {},
  ) => {
    const isUrl = typeof first === "string" || first instanceof URL;
    const options = isUrl ? second : first;
    object(options, "options");
    const { url, path } = parseAddress(isUrl ? `${first}` : "", base());
    const namespace = path || "/";
    const { forceNew = false, multiplex = true } = options;
    const key = `${url.origin} ${options.path ?? "/socket.io"}`;
    const shared = managers.get(key);
    const own = forceNew || !multiplex || shared?.has(namespace) === true;
    if (shared !== undefined && !own) return shared.socket(namespace, options);
    const manager = new Manager(url, options);
    if (!own) managers.set(key, manager);
    return manager.socket(namespace, options);
  };
  const io = Object.assign(lookup, { Manager, Socket });
  return Object.assign(io, { io, connect: io });
}
