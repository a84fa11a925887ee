// Creates the function io(). The sockets that io() returns for the same server share one connection.

import type { DefaultEventsMap } from "../../lib/events/emitter.ts";
import { object } from "../../lib/events/options.ts";
import { parseAddress } from "./address.ts";
import type { AnyManager } from "./manager.ts";
import type { ClientOptions } from "./options.ts";
import { Socket } from "./socket.ts";

/** The type of a platform's class Manager. */
type ManagerClass = new (url: string | URL, options: ClientOptions) => AnyManager;

/** The call signatures of io(). */
export interface LookupFunction {
  /**
   * Returns the socket of a namespace, and connects to the server if necessary. Sockets for different namespaces of a
   * server share one connection.
   *
   * @param url the URL of the server. Its path is the namespace. Default: the server of the page
   * @param options the options of the socket and the connection. Default: none
   * @throws TypeError if the URL or an option is invalid
   *
   * @example
   * const socket = io("http://localhost:3000/chat", { auth: { token: "secret" } });
   */
  <ListenEvents = DefaultEventsMap, EmitEvents = ListenEvents>(
    url?: string | URL,
    options?: ClientOptions,
  ): Socket<ListenEvents, EmitEvents>;
  /**
   * Returns the socket of the main namespace of the page's server.
   *
   * @param options the options of the socket and the connection
   * @throws TypeError if an option is invalid
   */
  <ListenEvents = DefaultEventsMap, EmitEvents = ListenEvents>(
    options: ClientOptions,
  ): Socket<ListenEvents, EmitEvents>;
}

/** The classes that io() has as members. */
export interface LookupClasses<Class> {
  /** The class Manager. */
  readonly Manager: Class;
  /** The class Socket. */
  readonly Socket: typeof Socket;
}

/** The type of io(). The main exports are members of the function, for `io.connect()` and `new io.Manager()`. */
export interface Lookup<Class = ManagerClass> extends LookupFunction, LookupClasses<Class> {
  /** The same function as io(). */
  readonly io: LookupFunction & LookupClasses<Class>;
  /** The same function as io(). */
  readonly connect: LookupFunction & LookupClasses<Class>;
}

/**
 * Creates the function io() of a platform.
 *
 * @param Manager the platform's class Manager
 * @param base returns the URL of the page, which completes URLs without a host or a scheme
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
