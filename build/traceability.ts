// From the specifications to the lines that obey them: writes docs/traceability.md.
//
//   npx tsx build/traceability.ts
//
// What the specifications say is in docs/sections.json (sections and headings) and
// docs/requirements.json (the sentences of the RFCs that oblige or allow something). Who obeys is
// found by what sources, unit tests and conformance cases cite. docs/uncovered.json names what has
// no conformance case yet, and why; what has got one leaves that list here.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { CASES } from "../conformance/cases.ts";

const ROOT = join(import.meta.dirname, "..");
const PAGE = "docs/traceability.md";
const UNCOVERED = "docs/uncovered.json";

/** What a case says of itself. */
interface CaseText {
  readonly id: string;
  readonly title: string;
  readonly clause: string;
}

/** Cases for clients, where the kit has some. */
const CLIENT_CASES_FILE = join(ROOT, "conformance/client/cases.ts");
const { CLIENT_CASES = [] }: { readonly CLIENT_CASES?: readonly CaseText[] } = existsSync(
  CLIENT_CASES_FILE,
)
  ? await import(pathToFileURL(CLIENT_CASES_FILE).href)
  : {};

export interface Section {
  readonly title: string;
  /** It says what an endpoint MUST, SHOULD or MAY do. */
  readonly normative?: boolean;
  /** Sections under which the same is cited. */
  readonly alsoCitedAs?: readonly string[];
  /** Sections that it refers to, whose conformance cases look at it too. */
  readonly casesAt?: readonly string[];
}

export interface Requirement {
  readonly document: string;
  readonly section: string;
  readonly level: "MUST" | "SHOULD" | "MAY";
  /** "other": nobody here. */
  readonly whom: "server" | "client" | "both" | "other";
  readonly sentence: string;
  /** Why it is for nobody here. */
  readonly reason?: string;
  /** Why it is not kept. */
  readonly unkept?: string;
  /** File and a text in the line that obeys it, with "#" between them, where the section alone does not tell. */
  readonly line?: string;
  /** The same of the test. */
  readonly test?: string;
  /** A pattern: which of the section's tests and cases are about it. */
  readonly about?: string;
}

/** A place that cites a section. */
export interface Citation {
  readonly document: string;
  /** A section's number, or a heading. */
  readonly section: string;
  readonly file: string;
  readonly line: number;
  /** The name of the test, where the citation is in one. */
  readonly name: string | undefined;
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

export const SECTIONS: Readonly<Record<string, Readonly<Record<string, Section>>>> = JSON.parse(
  read("docs/sections.json"),
);

export const REQUIREMENTS: readonly Requirement[] = JSON.parse(read("docs/requirements.json"));

/** Reasons, by document and section. */
export type Uncovered = Readonly<Record<string, string>>;

export function readUncovered(): Uncovered {
  return JSON.parse(read(UNCOVERED));
}

const HEADED = /^(?:Engine|Socket)\.IO /;

function files(ending: string, ...folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(ending))
      .sort()
      .map((name) => `${folder}/${name}`),
  );
}

/** Which headings each of the documents has. */
const TITLES = new Map(
  Object.entries(SECTIONS)
    .filter(([document]) => HEADED.test(document))
    .map(([document, sections]) => [
      document,
      new Set(Object.values(sections).map(({ title }) => title)),
    ]),
);

/**
 * The sections and headings that a file cites. A section without its document is of the first that
 * the file names and that has it; RFC 6455 where it names none. A heading without its document is of
 * the one that the line names before it, or the file's folder.
 */
export function citations(file: string): Citation[] {
  const text = read(file);
  const named = [...text.matchAll(/RFC \d+/g)].map(([name]) => name);
  const cited: Citation[] = [];
  let before = "";
  const lines = text.split("\n");
  for (const [index, line] of lines.entries()) {
    const name = testName(line);
    // A comment above a test is about it.
    const next = COMMENT.test(line) ? testName(lines[index + 1] ?? "") : undefined;
    const at = { file, line: index + 1, name: name ?? next };
    // Names of the protocol documents' tests begin with the heading.
    const [, heading = ""] = /^([A-Z][A-Za-z -]+): /.exec(name ?? "") ?? [];
    const document = documentOf("", file);
    if (TITLES.get(document)?.has(heading)) cited.push({ document, section: heading, ...at });
    for (const [, rfc, section = ""] of line.matchAll(/(RFC \d+ )?§(\d+(?:\.\d+)*)/g)) {
      const document =
        rfc?.trim() ?? named.find((name) => SECTIONS[name]?.[section] !== undefined) ?? "RFC 6455";
      cited.push({ document, section, ...at });
    }
    if (mayCiteHeadings(file, line)) {
      // A citation may be cut by the end of its line.
      const joined = `${before} ${line}`;
      for (const { 1: heading = "", index: found } of joined.matchAll(/"([^"]+)"/g)) {
        if (found + heading.length < before.length) continue;
        const document = documentOf(joined.slice(0, found), file);
        const title = heading.replace(/\s+(?:\/\/|\*)\s+/, " ");
        if (TITLES.get(document)?.has(title)) cited.push({ document, section: title, ...at });
      }
    }
    before = line;
  }
  return cited;
}

function mayCiteHeadings(file: string, line: string): boolean {
  return file.endsWith(".md") || /^\s*(?:\/\/|\/?\*)|\/\/ |heading: "/.test(line);
}

function documentOf(before: string, file: string): string {
  const [, layer, revision] = /.*\b(Engine|Socket)\.IO(?: (\d))?/s.exec(before) ?? [];
  if (layer === "Engine") return `Engine.IO ${revision ?? 4}`;
  if (layer === "Socket") return `Socket.IO ${revision ?? 5}`;
  return /[/]engineio[/.]/.test(file) ? "Engine.IO 4" : "Socket.IO 5";
}

const COMMENT = /^\s*\/\//;

function testName(line: string): string | undefined {
  const found =
    /\b(?:test|it|describe)\(\s*(?:"(.+?)"|`(.+?)`),/.exec(line) ??
    /\b(?:does|why): (?:"(.+?)"|`(.+?)`)(?:,| )/.exec(line);
  return found?.[1] ?? found?.[2];
}

export const SOURCES: readonly Citation[] = [
  ...files(".ts", "protocol", "lib", "client"),
  "server.ts",
  "websocket.ts",
].flatMap(citations);

/** Transcripts are tests: tests/wire.test.ts plays them. */
export const TESTS: readonly Citation[] = [
  ...files(".test.ts", "tests").filter((file) => !file.startsWith("tests/conformance/")),
  ...files(".ts", "tests/vectors", "tests/suites"),
  ...files(".md", "docs/wire"),
].flatMap(citations);

/** A case, and which end it asks. */
export interface TracedCase extends CaseText {
  readonly end: "server" | "client";
}

const ALL_CASES: readonly TracedCase[] = [
  ...CASES.map(({ id, title, clause }) => ({ id, title, clause, end: "server" as const })),
  ...CLIENT_CASES.map(({ id, title, clause }) => ({ id, title, clause, end: "client" as const })),
];

/** What conformance cases cite: clauses such as "RFC 6455 §5.2" and "Engine.IO v4, Handshake". */
function casesOf(
  document: string,
  section: string,
  { title, alsoCitedAs = [], casesAt = [] }: Section,
): TracedCase[] {
  const numbers = new Set([section, ...alsoCitedAs, ...casesAt]);
  const cites = (clause: string): boolean => {
    if (!HEADED.test(document)) {
      let last = "";
      return [...clause.matchAll(/(RFC \d+)|§(\d+(?:\.\d+)*)/g)].some(([, rfc, number = ""]) => {
        if (rfc !== undefined) last = rfc;
        return last === document && numbers.has(number);
      });
    }
    const [layer = "", revision = ""] = document.split(" ");
    return (
      new RegExp(`${layer} (?:protocol )?v?${revision}\\b`).test(clause) &&
      [title, ...alsoCitedAs, ...casesAt].some((each) => clause.includes(each))
    );
  };
  return ALL_CASES.filter(({ clause }) => cites(clause));
}

export interface Traced {
  readonly document: string;
  readonly section: string;
  readonly title: string;
  readonly requirements: readonly Requirement[];
  /** An endpoint that is built here must do something. */
  readonly obliges: boolean;
  /** And a server among them, which the conformance kit can see. */
  readonly obligesServer: boolean;
  readonly sources: readonly Citation[];
  readonly tests: readonly Citation[];
  readonly cases: readonly TracedCase[];
}

/** Sections by their numbers, headings as the document has them. */
function inOrder(sections: Readonly<Record<string, Section>>): [string, Section][] {
  return Object.entries(sections).sort(([one], [other]) =>
    /^\d/.test(one) ? one.localeCompare(other, "en", { numeric: true }) : 0,
  );
}

/** Every section and heading with who obeys it. */
export const TRACED: readonly Traced[] = Object.entries(SECTIONS).flatMap(([document, sections]) =>
  inOrder(sections).map(([section, entry]) => {
    const requirements = REQUIREMENTS.filter(
      (each) => each.document === document && each.section === section,
    );
    const ours = requirements.filter(({ whom }) => whom !== "other");
    const obliges = entry.normative === true || ours.length > 0;
    const names = new Set([
      HEADED.test(document) ? entry.title : section,
      ...(entry.alsoCitedAs ?? []),
    ]);
    const cites = (each: Citation): boolean =>
      each.document === document && names.has(each.section);
    return {
      document,
      section,
      title: entry.title,
      requirements,
      obliges,
      obligesServer: obliges && (ours.length === 0 || ours.some(({ whom }) => whom !== "client")),
      sources: SOURCES.filter(cites),
      tests: TESTS.filter(cites),
      cases: casesOf(document, section, entry),
    };
  }),
);

export function keyOf({ document, section }: Traced | Requirement): string {
  return HEADED.test(document) ? `${document} "${section}"` : `${document} §${section}`;
}

/** Sections that a server must obey and that no case looks at. */
export const WITHOUT_CASE: readonly string[] = TRACED.filter(
  ({ obligesServer, cases }) => obligesServer && !cases.some(({ end }) => end === "server"),
).map(keyOf);

/** What of `uncovered` still has no case. */
export function stillUncovered(uncovered: Uncovered): Uncovered {
  const without = new Set(WITHOUT_CASE);
  return Object.fromEntries(Object.entries(uncovered).filter(([key]) => without.has(key)));
}

/** The line that a requirement names. Throws where it is not there any more. */
function namedLine(named: string): Place {
  const at = named.indexOf("#");
  const [file, text] = [named.slice(0, at), named.slice(at + 1)];
  const index = read(file)
    .split("\n")
    .findIndex((line) => line.includes(text));
  if (index === -1) throw new Error(`docs/requirements.json: "${text}" is not in ${file}`);
  return { file, line: index + 1 };
}

/** The citation that says it best: of the right end, and in protocol/ before what is built on it. */
function bestSource(whom: Requirement["whom"], sources: readonly Citation[]): Citation | undefined {
  const folders =
    whom === "client" ? ["client/", "protocol/", "lib/"] : ["protocol/", "lib/", "client/"];
  const rank = ({ file, line }: Citation): number => {
    const folder = folders.findIndex((each) => file.startsWith(each));
    // The first lines say what a file is of; further down it is said what does it.
    return (folder === -1 ? folders.length : folder) * 2 + (line < 5 ? 1 : 0);
  };
  return sources.toSorted((one, other) => rank(one) - rank(other))[0];
}

interface Place {
  readonly file: string;
  readonly line: number;
}

/** Where a sentence is obeyed, and who looks whether it is. */
export interface Evidence {
  readonly line: Place | undefined;
  readonly test: Place | undefined;
  readonly case: string | undefined;
}

export function evidenceFor(requirement: Requirement, { sources, tests, cases }: Traced): Evidence {
  const { whom, line, test, about = "." } = requirement;
  const fits = new RegExp(about, "i");
  const named = tests.filter(({ name }) => name !== undefined);
  const found = named.find(({ name = "" }) => fits.test(name));
  return {
    line: line === undefined ? bestSource(whom, sources) : namedLine(line),
    test:
      test === undefined ? (found ?? (named.length > 0 ? undefined : tests[0])) : namedLine(test),
    case: cases.find(
      ({ id, title, end }) => (whom === "both" || whom === end) && fits.test(`${id} ${title}`),
    )?.id,
  };
}

/** A sentence's row. */
function cellsOf(requirement: Requirement, traced: Traced): string[] {
  const { level, whom, sentence, reason, unkept } = requirement;
  const cells = [level, whom, escapeMarkdown(sentence)];
  if (reason !== undefined) return [...cells, reason, "", ""];
  if (unkept !== undefined) return [...cells, `not kept: ${unkept}`, "", ""];
  const evidence = evidenceFor(requirement, traced);
  return [
    ...cells,
    evidence.line === undefined ? "–" : link(evidence.line),
    evidence.test === undefined ? "–" : link(evidence.test),
    evidence.case === undefined ? "–" : `\`${evidence.case}\``,
  ];
}

function link({ file, line }: Place): string {
  // The file's name is enough to the eye.
  return `[${file.slice(file.lastIndexOf("/") + 1)}:${line}](../${file}#L${line})`;
}

/** Tests whose names cite the section before those that do it in a comment, one of each file first. */
function testsOf(tests: readonly Citation[]): string {
  const seen = new Set<string>();
  const places: Citation[] = [];
  const later: Citation[] = [];
  const sorted = tests.toSorted((one, other) => Number(!one.name) - Number(!other.name));
  for (const each of sorted) {
    (seen.has(each.file) ? later : places).push(each);
    seen.add(each.file);
  }
  const all = [...places, ...later];
  return list(
    all.map((each) => `${link(each)}${each.name ? ` “${escapeMarkdown(each.name)}”` : ""}`),
    3,
  );
}

function list(all: readonly string[], most: number): string {
  const more = all.length > most ? [`and ${all.length - most} more`] : [];
  return [...all.slice(0, most), ...more].join(", ") || "none";
}

function escapeMarkdown(text: string): string {
  return text.replace(/[\\|*_<>`]/g, "\\$&");
}

function sectionPart(traced: Traced, uncovered: Uncovered): string[] {
  const { document, section, title, obliges, obligesServer, requirements, sources, tests, cases } =
    traced;
  const headed = HEADED.test(document);
  const lines = [`### ${headed ? section : `§${section} ${title}`}`, ""];
  if (obliges) {
    const best = bestSource("both", sources);
    const rest = sources.filter((each) => each !== best);
    lines.push(
      `- lines: ${list([...(best === undefined ? [] : [best]), ...rest].map(link), 3)}`,
      `- unit tests: ${testsOf(tests)}`,
      `- conformance cases: ${casesPart()}`,
      "",
    );
  }
  if (requirements.length > 0) {
    lines.push(
      "| level | whom | sentence | line | unit test | case |",
      "| --- | --- | --- | --- | --- | --- |",
      ...requirements.map((each) => `| ${cellsOf(each, traced).join(" | ")} |`),
      "",
    );
  }
  return lines;

  function casesPart(): string {
    if (cases.length > 0)
      return list(
        cases.map(({ id }) => `\`${id}\``),
        3,
      );
    if (!obligesServer) return "none: it is of a client";
    return `none: ${uncovered[keyOf(traced)] ?? "?"}`;
  }
}

/** The whole page. */
export function traceability(uncovered: Uncovered): string {
  const shown = TRACED.filter(({ obliges, requirements }) => obliges || requirements.length > 0);
  const ours = REQUIREMENTS.filter(({ whom }) => whom !== "other");
  const headings = shown.filter(({ document }) => HEADED.test(document));
  const obliging = shown.filter(({ obliges }) => obliges);
  const lines = [
    "# Traceability",
    "",
    "Made by `npx tsx build/traceability.ts`; do not edit. `tests/spec.test.ts` fails when it is not",
    "what that makes, and when a section that obliges an endpoint has no line, no unit test or no",
    "conformance case.",
    "",
    `${REQUIREMENTS.length} sentences of RFC 6455 and RFC 7692 say MUST, SHOULD or MAY (or the like); ${ours.length} of them`,
    `concern a server or a client, and ${headings.length} headings of the protocol documents do. They are in ${obliging.length}`,
    `sections; ${obliging.filter(({ cases }) => cases.length > 0).length} have conformance cases.`,
    "",
  ];
  for (const document of Object.keys(SECTIONS)) {
    lines.push(`## ${document}`, "");
    for (const each of shown) {
      if (each.document === document) lines.push(...sectionPart(each, uncovered));
    }
  }
  return `${lines.join("\n").trimEnd()}\n`;
}

export function writtenPage(): string {
  return read(PAGE);
}

if (process.argv[1] === import.meta.filename) {
  const uncovered = stillUncovered(readUncovered());
  writeFileSync(join(ROOT, UNCOVERED), `${JSON.stringify(uncovered, undefined, 2)}\n`);
  writeFileSync(join(ROOT, PAGE), traceability(uncovered));
}
