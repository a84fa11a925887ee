// All cases of the kit, by layer.

import { ENGINEIO3 } from "./cases/engineio3.ts";
import { ENGINEIO4 } from "./cases/engineio4.ts";
import { WEBSOCKET } from "./cases/server/websocket.ts";
import { SOCKETIO } from "./cases/socketio.ts";
import type { Case } from "./kit/case.ts";

export const CASES: readonly Case[] = [...WEBSOCKET, ...ENGINEIO4, ...ENGINEIO3, ...SOCKETIO];
