// All cases of the WebSocket: RFC 6455 and RFC 7692.

import type { Case } from "../kit/case.ts";
import { CLOSING } from "./websocket-closing.ts";
import { CONTROL } from "./websocket-control.ts";
import { DEFLATE } from "./websocket-deflate.ts";
import { FRAGMENTATION } from "./websocket-fragmentation.ts";
import { FRAMING } from "./websocket-framing.ts";
import { HANDSHAKE } from "./websocket-handshake.ts";
import { MASKING } from "./websocket-masking.ts";
import { SIZES } from "./websocket-sizes.ts";
import { UTF8 } from "./websocket-utf8.ts";

export const WEBSOCKET: readonly Case[] = [
  ...HANDSHAKE,
  ...FRAMING,
  ...MASKING,
  ...FRAGMENTATION,
  ...UTF8,
  ...CONTROL,
  ...CLOSING,
  ...SIZES,
  ...DEFLATE,
];
