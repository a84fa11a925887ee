// All cases of the WebSocket, in the order of RFC 6455 and RFC 7692.

import { join } from "node:path";

import type { Case } from "../../harness/case.ts";
import { loadCases } from "../../transcripts/load.ts";
import { CLOSING } from "./websocket/closing.ts";
import { CONTROL } from "./websocket/control.ts";
import { DEFLATE } from "./websocket/deflate.ts";
import { UTF8 } from "./websocket/utf8.ts";

const section = (name: string): Case[] =>
  loadCases(join(import.meta.dirname, "websocket", `${name}.wire`));

export const WEBSOCKET: readonly Case[] = [
  ...section("handshake"),
  ...section("framing"),
  ...section("masking"),
  ...section("fragmentation"),
  ...section("utf8"),
  ...UTF8,
  ...section("control"),
  ...CONTROL,
  ...section("closing"),
  ...CLOSING,
  ...section("sizes"),
  ...section("deflate"),
  ...DEFLATE,
];
