// Compares this checkout of the repository with another checkout: measures both alternately, in one run. Both checkouts
// must be built. With --observed, compares this checkout with itself: once without and once with logging, statistics and
// diagnostics channels.
//
//   npx tsx bench/compare.ts ../other --rounds 5 --only echo-1,idle
//   npx tsx bench/compare.ts --observed
//
// Even if both servers are identical, the machine may be faster or slower when the second server runs. Therefore every
// second pair of measurements begins with the other server.

import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { CASES } from "./cases.ts";
import { compile, round } from "./round.ts";
import { median } from "./table.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string" },
    rounds: { type: "string", default: "3" },
    quick: { type: "boolean", default: false },
    observed: { type: "boolean", default: false },
  },
});
const [other] = positionals;
if ((other === undefined) !== values.observed) {
  throw new Error(
    "pass the folder of another checkout, or --observed: npx tsx bench/compare.ts ../other",
  );
}
const only = values.only?.split(",");
const scale = values.quick ? 0.3 : 1;

const here = await compile(join(import.meta.dirname, ".."));
const folders = { here, there: other === undefined ? here : await compile(resolve(other)) };

const [first, second] = values.observed ? ["plain", "observed"] : ["here", "there"];
console.log(`| work | unit | ${first} | ${second} | ${first} / ${second}, median (each pair) |`);
console.log("|---|---|---:|---:|---|");
for (const what of CASES) {
  const [contender] = what.contenders;
  const isOurs = contender === "barewire" || (contender === "websocket" && !values.observed);
  if (!isOurs || (only !== undefined && !only.includes(what.name))) continue;
  const contenders = {
    here: contender,
    there: values.observed ? ("barewire-observed" as const) : contender,
  };
  const figures: { here: number[]; there: number[] } = { here: [], there: [] };
  for (let pair = 0; pair < Number(values.rounds); pair++) {
    const order = pair % 2 === 0 ? (["here", "there"] as const) : (["there", "here"] as const);
    for (const each of order) {
      figures[each].push(await round(folders[each], what, contenders[each], scale));
    }
  }
  const ratios = figures.here.map((figure, pair) => figure / (figures.there[pair] ?? Number.NaN));
  const [ours, theirs] = [median(figures.here), median(figures.there)].map((each) =>
    each.toFixed(2),
  );
  const pairs = ratios.map((ratio) => ratio.toFixed(2)).join(", ");
  const middle = median(ratios).toFixed(3);
  console.log(`| ${what.title} | ${what.unit} | ${ours} | ${theirs} | ${middle} (${pairs}) |`);
}
