// All cases of Engine.IO 4.

import type { Case } from "../kit/case.ts";
import { HANDSHAKE4 } from "./engineio4-handshake.ts";
import { POLLING4 } from "./engineio4-polling.ts";
import { UPGRADE4 } from "./engineio4-upgrade.ts";
import { WEBSOCKET4 } from "./engineio4-websocket.ts";

export const ENGINEIO4: readonly Case[] = [...HANDSHAKE4, ...POLLING4, ...WEBSOCKET4, ...UPGRADE4];
