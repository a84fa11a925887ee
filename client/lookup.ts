// io(url): the socket of a namespace, on a connection that others to the same server share.

import type { DefaultEventsMap } from "../protocol/events.ts";
import type { AnyManager, ManagerOptions } from "./manager.ts";
import type { PlatformOptions } from "./platform.ts";
import type { Socket, SocketOptions } from "./socket.ts";

export interface ClientOptions extends ManagerOptions, SocketOptions {
  /** A connection of its own. Default `false`. */
  readonly forceNew?: boolean;
  /** `false`: the same as `forceNew`. Default `true`. */
  readonly multiplex?: boolean;
}

export interface Lookup {
  <ListenEvents = DefaultEventsMap, EmitEvents = ListenEvents>(
    url?: string | URL,
    options?: ClientOptions & PlatformOptions,
  ): Socket<ListenEvents, EmitEvents>;
  /** To the page's server. */
  <ListenEvents = DefaultEventsMap, EmitEvents = ListenEvents>(
    options: ClientOptions & PlatformOptions,
  ): Socket<ListenEvents, EmitEvents>;
}

/**
 * An io() for a platform.
 *
 * @param create makes a manager
 * @param base where a URL without a host leads
 */
export function createLookup(
  create: (url: URL, options: ClientOptions & PlatformOptions) => AnyManager,
  base: () => string,
): Lookup {
  const managers = new Map<string, AnyManager>();
  return (
    first: string | URL | (ClientOptions & PlatformOptions) = "",
    second: ClientOptions & PlatformOptions = {},
  ) => {
    const isUrl = typeof first === "string" || first instanceof URL;
    const options = isUrl ? second : first;
    const url = isUrl ? `${first}` : "";
    const [, scheme, host, path] = PARTS.exec(url) ?? [];
    // The path of a page is no namespace.
    const target = new URL(scheme === undefined && host ? `//${url}` : url, new URL(base()).origin);
    target.protocol = target.protocol.replace("ws", "http");
    const { forceNew = false, multiplex = true, query = target.search } = options;
    // As it is said, since a URL would encode it.
    const namespace = path || "/";
    const key = `${target.origin} ${options.path}`;
    const shared = managers.get(key);
    const own = forceNew || !multiplex || shared?.has(namespace) === true;
    const all = { ...options, query };
    if (shared !== undefined && !own) return shared.socket(namespace, all);
    const manager = create(target, all);
    if (!own) managers.set(key, manager);
    return manager.socket(namespace, all);
  };
}

/** The scheme, the host and the path of a URL that may leave out each of them. */
const PARTS = /^((?:[a-z]+:)?\/\/)?([^/?#]*)([^?#]*)/;
