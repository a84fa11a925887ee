// Tests the reports of `barewire conform`: they are well-formed whatever the server sends, and agree with the exit status.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { renderHtml } from "../../conformance/reports/html.ts";
import { renderJson } from "../../conformance/reports/json.ts";
import { renderJunit } from "../../conformance/reports/junit.ts";
import { isBreach, printable } from "../../conformance/reports/report.ts";
import { renderTap } from "../../conformance/reports/tap.ts";
import { renderText } from "../../conformance/reports/text.ts";
import { matches, select } from "../../conformance/selection.ts";
import { HOSTILE, MANY, REPORT, RESULTS, result } from "./results.ts";

const STRICT = { ...REPORT, strict: true };

/** A report without failed cases, of a server that stopped answering during the run. */
const GONE = {
  ...REPORT,
  results: RESULTS.filter(({ outcome }) => outcome !== "failed"),
  gone: `The server has not answered since about the case "a.b": 3 cases not run. ${HOSTILE}`,
};

/** The characters that could control a terminal. */
const CONTROL = /[\p{Cc}\p{Cs}\u202e]/u;

function assertHarmless(text: string): void {
  for (const line of text.split("\n")) assert.doesNotMatch(line, CONTROL);
}

test("printable() escapes control characters and line ends of a server's text", () => {
  assertHarmless(printable(HOSTILE));
  assert.ok(!printable(HOSTILE).includes("\n"));
  assert.equal(printable("grüße 🎉 →"), "grüße 🎉 →");
});

test("a failed MUST is a breach, a failed SHOULD is a breach only with --strict, and a failed INFO is never a breach", () => {
  for (const [severity, lax, strict] of [
    ["MUST", true, true],
    ["SHOULD", false, true],
    ["INFO", false, false],
  ] as const) {
    const failed = result("websocket.a.b", { severity, outcome: "failed" });
    assert.deepEqual([isBreach(failed, false), isBreach(failed, true)], [lax, strict]);
    assert.equal(isBreach({ ...failed, outcome: "skipped" }, true), false);
  }
});

test("--only and --skip accept ids, groups and patterns", () => {
  for (const [pattern, is] of [
    ["websocket.framing.rsv-001", true],
    ["websocket.framing", true],
    ["websocket", true],
    ["websocket.frame", false],
    ["websocket.framing.rsv", false],
    ["websocket.framing.rsv-*", true],
    ["*.rsv-001", true],
    ["*001", true],
    ["web*", true],
    ["framing", false],
    ["websocket?framing", false],
  ] as const) {
    assert.equal(matches("websocket.framing.rsv-001", pattern), is, pattern);
  }
  const all = { layers: [], only: [], skip: [], severity: "INFO" } as const;
  assert.equal(select(RESULTS, all).length, RESULTS.length);
  assert.equal(select(RESULTS, { ...all, severity: "SHOULD" }).length, RESULTS.length - 1);
  assert.equal(select(RESULTS, { ...all, layers: ["engineio4"] }).length, 2);
  // A group of cases may have the same name as a layer.
  const group = [result("engineio4.websocket.echo")];
  assert.deepEqual(select(group, { ...all, layers: ["websocket"] }), []);
});

test("the JSON report has every recorded byte", () => {
  const parsed = JSON.parse(renderJson(REPORT));
  assert.deepEqual(parsed.counts, { passed: 3, failed: 2, skipped: 1 });
  assert.equal(parsed.results[1].got, HOSTILE);
  const [, received, note] = parsed.results[0].conversation;
  assert.deepEqual([received.bytes, received.length], ["81".repeat(256), 70_000]);
  assert.deepEqual([note.direction, note.bytes], ["note", ""]);
});

describe("the text report", () => {
  test("prints failed cases in full, and skipped cases with their reason", () => {
    const text = renderText(REPORT);
    assertHarmless(text);
    assert.match(text, /^✗ websocket\.framing\.hostile {2}MUST {2}RFC 6455 §5\.2$/m);
    assert.match(text, /^✗ engineio4\.polling\.lesser {2}SHOULD/m);
    assert.match(text, /^ {2}no # compression: websocket\.deflate\.optional$/m);
    assert.match(text, /^WebSocket +1 +1 +1 {2}1 MUST$/m);
    assert.match(text, /^engineio3 is not tested/m);
    const last = "6 cases in 41.2 s: 3 passed, 2 failed (1 MUST, 1 SHOULD), 1 skipped.\n";
    assert.ok(text.endsWith(last));
    assert.match(text, /← text frame, fin\n +(?:81 ){32}… \(70000 bytes\)$/m);
  });

  test("cuts off long conversations, and shows only the first of many failures in full", () => {
    const [utterance] = RESULTS[0]?.conversation ?? [];
    assert.ok(utterance !== undefined);
    const conversation = Array.from({ length: 400 }, () => utterance);
    const long = { ...result("websocket.a.b", { outcome: "failed" }), conversation };
    assert.match(
      renderText({ ...REPORT, results: [long] }),
      /^ {2}… and 360 more; the reports of --html/m,
    );
    const many = Array.from({ length: 400 }, () => long);
    assert.ok(renderText({ ...REPORT, results: many }).split("\n").length < 5000);
  });

  test("lists failures by severity, each with its title and its rule", () => {
    const severities = ["INFO", "SHOULD", "MUST"] as const;
    const results = Array.from({ length: 90 }, (_each, index) =>
      result(`websocket.group.case-${index}`, {
        outcome: "failed",
        severity: severities[index % 3] ?? "MUST",
        sentence: `RFC 6455 §5.2: sentence ${index}`,
      }),
    );
    const text = renderText({ ...REPORT, results });
    const shown = [...text.matchAll(/^✗ \S+ {2}(\w+)/gm)].map(([, severity]) => severity);
    const inOrder = ["MUST", "SHOULD", "INFO"].flatMap((each) => Array(30).fill(each));
    assert.deepEqual(shown, inOrder);
    for (const { title } of results) assert.ok(text.includes(`\n  ${title}\n`), title);
    assert.match(text, /^ {2}rule +RFC 6455 §5\.2: sentence 2$/m);
    assert.match(text, /90 failed \(30 MUST, 30 SHOULD, 30 INFO\)/);
    const links = renderHtml({ ...REPORT, results }).match(/<li><a href="#[^"]+">.*?<\/li>/g);
    const listed = (links ?? []).map((link) => /severity (\w+)/.exec(link)?.[1]);
    assert.deepEqual(listed, inOrder.slice(0, listed.length));
  });

  test("says that an aborted run has failed", () => {
    const text = renderText(GONE);
    assertHarmless(text);
    assert.match(text, /^The server has not answered since .*: 3 cases not run\./m);
    assert.match(text, / 3 passed, 0 failed, 1 skipped\. The run has failed\.\n$/);
    assert.ok(renderText(GONE, true).includes("\x1b[31m4 cases in "));
  });

  test("with colours, differs only by escape sequences", () => {
    const text = renderText(REPORT, true);
    assert.equal(text.replace(new RegExp(`${"\x1b"}\\[\\d+m`, "g"), ""), renderText(REPORT));
  });
});

describe("the TAP report", () => {
  /** Parses TAP 13. Fails on an invalid line. */
  function parse(text: string): { ok: boolean; name: string; directive: string }[] {
    const [version, ...lines] = text.trimEnd().split("\n");
    assert.equal(version, "TAP version 13");
    const points: { ok: boolean; name: string; directive: string }[] = [];
    let plan = 0;
    let details = false;
    for (const line of lines) {
      if (details) {
        details = line !== "  ...";
        // The details are YAML: a mapping of scalars, with one sequence under "conversation".
        if (details) assert.match(line, /^ {2}(?:\w+: (?:[\w.]+|".*")|conversation:| {2}- ".*")$/);
        for (const [string] of line.matchAll(/".*"/g)) JSON.parse(string);
        continue;
      }
      const point = /^(not )?ok (\d+) - ((?:[^#\\]|\\.)*?)(?: # (.*))?$/.exec(line);
      if (point !== null) {
        const [, not, number, name = "", directive = ""] = point;
        assert.equal(Number(number), points.length + 1);
        points.push({ ok: not === undefined, name, directive });
      } else if (line === "  ---") details = true;
      else if (/^1\.\.\d+$/.test(line)) plan = Number(line.slice(3));
      else assert.match(line, /^# /);
    }
    assert.equal(plan, points.length);
    return points;
  }

  test("is valid TAP, and escapes # in names", () => {
    const text = renderTap(REPORT);
    assertHarmless(text);
    const points = parse(text);
    assert.deepEqual(
      points.map(({ ok, directive }) => [ok, directive]),
      [
        [true, ""],
        [false, ""],
        [true, "SKIP no \\# compression"],
        [true, ""],
        [false, "TODO SHOULD, not MUST"],
        [true, ""],
      ],
    );
    assert.ok(points[1]?.name.includes("\\# TODO"));
  });

  test("marks a failed SHOULD as TODO only without --strict, and has all cases of a long run", () => {
    assert.equal(parse(renderTap(STRICT))[4]?.directive, "");
    assert.equal(parse(renderTap(MANY)).length, 500);
  });
});

test('the TAP report of an aborted run has no plan, and ends with "Bail out!"', () => {
  const lines = renderTap(GONE).trimEnd().split("\n");
  assert.match(
    lines.at(-1) ?? "",
    /^Bail out! The server has not answered since about the case "a\.b"/,
  );
  assert.deepEqual(
    lines.filter((line) => line.startsWith("1..")),
    [],
  );
  assertHarmless(renderTap(GONE));
});

describe("the JUnit report", () => {
  /** Returns the element names in order. Supports the subset of XML that reports use, and fails on anything else. */
  function parse(xml: string): string[] {
    assert.ok(xml.startsWith('<?xml version="1.0" encoding="UTF-8"?>\n'));
    const names: string[] = [];
    const open: string[] = [];
    const text = "(?:[^<&]|&#\\d+;)*";
    const token = new RegExp(
      `<(/?)([a-z-]+)((?: [a-z]+="(?:[^<&"]|&#\\d+;)*")*)(/?)>|(${text})`,
      "y",
    );
    token.lastIndex = xml.indexOf("\n");
    while (token.lastIndex < xml.length) {
      const at = token.lastIndex;
      const [all = "", close, name, , empty] = token.exec(xml) ?? [];
      assert.notEqual(all, "", xml.slice(at, at + 80));
      if (name === undefined) continue;
      if (close === "/") assert.equal(open.pop(), name);
      else {
        names.push(name);
        if (empty !== "/") open.push(name);
      }
    }
    assert.deepEqual(open, []);
    return names;
  }

  test("is well-formed XML for any text from the server", () => {
    const xml = renderJunit(REPORT);
    assertHarmless(xml);
    const names = parse(xml);
    assert.equal(names.filter((name) => name === "testcase").length, RESULTS.length);
    assert.equal(names.filter((name) => name === "testsuite").length, 3);
    assert.equal(names.filter((name) => name === "failure").length, 1);
    assert.equal(names.filter((name) => name === "skipped").length, 2);
    assert.match(
      xml,
      /<testsuites name="barewire conform" tests="6" failures="1" errors="0" skipped="2"/,
    );
    assert.match(xml, /classname="websocket\.framing" name="good: does what/);
    assert.match(xml, /<skipped message="SHOULD not met: /);
    assert.match(xml, /&#60;img src=x/);
  });

  test("has an error for an aborted run, and the notes as properties", () => {
    const xml = renderJunit(GONE);
    assertHarmless(xml);
    const names = parse(xml);
    assert.equal(names.filter((name) => name === "error").length, 1);
    assert.equal(names.filter((name) => name === "testcase").length, GONE.results.length + 1);
    assert.match(xml, /<testsuites [^>]*tests="5" failures="0" errors="1" skipped="1"/);
    assert.match(xml, /<testsuite name="run" [^>]*tests="1" failures="0" errors="1" skipped="0"/);
    assert.match(
      xml,
      /<error type="gone" message="The server has not answered since about the case &#34;/,
    );
    assert.match(xml, /<property name="note" value="engineio3 is not tested: it answers 400\."\/>/);
    assert.ok(!renderJunit(REPORT).includes("<error"));
    assert.ok(!renderJunit({ ...REPORT, notes: [] }).includes("<properties"));
  });

  test("counts a failed SHOULD as a failure with --strict, and has all cases of a long run", () => {
    const strict = parse(renderJunit(STRICT));
    assert.equal(strict.filter((name) => name === "failure").length, 2);
    assert.equal(parse(renderJunit(MANY)).filter((name) => name === "testcase").length, 500);
  });
});

describe("the HTML report", () => {
  test("escapes markup in text from the server", () => {
    const html = renderHtml(REPORT);
    assertHarmless(html);
    assert.ok(!html.includes("<img"));
    assert.equal(html.split("</script>").length, 2);
    assert.doesNotMatch(html, / style="| on[a-z]+="/);
  });

  test("truncates long conversations, except those of failed cases", () => {
    const [utterance] = RESULTS[0]?.conversation ?? [];
    assert.ok(utterance !== undefined);
    const conversation = Array.from({ length: 400 }, () => utterance);
    for (const [outcome, rows] of [
      ["passed", 40],
      ["failed", 400],
    ] as const) {
      const one = result("websocket.a.b", { outcome, conversation });
      const html = renderHtml({ ...REPORT, results: [one] });
      assert.equal(html.split('<tr class="sent">').length - 1, rows);
      assert.equal(html.includes("and 360 more"), outcome === "passed");
    }
  });

  test("is smaller than 2 MB for 500 cases", () => {
    assert.ok(renderHtml(MANY).length < 2_000_000);
  });

  test("has a verdict that agrees with the exit status", () => {
    const lesser = RESULTS.filter(({ id }) => id !== "websocket.framing.hostile");
    assert.match(
      renderHtml({ ...REPORT, results: lesser }),
      /No MUST has failed, but 1 case of lower severity/,
    );
    assert.match(renderHtml(REPORT), /> 1 MUST failed, and 1 case of lower severity</);
    assert.match(renderHtml(REPORT), /<title>1 MUST failed: conformance of/);
    assert.match(renderHtml(STRICT), /> 1 MUST and 1 SHOULD failed</);
    const good = renderHtml({ ...REPORT, results: [] });
    assert.match(good, /class="verdict passed"><[^\n]*Nothing has failed/);
    const gone = renderHtml(GONE);
    assertHarmless(gone);
    assert.match(
      gone,
      /class="verdict failed"><[^\n]*The run has failed\. The server has not answered/,
    );
    assert.match(gone, /<title>Aborted: No MUST failed/);
    const icon = (page: string) => /rel="icon" href="([^"]+)"/.exec(page)?.[1];
    assert.notEqual(icon(gone), icon(good));
  });
});
