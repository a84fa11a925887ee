// All cases of the kit, by layer.

import { SOCKETIO } from "./cases/socketio.ts";
import { FRAMING } from "./cases/websocket-framing.ts";
import type { Case } from "./kit/case.ts";

export const CASES: readonly Case[] = [...FRAMING, ...SOCKETIO];
