// Loads node:zlib when data is compressed or inflated for the first time. Most servers never need zlib, and start a few
// milliseconds faster without it (`start` in bench/).

import type * as Zlib from "node:zlib";

let loaded: typeof Zlib | undefined;

export function zlib(): typeof Zlib {
  loaded ??= process.getBuiltinModule("node:zlib");
  return loaded;
}
