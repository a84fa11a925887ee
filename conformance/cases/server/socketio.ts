// All cases of Socket.IO 5, in the order of the specification: transcripts, and the cases that cannot be transcripts.

import { join } from "node:path";

import type { Case } from "../../harness/case.ts";
import { loadCases } from "../../transcripts/load.ts";
import { CONNECT } from "./socketio/connect.ts";
import { EVENTS } from "./socketio/events.ts";

const SECTIONS = ["connect", "events", "binary", "acks", "disconnect", "malformed", "polling"];

export const SOCKETIO: readonly Case[] = [
  ...CONNECT,
  ...EVENTS,
  ...SECTIONS.flatMap((name) => loadCases(join(import.meta.dirname, "socketio", `${name}.wire`))),
];
