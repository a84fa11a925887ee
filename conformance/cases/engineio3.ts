// All cases of Engine.IO 3.

import type { Case } from "../kit/case.ts";
import { POLLING3 } from "./engineio3-polling.ts";
import { SESSION3 } from "./engineio3-session.ts";

export const ENGINEIO3: readonly Case[] = [...POLLING3, ...SESSION3];
