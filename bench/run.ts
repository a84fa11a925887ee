// npm run bench: ours and the peers in turn, in one run.
//
//   npm run bench                        all of it, three rounds
//   npm run bench -- --only echo-1       cases by their names, with commas
//   npm run bench -- --rounds 5 --json   figures as JSON
//   npm run bench -- --quick             a short look, too noisy to cite
//   npm run bench -- --write             all of it, and the tables of README.md and docs/ anew
//   npm run bench -- --growth file.svg   from 100 to 20,000 clients, and nothing else, with a plot
//
// Each server and the load are processes of their own, the server on the first core and the load on
// the second, where the system has taskset. A figure is the processor time that the server took,
// not what a clock on the wall says: it stays the same when the machine has something else to do.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { build } from "esbuild";

import { CASES, type Case, type Contender, type Stage } from "./cases.ts";
import { measureCodecs } from "./codecs.ts";
import { growthTable, measureGrowth } from "./growth.ts";
import { Child } from "./ipc.ts";
import { plot } from "./plot.ts";
import { measureOnce, type Settings, type Single } from "./singles.ts";
import { line, median, type Row, table } from "./table.ts";

const BUILT = join(import.meta.dirname, ".built");
const SERVER_CORE = 0;
const LOAD_CORE = 1;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    growth: { type: "string" },
  },
});
const rounds = Number(values.rounds);
const only = values.only?.split(",");
const wanted = ({ name }: { name: string }): boolean => only === undefined || only.includes(name);

/** The servers as JavaScript, so that Node starts with no more than its users have. */
async function compile(): Promise<void> {
  rmSync(BUILT, { recursive: true, force: true });
  mkdirSync(BUILT);
  await build({
    entryPoints: ["servers/*.ts", "load.ts"].map((path) => join(import.meta.dirname, path)),
    outdir: BUILT,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "warning",
    plugins: [
      {
        name: "the package as it is published",
        setup: ({ onResolve }) => {
          onResolve({ filter: /\/server\.ts$/ }, () => ({ path: "barewire", external: true }));
          onResolve({ filter: /\/websocket\.ts$/ }, ({ kind }) =>
            kind === "entry-point" ? undefined : { path: "barewire/websocket", external: true },
          );
        },
      },
    ],
  });
}

async function round(what: Case, contender: Contender): Promise<number> {
  const options = JSON.stringify(what.options ?? {});
  const server = new Child(join(BUILT, "servers", `${contender}.js`), SERVER_CORE, [], [options]);
  const load = new Child(join(BUILT, "load.js"), LOAD_CORE);
  try {
    const port = await server.number("port");
    const stage: Stage = { server, load, port, scale: values.quick ? 0.3 : 1 };
    const before = await load.number("cpu");
    const begin = performance.now();
    const figure = await what.measure(stage);
    const busy = ((await load.number("cpu")) - before) / 1000 / (performance.now() - begin);
    if (busy > 0.9 && what.unit === "µs") {
      // The server's processor time still counts, but it is less busy than it could be.
      console.error(
        `${what.name}, ${contender}: the load took ${Math.round(busy * 100)} % of its core`,
      );
    }
    return figure;
  } finally {
    await Promise.all([server.stop(), load.stop()]);
  }
}

async function run(what: Case): Promise<Row> {
  const figures = new Map<Contender, number[]>(what.contenders.map((each) => [each, []]));
  for (let n = 0; n < rounds; n++) {
    for (const contender of what.contenders)
      figures.get(contender)?.push(await round(what, contender));
  }
  const [ours] = what.contenders;
  const goal =
    what.goal === undefined || ours === undefined
      ? undefined
      : {
          ...what.goal,
          is: median(figures.get(ours) ?? []) / median(figures.get(what.goal.peer) ?? []),
        };
  return { name: what.name, title: what.title, unit: what.unit, figures, goal };
}

const settings: Settings = { folder: BUILT, cores: [SERVER_CORE, LOAD_CORE], wanted, rounds };
const { versions } = process;
const machine = `Node ${versions.node}, V8 ${versions.v8}, ${cpus()[0]?.model ?? "?"}, ${cpus().length} cores`;

async function runAll(): Promise<void> {
  const rows: Row[] = [];
  for (const what of CASES.filter(wanted)) {
    console.error(`… ${what.title}`);
    const row = await run(what);
    rows.push(row);
    console.error(line(row));
  }
  const singles: Single[] = await measureOnce(settings);
  const codecs = wanted({ name: "codecs" }) ? await measureCodecs(rounds) : [];
  if (values.json) {
    const plain = rows.map((row) => ({ ...row, figures: Object.fromEntries(row.figures) }));
    console.log(JSON.stringify({ machine, rounds, rows: plain, singles, codecs }, null, 2));
  } else {
    const text = `${machine}; ${rounds} rounds, medians\n\n${table(rows, singles, codecs)}`;
    console.log(`\n${text}`);
    if (values.write) writeTables(text);
  }
}

function writeTables(text: string): void {
  for (const name of ["README.md", "../docs/performance.md"]) {
    const file = join(import.meta.dirname, name);
    const [before, after] = readFileSync(file, "utf8").split(
      /(?<=<!-- table -->\n).*(?=<!-- \/table -->)/s,
    );
    if (after === undefined) throw new Error(`${name} has no place for a table`);
    writeFileSync(file, `${before}${text}\n${after}`);
  }
}

async function runGrowth(file: string): Promise<void> {
  const growth = await measureGrowth(settings);
  writeFileSync(file, plot(growth));
  if (values.json) console.log(JSON.stringify({ machine, rounds, growth }, null, 2));
  else console.log(`\n${machine}; ${rounds} rounds, medians\n\n${growthTable(growth)}`);
}

if (values.write && (only !== undefined || values.quick || values.json)) {
  throw new Error("--write wants all of it, at full length, as tables");
}
await compile();
if (values.growth === undefined) await runAll();
else await runGrowth(values.growth);
