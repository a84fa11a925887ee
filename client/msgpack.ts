// The classic script with MessagePack in the place of the standard encoding; servers must have the
// same parser.

import * as parser from "../protocol/socketio/msgpack.ts";
import { parserCodec } from "./codec.ts";
import { createLookup } from "./lookup.ts";
import { AnyManager } from "./manager.ts";
import { createBrowserPlatform, page } from "./web.ts";

const io = createLookup(
  (url, options) =>
    new AnyManager(
      createBrowserPlatform(() => parserCodec(parser)),
      url,
      options,
    ),
  page,
);

Object.assign(globalThis, { io: Object.assign(io, { io, connect: io, parser }) });
