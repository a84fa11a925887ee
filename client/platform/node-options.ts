// The checks of the client's options that only Node supports.

import { boolean, type OptionTable, object, string } from "../../lib/events/options.ts";
import { bytes, integer, perMessageDeflate, unsupported, valueOr } from "../../lib/node-options.ts";
import { port, TLS_OPTIONS } from "../../lib/websocket/client-options.ts";
import type { PlatformOptionTable } from "./network.ts";

export const NODE_OPTIONS: PlatformOptionTable & OptionTable<object, "transportImplementations"> = {
  ...TLS_OPTIONS,
  agent: valueOr([false], object),
  family: integer(0, 6),
  localAddress: string,
  maxPayload: bytes,
  perMessageDeflate,
  policyPort: port,
  transportImplementations: unsupported('use "transports"'),
  useNativeTimers: boolean,
};
