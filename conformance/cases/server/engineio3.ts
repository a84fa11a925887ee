// All cases of Engine.IO 3, in the order of its document.

import { join } from "node:path";

import type { Case } from "../../harness/case.ts";
import { loadCases } from "../../transcripts/load.ts";
import { HANDSHAKE3 } from "./engineio3/handshake.ts";

const section = (name: string): Case[] =>
  loadCases(join(import.meta.dirname, "engineio3", `${name}.wire`));

export const ENGINEIO3: readonly Case[] = [
  ...section("handshake"),
  ...HANDSHAKE3,
  ...section("payload"),
  ...section("polling"),
  ...section("websocket"),
  ...section("heartbeat"),
  ...section("upgrade"),
];
