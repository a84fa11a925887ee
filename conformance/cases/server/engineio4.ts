// All cases of Engine.IO 4, in the order of its document.

import { join } from "node:path";

import type { Case } from "../../harness/case.ts";
import { loadCases } from "../../transcripts/load.ts";
import { HANDSHAKE4 } from "./engineio4/handshake.ts";
import { HEARTBEAT4 } from "./engineio4/heartbeat.ts";
import { POLLING4 } from "./engineio4/polling.ts";
import { UPGRADE4 } from "./engineio4/upgrade.ts";

const section = (name: string): Case[] =>
  loadCases(join(import.meta.dirname, "engineio4", `${name}.wire`));

export const ENGINEIO4: readonly Case[] = [
  ...section("handshake"),
  ...HANDSHAKE4,
  ...section("refusal"),
  ...section("polling"),
  ...POLLING4,
  ...section("websocket"),
  ...section("heartbeat"),
  ...HEARTBEAT4,
  ...section("upgrade"),
  ...UPGRADE4,
  ...section("cors"),
];
