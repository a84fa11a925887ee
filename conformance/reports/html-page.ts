// The style and the script of the page that reports/html.ts writes.

/** Each text colour has a contrast of at least 4.5 to 1 on each background that it is used on (WCAG 2.2, 1.4.3). */
export const STYLE = `
:root {
  --ground: #f6f7f9; --raised: #ffffff; --sunken: #eef0f4; --line: #d9dde4; --edge: #767f8d;
  --text: #1b2028; --dim: #566070; --link: #1d56b8;
  --passed: #14693c; --failed: #b4231a; --skipped: #7a5200;
  --failed-ground: #fdf0ee; --passed-fill: #2f9e63; --failed-fill: #d5453a; --skipped-fill: #d8a436;
  --sent: #1d56b8; --received: #7b3a9e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12151a; --raised: #1a1e25; --sunken: #0d1014; --line: #2c333d; --edge: #7d8898;
    --text: #e4e8ee; --dim: #a0aab8; --link: #8db8ff;
    --passed: #6cd49a; --failed: #ff938a; --skipped: #e6bd62;
    --failed-ground: #2a191a; --passed-fill: #3fae74; --failed-fill: #e2574c; --skipped-fill: #c79a3a;
    --sent: #8db8ff; --received: #d5a5f0;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { color-scheme: light dark; scroll-padding-top: 5rem; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
header, main { max-width: 76rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 2.5rem; }
h1, h2, h3, p { margin: 0; }
h1 { font-size: 1.75rem; line-height: 1.25; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 0; }
h3 { font: 600 .9rem/1.5 ui-monospace, monospace; margin: 1.5rem 0 .5rem; }
small { font: 400 .85rem/1.5 system-ui, sans-serif; color: var(--dim); margin-left: .5em; }
code, .bytes, .at, .time { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; font-variant-ligatures: none; }
a { color: var(--link); }
.kind { color: var(--dim); font-size: .85rem; letter-spacing: .04em; text-transform: uppercase; }
.passed .outcome, .verdict.passed { color: var(--passed); }
.failed .outcome, .verdict.failed, td.failed { color: var(--failed); }
.skipped .outcome { color: var(--skipped); }
.verdict { font-size: 1.1rem; font-weight: 600; margin: .25rem 0 1.25rem; }
.facts { display: flex; flex-wrap: wrap; gap: .75rem 2rem; margin: 0; }
.facts dt { color: var(--dim); font-size: .8rem; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
.notes { margin: 1.25rem 0 0; padding: .75rem 1rem; list-style: none; background: var(--raised); border: 1px solid var(--line); border-left: 4px solid var(--skipped-fill); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; text-align: left; }
.overview { margin-top: 2rem; }
.overview caption { position: absolute; clip-path: inset(50%); }
.overview th, .overview td { padding: .5rem .75rem; border-bottom: 1px solid var(--line); font-weight: 400; }
.overview thead th { color: var(--dim); font-size: .8rem; }
.overview tbody th { padding-left: 0; } .overview thead th:first-child { padding-left: 0; }
.overview .number { text-align: right; font-variant-numeric: tabular-nums; width: 6rem; }
.overview td.failed { font-weight: 700; }
.overview .bar { padding-right: 0; width: 45%; }
svg { display: block; width: 100%; height: 10px; border-radius: 5px; background: var(--line); }
rect.passed { fill: var(--passed-fill); } rect.failed { fill: var(--failed-fill); } rect.skipped { fill: var(--skipped-fill); }
nav ul { margin: .75rem 0 0; padding: 0; list-style: none; } nav li { padding: .2rem 0; } nav code { font-size: .88rem; } nav .severity { margin: 0 .25rem; }
#filter { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; align-items: center; gap: .6rem 1rem; margin: 1.5rem -1.5rem 0; padding: .75rem 1.5rem; background: var(--ground); border-bottom: 1px solid var(--line); }
fieldset { display: flex; border: 1px solid var(--edge); border-radius: 6px; padding: 0; margin: 0; min-width: 0; background: var(--raised); }
legend, .search span, .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
fieldset label { position: relative; cursor: pointer; }
fieldset input { position: absolute; inset: 0; opacity: 0; margin: 0; cursor: pointer; }
fieldset span { display: block; padding: .3rem .75rem; border-radius: 5px; font-variant-numeric: tabular-nums; }
fieldset input:checked + span { background: var(--text); color: var(--ground); }
.search { flex: 1 1 14rem; }
.search input, button { font: inherit; color: inherit; background: var(--raised); border: 1px solid var(--edge); border-radius: 6px; padding: .3rem .75rem; }
.search input { width: 100%; } ::placeholder { color: var(--dim); opacity: 1; }
button { cursor: pointer; }
#shown { color: var(--dim); font-size: .85rem; font-variant-numeric: tabular-nums; }
:focus-visible, fieldset input:focus-visible + span { outline: 3px solid var(--link); outline-offset: 2px; }
summary:focus-visible { outline-offset: -3px; }
#nothing { padding: 3rem 0; text-align: center; color: var(--dim); }
main { padding-bottom: 4rem; }
.case { background: var(--raised); border: 1px solid var(--line); margin-top: -1px; }
h3 + .case { border-radius: 6px 6px 0 0; } .case:last-child { border-radius: 0 0 6px 6px; } h3 + .case:last-child { border-radius: 6px; }
summary { display: grid; grid-template-columns: 1rem 6rem 4.5rem 1fr 13rem 5rem; gap: .75rem; align-items: baseline; padding: .5rem 1rem; cursor: pointer; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary::before { content: "▸"; color: var(--dim); }
[open] > summary::before { content: "▾"; }
summary:hover { background: var(--sunken); }
.outcome { font-weight: 600; white-space: nowrap; }
.severity { justify-self: start; font-size: .72rem; font-weight: 600; letter-spacing: .03em; border: 1px solid var(--line); border-radius: 4px; padding: 0 .35rem; color: var(--dim); }
.severity.MUST { border-color: var(--edge); color: var(--text); }
.what code { display: block; font-size: .85rem; } .what > span { color: var(--dim); font-size: .88rem; display: block; }
.clause { color: var(--dim); font-size: .85rem; } .time { color: var(--dim); font-size: .8rem; text-align: right; white-space: nowrap; }
.case.failed > summary { background: var(--failed-ground); box-shadow: inset 4px 0 var(--failed-fill); }
.body { padding: .75rem 1rem 1.25rem 2.75rem; border-top: 1px solid var(--line); }
.body dl { display: grid; grid-template-columns: 5.5rem 1fr; gap: .2rem 1rem; margin: 0 0 1rem; }
.body dt { color: var(--dim); } .body dd { margin: 0; } .body .got { font-weight: 600; color: var(--failed); }
.quiet { color: var(--dim); }
.conversation { font-size: .85rem; table-layout: fixed; background: var(--sunken); border-radius: 6px; }
.conversation th { color: var(--dim); font-weight: 400; } .conversation th, .conversation td { padding: .4rem .75rem; vertical-align: top; }
.conversation th:nth-child(1) { width: 6rem; } .conversation th:nth-child(2) { width: 2.5rem; }
.conversation tbody tr { border-top: 1px solid var(--line); }
.conversation .at { color: var(--dim); text-align: right; white-space: nowrap; }
.conversation th:nth-child(1) { text-align: right; } .meaning span { display: block; }
.arrow { font-weight: 700; } .sent .arrow { color: var(--sent); } .received .arrow { color: var(--received); }
.note td { color: var(--dim); font-style: italic; }
.bytes small { display: block; margin: 0; }
@media (max-width: 50rem) {
  header, main { padding-left: 1rem; padding-right: 1rem; } header { padding-top: 1.5rem; }
  h1 { font-size: 1.35rem; }
  .overview .bar { display: none; } .overview th, .overview td { padding: .5rem .4rem; } .overview .number { width: auto; padding-right: 0; }
  #filter { position: static; margin: 1.5rem -1rem 0; padding: .75rem 1rem; }
  fieldset { width: 100%; flex-wrap: wrap; } fieldset label { flex: 1; text-align: center; } fieldset span { padding: .45rem .25rem; font-size: .85rem; white-space: nowrap; }
  .search input, button { padding: .5rem .75rem; }
  summary { grid-template-columns: auto auto 1fr; gap: .25rem .75rem; padding: .65rem .75rem; }
  summary::before { display: none; }
  .what { grid-column: 1 / -1; grid-row: 2; } .clause { grid-column: 1 / -1; grid-row: 3; }
  .body { padding: .75rem; } .body dl { grid-template-columns: 1fr; gap: 0; } .body dd { margin-bottom: .5rem; }
  .conversation thead { position: absolute; clip-path: inset(50%); }
  .conversation, .conversation tbody { display: block; }
  .conversation tr { display: grid; grid-template-columns: 1.5rem 1fr; padding: .5rem .6rem; } .conversation tbody tr:first-child { border-top: 0; }
  .conversation td { padding: 0; } .conversation .at { grid-column: 2; grid-row: 1; text-align: left; } .conversation .arrow { grid-row: 1; }
  .conversation td:nth-child(3), .conversation .bytes { grid-column: 2; } .conversation .bytes { color: var(--dim); font-size: .78rem; }
}
@media print { #filter { display: none; } body { background: none; } .case { break-inside: avoid; } }
`;

export const SCRIPT = `
const cases = [...document.querySelectorAll("details.case")];
const texts = cases.map((each) => each.firstElementChild.textContent.toLowerCase());
const byId = (id) => document.getElementById(id);
const filter = () => {
  const outcome = document.querySelector("input[name=outcome]:checked").value;
  const words = byId("search").value.toLowerCase().split(/\\s+/);
  let shown = 0;
  cases.forEach((each, index) => {
    const fits = outcome === "all" || each.dataset.outcome === outcome;
    each.hidden = !fits || !words.every((word) => texts[index].includes(word));
    if (!each.hidden) shown++;
  });
  for (const part of document.querySelectorAll(".group, .layer"))
    part.hidden = !part.querySelector("details.case:not([hidden])");
  byId("shown").textContent = shown + " of " + cases.length + " cases";
  byId("nothing").hidden = shown > 0;
};
byId("filter").addEventListener("input", filter);
byId("fold").addEventListener("click", ({ target }) => {
  const open = target.textContent === "Unfold all";
  for (const each of cases) if (!each.hidden) each.open = open;
  target.textContent = open ? "Fold all" : "Unfold all";
});
const unfold = () => {
  const named = byId(decodeURIComponent(location.hash.slice(1)));
  if (!named?.matches("details.case")) return;
  named.open = true;
  if (!named.hidden) return;
  document.querySelector("input[value=all]").checked = true;
  byId("search").value = "";
  filter();
  named.scrollIntoView();
};
addEventListener("hashchange", unfold);
byId("filter").hidden = false;
filter();
unfold();
`;
