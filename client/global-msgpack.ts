// The entry point of the classic script that encodes packets with MessagePack. The server must use the same parser.

import { parserCodec } from "../lib/events/parser.ts";
import { SERVER_LIMITS } from "../protocol/socketio/check.ts";
import * as parser from "../protocol/socketio/msgpack-parser.ts";
import { createBrowserPlatform, page } from "./platform/browser.ts";
import { createLookup } from "./socketio/lookup.ts";
import { AnyManager } from "./socketio/manager.ts";
import type { ManagerOptions } from "./socketio/options.ts";

const BROWSER = createBrowserPlatform(() => parserCodec(parser, SERVER_LIMITS));

class Manager extends AnyManager {
  constructor(url?: string | URL | ManagerOptions, options?: ManagerOptions) {
    super(BROWSER, page(), url, options);
  }
}

Object.assign(globalThis, { io: Object.assign(createLookup(Manager, page), { parser }) });
