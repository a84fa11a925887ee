// node:zlib, loaded when something is compressed or inflated for the first time. Most servers never
// do that, and so they start some milliseconds sooner (`start` in bench/).

import type * as Zlib from "node:zlib";

let loaded: typeof Zlib | undefined;

export function zlib(): typeof Zlib {
  loaded ??= process.getBuiltinModule("node:zlib");
  return loaded;
}
