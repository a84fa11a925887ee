#!/usr/bin/env node
// The command `barewire`.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { run } from "./cli.ts";

const manifest = readFileSync(join(import.meta.dirname, "../../package.json"), "utf8");
await run(JSON.parse(manifest).version);
