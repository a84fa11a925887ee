// The classic script with the msgpack parser in it, which servers must have too.

import * as parser from "../protocol/socketio/msgpack.ts";
import { io } from "./browser.ts";
import type { ClientOptions, Lookup } from "./lookup.ts";
import type { PlatformOptions } from "./platform.ts";

type Options = ClientOptions & PlatformOptions;

const lookup: Lookup = (first: string | URL | Options = "", second: Options = {}) =>
  typeof first === "string" || first instanceof URL
    ? io(first, { parser, ...second })
    : io({ parser, ...first });

Object.assign(globalThis, { io: Object.assign(lookup, { io: lookup, connect: lookup, parser }) });
