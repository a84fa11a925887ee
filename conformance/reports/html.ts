// The report as one self-contained HTML page, which sends no requests.

import { createHash } from "node:crypto";
import { SEVERITIES } from "../harness/case.ts";
import { hex, type Utterance } from "../harness/conversation.ts";
import type { Outcome, Result } from "../harness/runner.ts";
import { SCRIPT, STYLE } from "./html-page.ts";
import {
  byLayer,
  bySeverity,
  type Counts,
  count,
  duration,
  failuresOf,
  isBreach,
  isFailed,
  LAYER_NAMES,
  plural,
  printable,
  type Report,
} from "./report.ts";

/** How much of a conversation is shown. Passed cases show only a little, so that the page does not become too large. */
const PASSED = { bytes: 32, lines: 40 } as const;
const OTHERS = { bytes: Number.POSITIVE_INFINITY, lines: Number.POSITIVE_INFINITY } as const;
/** The largest number of failures that are unfolded initially. If more were unfolded, each would be hard to find. */
const UNFOLDED = 12;
/** Largest number of failures that are listed at the top of the page. */
const LINKS = 50;

/** HTML that is inserted unchanged. Every other value is escaped when it is inserted. */
class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Markup | readonly Markup[];

function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  const written = parts.map((part) => {
    if (part instanceof Markup) return part.text;
    if (typeof part === "object") return part.map(({ text }) => text).join("");
    return escapeHtml(`${part}`);
  });
  return new Markup(String.raw({ raw: strings }, ...written));
}

function escapeHtml(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const NOTHING = new Markup("");
const GLYPHS: Readonly<Record<Outcome, string>> = { passed: "✓", failed: "✗", skipped: "–" };
const ARROWS: Readonly<Record<Utterance["direction"], string>> = {
  sent: "→",
  received: "←",
  note: "·",
};
const WHO: Readonly<Record<Utterance["direction"], string>> = {
  sent: "sent",
  received: "received",
  note: "note",
};

export function renderHtml(report: Report): string {
  const { target, results, gone } = report;
  const { failed } = count(results);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${gone === undefined ? "" : "Aborted: "}${breachesOf(report)} failed: conformance of ${target}</title>
<link rel="icon" href="${icon(!isFailed(report))}">
<style>${new Markup(STYLE)}</style>
</head>
<body>
${renderHead(report)}
<main>
${renderOverview(results)}
${renderFailures(results)}
${renderFilter(results)}
${byLayer(results).map(([layer, groups]) => {
  const all = [...groups.values()].flat();
  return html`<section class="layer" id="${layer}" aria-labelledby="${layer}-name">
<h2 id="${layer}-name">${LAYER_NAMES[layer]} <small>${tally(count(all))}</small></h2>
${[...groups].map(([group, members]) => renderGroup(group, members, failed))}
</section>
`;
})}
<p id="nothing" hidden>No case matches the filter.</p>
</main>
<script>${new Markup(SCRIPT)}</script>
</body>
</html>
`;
  return page.text;
}

/** Returns the Content-Security-Policy, which allows only the script and the style of the page itself. */
function policy(): string {
  const hash = (text: string): string =>
    `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  return `default-src 'none'; script-src ${hash(SCRIPT)}; style-src ${hash(STYLE)}; img-src data:; base-uri 'none'; form-action 'none'`;
}

function icon(good: boolean): string {
  const colour = good ? "%231a7f4b" : "%23c4352b";
  return `data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4" fill="${colour}"/></svg>`;
}

function renderHead(report: Report): Markup {
  const { target, date, versions, milliseconds, notes, results, strict, gone } = report;
  const { passed, failed, skipped } = count(results);
  const breaches = results.filter((result) => isBreach(result, strict)).length;
  const lesser = failed - breaches;
  const outcome = isFailed(report) ? "failed" : "passed";
  const verdict =
    gone !== undefined
      ? `The run has failed. ${gone}`
      : failed === 0
        ? "Nothing has failed"
        : breaches === 0
          ? `No MUST has failed, but ${plural(failed, "case")} of lower severity`
          : `${breachesOf(report)} failed${lesser === 0 ? "" : `, and ${plural(lesser, "case")} of lower severity`}`;
  return html`<header>
<p class="kind">Conformance report</p>
<h1>${target}</h1>
<p class="verdict ${outcome}"><span aria-hidden="true">${GLYPHS[outcome]}</span> ${verdict}</p>
<dl class="facts">
<div><dt>Cases</dt><dd>${results.length}</dd></div>
<div><dt>Passed</dt><dd>${passed}</dd></div>
<div><dt>Failed</dt><dd>${failed === 0 ? 0 : bySeverity(results)}</dd></div>
<div><dt>Skipped</dt><dd>${skipped}</dd></div>
<div><dt>Took</dt><dd>${duration(milliseconds)}</dd></div>
<div><dt>When</dt><dd><time datetime="${date}">${date.slice(0, 16).replace("T", " ")} UTC</time></dd></div>
<div><dt>With</dt><dd>${versions}</dd></div>
</dl>
${notes.length === 0 ? NOTHING : html`<ul class="notes">${notes.map((note) => html`<li>${note}</li>`)}</ul>`}
</header>`;
}

/**
 * Counts the failures that fail the run: "2 MUSTs". If `strict` is `true`, failed SHOULDs count too: "1 MUST and 2
 * SHOULDs".
 */
function breachesOf({ results, strict }: Pick<Report, "results" | "strict">): string {
  const breaches = results.filter((result) => isBreach(result, strict));
  const parts = SEVERITIES.flatMap((severity) => {
    const { length } = breaches.filter((result) => result.severity === severity);
    return length === 0 ? [] : [plural(length, severity)];
  });
  return parts.length === 0 ? "No MUST" : parts.join(" and ");
}

function renderOverview(results: readonly Result[]): Markup {
  return html`<table class="overview">
<caption>By layer</caption>
<thead><tr><th scope="col">Layer</th><th scope="col" class="number">Passed</th><th scope="col" class="number">Failed</th><th scope="col" class="number">Skipped</th><td class="bar"></td></tr></thead>
<tbody>${byLayer(results).map(([layer, groups]) => {
    const counts = count([...groups.values()].flat());
    return html`
<tr><th scope="row"><a href="#${layer}">${LAYER_NAMES[layer]}</a></th><td class="number">${counts.passed}</td><td class="number${counts.failed === 0 ? "" : " failed"}">${counts.failed}</td><td class="number">${counts.skipped}</td><td class="bar">${renderBar(counts)}</td></tr>`;
  })}
</tbody>
</table>`;
}

/**
 * Renders the counts as a bar. The bar is an SVG, because the Content-Security-Policy of the page forbids style
 * attributes, and SVG shapes need no style attributes.
 */
function renderBar({ passed, failed, skipped }: Counts): Markup {
  const all = passed + failed + skipped;
  let at = 0;
  const part = (outcome: Outcome, number: number): Markup => {
    const x = (at / all) * 100;
    at += number;
    const width = (number / all) * 100;
    return html`<rect class="${outcome}" x="${x.toFixed(2)}" width="${width.toFixed(2)}" height="1"/>`;
  };
  const parts = [part("passed", passed), part("failed", failed), part("skipped", skipped)];
  return html`<svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">${parts}</svg>`;
}

function renderFailures(results: readonly Result[]): Markup {
  const failures = failuresOf(results);
  if (failures.length === 0) return NOTHING;
  return html`<nav aria-labelledby="failures-name">
<h2 id="failures-name">What failed</h2>
<ul>${failures.slice(0, LINKS).map(({ id, severity, title }) => html`<li><a href="#${id}"><code>${id}</code></a> <span class="severity ${severity}">${severity}</span> ${title}</li>`)}</ul>
${failures.length > LINKS ? html`<p class="quiet">and ${failures.length - LINKS} more</p>` : NOTHING}
</nav>`;
}

function renderFilter(results: readonly Result[]): Markup {
  const { passed, failed, skipped } = count(results);
  const choices = [
    ["all", `All ${results.length}`],
    ["failed", `Failed ${failed}`],
    ["skipped", `Skipped ${skipped}`],
    ["passed", `Passed ${passed}`],
  ] as const;
  // The filter works only with the script, so the script makes it visible.
  return html`<div id="filter" role="search" hidden>
<fieldset>
<legend>Outcome</legend>
${choices.map(([value, label], index) => html`<label><input type="radio" name="outcome" value="${value}"${index === 0 ? new Markup(" checked") : NOTHING}><span>${label}</span></label>`)}
</fieldset>
<label class="search"><span>Search</span><input type="search" id="search" placeholder="id, title or clause" autocomplete="off" spellcheck="false"></label>
<p id="shown" role="status"></p>
<button type="button" id="fold">Unfold all</button>
</div>`;
}

function tally({ passed, failed, skipped }: Counts): string {
  const parts = [`${passed} passed`];
  if (failed > 0) parts.push(`${failed} failed`);
  if (skipped > 0) parts.push(`${skipped} skipped`);
  return parts.join(", ");
}

function renderGroup(group: string, members: readonly Result[], failures: number): Markup {
  return html`<section class="group">
<h3>${group} <small>${tally(count(members))}</small></h3>
${members.map((result) => renderCase(result, result.outcome === "failed" && failures <= UNFOLDED))}
</section>
`;
}

function renderCase(result: Result, unfolded: boolean): Markup {
  const { id, title, clause, severity, outcome, milliseconds } = result;
  return html`<details class="case ${outcome}" id="${id}" data-outcome="${outcome}"${unfolded ? new Markup(" open") : NOTHING}>
<summary><span class="outcome"><span aria-hidden="true">${GLYPHS[outcome]}</span> ${outcome}</span><span class="severity ${severity}">${severity}</span><span class="what"><code>${id}</code><span>${title}</span></span><span class="clause">${clause}</span><span class="time">${milliseconds} ms</span></summary>
<div class="body">
<dl>
${result.sentence === undefined ? NOTHING : html`<dt>Rule</dt><dd>${result.sentence}</dd>`}
<dt>Sends</dt><dd>${result.sends}</dd>
<dt>Expects</dt><dd>${result.expects}</dd>
${renderOutcome(result)}</dl>
${renderConversation(result)}</div>
</details>
`;
}

function renderOutcome({ outcome, expected = "", got = "", reason = "" }: Result): Markup {
  if (outcome === "failed") {
    return html`<dt>Expected</dt><dd>${expected}</dd>
<dt>Got</dt><dd class="got">${got}</dd>
`;
  }
  return outcome === "skipped" ? html`<dt>Skipped</dt><dd>${reason}</dd>\n` : NOTHING;
}

function renderConversation({ id, conversation, outcome }: Result): Markup {
  if (conversation.length === 0) return html`<p class="quiet">Neither end sent anything.</p>\n`;
  const { bytes, lines } = outcome === "passed" ? PASSED : OTHERS;
  const rest = conversation.length - lines;
  return html`<table class="conversation" aria-label="The conversation of ${id}">
<thead><tr><th scope="col">Time</th><th scope="col"><span class="unseen">Direction</span></th><th scope="col">Meaning</th><th scope="col">Bytes</th></tr></thead>
<tbody>${conversation.slice(0, lines).map((each) => renderUtterance(each, bytes))}
</tbody>
</table>
${rest > 0 ? html`<p class="quiet">… and ${rest} more, which are in the JSON report.</p>\n` : NOTHING}`;
}

function renderUtterance(utterance: Utterance, most: number): Markup {
  const { at, direction, bytes, length, meaning } = utterance;
  const shown = hex(bytes, most);
  // In the head of an HTTP message, the kit separates the lines by " ⏎ ".
  const lines = meaning.split(" ⏎ ").map((line) => html`<span>${line}</span>`);
  const more = length > Math.min(bytes.length, most) ? ` ${length} bytes` : "";
  const cell = shown === "" ? NOTHING : html`<code>${shown}</code><small>${more}</small>`;
  return html`
<tr class="${direction}"><td class="at">${at} ms</td><td class="arrow"><span aria-hidden="true">${ARROWS[direction]}</span><span class="unseen">${WHO[direction]}</span></td><td class="meaning">${lines}</td><td class="bytes">${cell}</td></tr>`;
}
