// io(url): the socket of a namespace, on a connection that others to the same server share.

import type { DefaultEventsMap } from "../protocol/events.ts";
import { Manager, type ManagerOptions } from "./manager.ts";
import type { Platform, PlatformOptions } from "./platform.ts";
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

/** An io() for a platform. */
export function createLookup(platform: Platform, base?: () => string): Lookup {
  const managers = new Map<string, Manager>();
  return (
    first: string | URL | (ClientOptions & PlatformOptions) = "",
    second: ClientOptions & PlatformOptions = {},
  ) => {
    const isUrl = typeof first === "string" || first instanceof URL;
    const options = isUrl ? second : first;
    const target = resolve(isUrl ? `${first}` : "", new URL(base?.() ?? "http://localhost"));
    if (target.protocol === "ws:") target.protocol = "http:";
    if (target.protocol === "wss:") target.protocol = "https:";
    const namespace = target.pathname === "" ? "/" : decodeURI(target.pathname);
    const search = target.search.slice(1);
    const all =
      search !== "" && options.query === undefined ? { ...options, query: search } : options;
    const key = `${target.origin} ${options.path ?? ""}`;
    const shared = managers.get(key);
    const own =
      options.forceNew === true || options.multiplex === false || shared?.has(namespace) === true;
    const manager =
      (own ? undefined : shared) ?? new Manager(platform, new URL(target.origin), all);
    if (!own && shared === undefined) managers.set(key, manager);
    return manager.socket(namespace, all);
  };
}

/** Where a URL leads that may leave out its scheme, or its host, or be none at all. */
function resolve(url: string, base: URL): URL {
  if (/^(?:https?|wss?):\/\//.test(url)) return new URL(url);
  // The path of a page is no namespace.
  if (url === "" || url.startsWith("/")) return new URL(url, base.origin);
  return new URL(`${base.protocol}//${url}`);
}
