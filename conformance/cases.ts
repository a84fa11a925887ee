// All cases of the kit, by layer.

import { FRAMING } from "./cases/websocket-framing.ts";
import type { Case } from "./kit/case.ts";

export const CASES: readonly Case[] = [...FRAMING];
