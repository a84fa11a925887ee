// All cases of the kit, by layer.

import { ENGINEIO3 } from "./cases/engineio3.ts";
import { ENGINEIO4 } from "./cases/engineio4.ts";
import { FRAMING } from "./cases/websocket-framing.ts";
import type { Case } from "./kit/case.ts";

export const CASES: readonly Case[] = [...FRAMING, ...ENGINEIO4, ...ENGINEIO3];
