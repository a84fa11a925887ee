// All cases of the kit, by layer.

import { SOCKETIO } from "./cases/socketio.ts";
import { WEBSOCKET } from "./cases/websocket.ts";
import type { Case } from "./kit/case.ts";

export const CASES: readonly Case[] = [...WEBSOCKET, ...SOCKETIO];
