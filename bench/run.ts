// npm run bench: measures barewire and the other libraries in turn, in one run.
//
//   npm run bench                        measures everything, in three rounds
//   npm run bench -- --only echo-1,idle  measures only the cases with these names
//   npm run bench -- --rounds 5 --json   prints the result of each round as JSON
//   npm run bench -- --quick             shortens the measurements; too imprecise to cite
//   npm run bench -- --write             measures everything, and writes the tables into README.md and docs/performance.md
//   npm run bench -- --redis             measures only two nodes over Redis
//   npm run bench -- --nodes             measures only two, four and eight nodes on one Redis
//   npm run bench -- --growth file.svg   measures only 100 to 20,000 clients, and draws a plot

import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { CASES, type Case, type Contender } from "./cases.ts";
import { measureCodecs } from "./codecs.ts";
import { growthTable, measureGrowth } from "./growth.ts";
import { measureNodes, nodesTable } from "./nodes.ts";
import { plot } from "./plot.ts";
import { measureRedis, redisTable } from "./redis.ts";
import { compile, LOAD_CORE, round, SERVER_CORE } from "./round.ts";
import { measureOnce, type Settings, type Single } from "./singles.ts";
import { line, median, type Row, table } from "./table.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    growth: { type: "string" },
    redis: { type: "boolean", default: false },
    nodes: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const scale = values.quick ? 0.3 : 1;
const only = values.only?.split(",");
const wanted = ({ name }: { name: string }): boolean => only === undefined || only.includes(name);

async function run(what: Case): Promise<Row> {
  const figures = new Map<Contender, number[]>(what.contenders.map((each) => [each, []]));
  for (let n = 0; n < rounds; n++) {
    for (const contender of what.contenders)
      figures.get(contender)?.push(await round(BUILT, what, contender, scale));
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

const BUILT = await compile(join(import.meta.dirname, ".."));
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
    if (after === undefined)
      throw new Error(`${name} has no lines <!-- table --> and <!-- /table -->`);
    writeFileSync(file, `${before}${text}\n${after}`);
  }
}

async function runRedis(): Promise<void> {
  const result = await measureRedis(settings, scale);
  const of = `${rounds} rounds, medians and the middle half`;
  if (values.json) console.log(JSON.stringify({ machine, rounds, result }, null, 2));
  else console.log(`\n${machine}; ${of}\n\n${redisTable(result)}`);
}

async function runNodes(): Promise<void> {
  const rows = await measureNodes(settings, scale);
  if (values.json) console.log(JSON.stringify({ machine, rounds, rows }, null, 2));
  else console.log(`\n${machine}; ${rounds} rounds, medians\n\n${nodesTable(rows)}`);
}

async function runGrowth(file: string): Promise<void> {
  const growth = await measureGrowth(settings);
  writeFileSync(file, plot(growth));
  if (values.json) console.log(JSON.stringify({ machine, rounds, growth }, null, 2));
  else console.log(`\n${machine}; ${rounds} rounds, medians\n\n${growthTable(growth)}`);
}

if (values.write && (only !== undefined || values.quick || values.json)) {
  throw new Error("--write cannot be combined with --only, --quick or --json");
}
if (values.redis) await runRedis();
else if (values.nodes) await runNodes();
else if (values.growth === undefined) await runAll();
else await runGrowth(values.growth);
