// Maps the specifications to the lines that implement them: writes docs/traceability.md.
//
//   npx tsx build/traceability.ts
//
// docs/sections.json lists the sections and headings. docs/requirements.json lists the sentences of the RFCs that
// require or allow something, and names for each sentence the line that implements it and the test that fails when it
// is violated. Sources, tests and cases belong to a section if they cite it. docs/uncovered.json lists the sections
// without a conformance case, with the reasons. This program removes a section from that list when it has a case.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { CASES } from "../conformance/cases.ts";

const ROOT = join(import.meta.dirname, "..");
const PAGE = "docs/traceability.md";
const UNCOVERED = "docs/uncovered.json";

/** The fields of a case that are used here. */
interface CaseText {
  readonly id: string;
  readonly title: string;
  readonly clause: string;
}

/** The cases for clients. */
const CLIENT_CASES_FILE = join(ROOT, "conformance/cases/client.ts");
const { CLIENT_CASES = [] }: { readonly CLIENT_CASES?: readonly CaseText[] } = existsSync(
  CLIENT_CASES_FILE,
)
  ? await import(pathToFileURL(CLIENT_CASES_FILE).href)
  : {};

export interface Section {
  readonly title: string;
  /** Whether the section says what an endpoint MUST, SHOULD or MAY do. */
  readonly normative?: boolean;
  /** Other sections with the same content. Their citations count for this section too. */
  readonly alsoCitedAs?: readonly string[];
  /** Sections that this section refers to. Their conformance cases count for this section too. */
  readonly casesAt?: readonly string[];
}

export interface Requirement {
  readonly document: string;
  readonly section: string;
  readonly level: "MUST" | "SHOULD" | "MAY";
  /** The endpoint to which the sentence applies. "other": neither the server nor the client. */
  readonly whom: "server" | "client" | "both" | "other";
  readonly sentence: string;
  /** The reason why the sentence applies to neither the server nor the client. */
  readonly reason?: string;
  /** The reason why the sentence is not implemented. */
  readonly unkept?: string;
  /**
   * The line that implements the sentence: a file and a text that only one line of the file contains, separated by
   * "#".
   */
  readonly line?: string;
  /** The tests that fail when the sentence is violated, in the format of `line`. */
  readonly test?: string | readonly string[];
  /** The reason why there is no test that fails when the sentence is violated. */
  readonly untested?: string;
  /** The id of the conformance case that fails when the sentence is violated. */
  readonly case?: string;
}

/** A line that cites a section. */
export interface Citation {
  /** The document. "" if the citation does not name a document. */
  readonly document: string;
  /** The number of the section, or a heading. */
  readonly section: string;
  readonly file: string;
  readonly line: number;
  /** The name of the test, if the citation is in a test. */
  readonly name: string | undefined;
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

export const SECTIONS: Readonly<Record<string, Readonly<Record<string, Section>>>> = JSON.parse(
  read("docs/sections.json"),
);

export const REQUIREMENTS: readonly Requirement[] = JSON.parse(read("docs/requirements.json"));

/** The reasons why sections have no conformance case, by document and section. */
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

/** The headings of each document. */
const TITLES = new Map(
  Object.entries(SECTIONS)
    .filter(([document]) => HEADED.test(document))
    .map(([document, sections]) => [
      document,
      new Set(Object.values(sections).map(({ title }) => title)),
    ]),
);

/**
 * Returns the sections that a line cites, such as "RFC 6455 §5.1", or several of one document: "RFC 6455 §5.1, §5.3".
 */
export function sectionsIn(line: string): { document: string; section: string }[] {
  let last = "";
  return [...line.matchAll(/(?:\b(RFC \d+|ECMA-\d+) )?§(\d+(?:\.\d+)*)/g)].map(
    ([, document = last, section = ""]) => {
      last = document;
      return { document, section };
    },
  );
}

/**
 * Returns the sections and headings that a file cites. A heading without a document belongs to the document that the
 * line names before it, or to the document that the file's folder implements.
 */
export function citations(file: string): Citation[] {
  const cited: Citation[] = [];
  let before = "";
  const lines = read(file).split("\n");
  for (const [index, line] of lines.entries()) {
    const name = testName(line);
    // A comment above a test belongs to the test.
    const next = COMMENT.test(line) ? testName(lines[index + 1] ?? "") : undefined;
    const at = { file, line: index + 1, name: name ?? next };
    // Tests of the Engine.IO and Socket.IO documents have titles that begin with the heading.
    const [, heading = ""] = /^([A-Z][A-Za-z -]+): /.exec(name ?? "") ?? [];
    const document = documentOf("", file);
    if (TITLES.get(document)?.has(heading)) cited.push({ document, section: heading, ...at });
    for (const found of sectionsIn(line)) cited.push({ ...found, ...at });
    if (mayCiteHeadings(file, line)) {
      // A citation may continue on the next line.
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

/** Transcripts count as tests, because tests/wire.test.ts plays them. */
export const TESTS: readonly Citation[] = [
  ...files(".test.ts", "tests").filter((file) => !file.startsWith("tests/conformance/")),
  ...files(".ts", "tests/vectors", "tests/suites"),
  ...files(".md", "docs/wire"),
].flatMap(citations);

/** A case, and the endpoint that the case tests. */
export interface TracedCase extends CaseText {
  readonly end: "server" | "client";
}

const ALL_CASES: readonly TracedCase[] = [
  ...CASES.map(({ id, title, clause }) => ({ id, title, clause, end: "server" as const })),
  ...CLIENT_CASES.map(({ id, title, clause }) => ({ id, title, clause, end: "client" as const })),
];

/**
 * Returns the conformance cases whose `clause` cites the section, such as "RFC 6455 §5.2" or "Engine.IO v4, Handshake".
 */
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
  /** Whether the section obliges the server or the client of this repository. */
  readonly obliges: boolean;
  /** Whether the section obliges the server in a way that the conformance kit can observe. */
  readonly obligesServer: boolean;
  readonly sources: readonly Citation[];
  readonly tests: readonly Citation[];
  readonly cases: readonly TracedCase[];
}

/** Sorts sections by their numbers, and headings by their order in the document. */
function inOrder(sections: Readonly<Record<string, Section>>): [string, Section][] {
  return Object.entries(sections).sort(([one], [other]) =>
    /^\d/.test(one) ? one.localeCompare(other, "en", { numeric: true }) : 0,
  );
}

/** Every section and heading, with its citations. */
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

/** The sections that oblige a server and have no conformance case. */
export const WITHOUT_CASE: readonly string[] = TRACED.filter(
  ({ obligesServer, cases }) => obligesServer && !cases.some(({ end }) => end === "server"),
).map(keyOf);

/** Returns the entries of `uncovered` that still have no conformance case. */
export function stillUncovered(uncovered: Uncovered): Uncovered {
  const without = new Set(WITHOUT_CASE);
  return Object.fromEntries(Object.entries(uncovered).filter(([key]) => without.has(key)));
}

/** Returns the line that a requirement names. @throws Error unless exactly one line of the file contains the text */
function namedLine(named: string): Place {
  const at = named.indexOf("#");
  const [file, text] = [named.slice(0, at), named.slice(at + 1)];
  const lines = existsSync(join(ROOT, file)) ? read(file).split("\n") : [];
  const places = lines.flatMap((line, index) => (line.includes(text) ? [index + 1] : []));
  const [line] = places;
  if (line === undefined || places.length > 1) {
    throw new Error(`docs/requirements.json: ${places.length} lines of ${file} contain "${text}"`);
  }
  return { file, line };
}

/** Sorts citations in protocol/ before other citations, and citations beside code before citations of a whole file. */
function bestFirst(sources: readonly Citation[]): readonly Citation[] {
  const folders = ["protocol/", "lib/", "client/"];
  const rank = ({ file, line }: Citation): number => {
    const folder = folders.findIndex((each) => file.startsWith(each));
    // The first lines of a file describe the whole file. Citations further down are next to the code.
    return (folder === -1 ? folders.length : folder) * 2 + (line < 5 ? 1 : 0);
  };
  const [best] = sources.toSorted((one, other) => rank(one) - rank(other));
  return best === undefined ? [] : [best, ...sources.filter((each) => each !== best)];
}

interface Place {
  readonly file: string;
  readonly line: number;
}

/** Returns the line, the tests and the case that docs/requirements.json names for a sentence. */
export interface Evidence {
  readonly line: Place | undefined;
  readonly tests: readonly Place[];
  readonly case: TracedCase | undefined;
}

/** @throws Error if a line, a test or a case that the requirement names does not exist */
export function evidenceFor(requirement: Requirement): Evidence {
  const { line, test = [], case: id } = requirement;
  const named = ALL_CASES.find((each) => each.id === id);
  if (id !== undefined && named === undefined) {
    throw new Error(`docs/requirements.json: there is no case ${id}`);
  }
  return {
    line: line === undefined ? undefined : namedLine(line),
    tests: [test].flat().map(namedLine),
    case: named,
  };
}

/** Formats the row of a sentence. */
function cellsOf(requirement: Requirement): string[] {
  const { level, whom, sentence, reason, unkept, untested } = requirement;
  const cells = [level, whom, escapeMarkdown(sentence)];
  if (reason !== undefined) return [...cells, reason, "", ""];
  if (unkept !== undefined) return [...cells, `not kept: ${unkept}`, "", ""];
  const evidence = evidenceFor(requirement);
  return [
    ...cells,
    evidence.line === undefined ? "–" : link(evidence.line),
    evidence.tests.map(link).join(", ") || `– ${untested ?? ""}`.trimEnd(),
    evidence.case === undefined ? "–" : `\`${evidence.case.id}\``,
  ];
}

function link({ file, line }: Place): string {
  // The visible text is only the name of the file.
  return `[${file.slice(file.lastIndexOf("/") + 1)}:${line}](../${file}#L${line})`;
}

/**
 * Lists the tests that cite a section. The first test of each file comes first. Among these, and among the remaining
 * tests, tests whose titles cite the section come before tests with a citation in a comment.
 */
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
    lines.push(
      `- lines: ${list(bestFirst(sources).map(link), 3)}`,
      `- unit tests: ${testsOf(tests)}`,
      `- conformance cases: ${casesPart()}`,
      "",
    );
  }
  if (requirements.length > 0) {
    lines.push(
      "| level | whom | sentence | line | unit test | case |",
      "| --- | --- | --- | --- | --- | --- |",
      ...requirements.map((each) => `| ${cellsOf(each).join(" | ")} |`),
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
    if (!obligesServer) return "none: the section is about clients";
    return `none: ${uncovered[keyOf(traced)] ?? "?"}`;
  }
}

/** Returns the text of the page. */
export function traceability(uncovered: Uncovered): string {
  const shown = TRACED.filter(({ obliges, requirements }) => obliges || requirements.length > 0);
  const ours = REQUIREMENTS.filter(({ whom }) => whom !== "other");
  const kept = ours.filter(({ unkept }) => unkept === undefined);
  const tested = kept.filter(({ test }) => test !== undefined);
  const headings = shown.filter(({ document }) => HEADED.test(document));
  const obliging = shown.filter(({ obliges }) => obliges);
  const lines = [
    "# Traceability",
    "",
    "Generated by `npx tsx build/traceability.ts`. Do not edit this page. `tests/spec.test.ts` fails if the page is",
    "out of date, or if a section that obliges an endpoint has no line, no unit test or no conformance case.",
    "The tables list single sentences of the specifications. For each sentence, `docs/requirements.json` names the",
    "line that implements it, and the tests and the conformance case that fail if it is violated. A sentence",
    "without a test has a “–” and the reason.",
    "",
    `In RFC 6455 and RFC 7692, ${REQUIREMENTS.length} sentences contain MUST, SHOULD, MAY or a similar word. ${ours.length} of them`,
    `concern a server or a client, and so do ${headings.length} headings of the protocol documents. They are in ${obliging.length} sections,`,
    `of which ${obliging.filter(({ cases }) => cases.length > 0).length} have conformance cases. Of the ${ours.length} sentences, ${kept.length} are implemented. ${tested.length} of these`,
    `have a test, and ${kept.length - tested.length} have a reason why there is no test.`,
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
