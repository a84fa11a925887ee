// All cases of the kit, by layer.

import { ENGINEIO3 } from "./cases/server/engineio3.ts";
import { ENGINEIO4 } from "./cases/server/engineio4.ts";
import { SOCKETIO } from "./cases/server/socketio.ts";
import { WEBSOCKET } from "./cases/server/websocket.ts";
import type { Case } from "./harness/case.ts";

export const CASES: readonly Case[] = [...WEBSOCKET, ...ENGINEIO4, ...ENGINEIO3, ...SOCKETIO];
