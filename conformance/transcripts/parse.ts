// Parses a file of transcripts. docs/transcripts.md has the grammar.

import { ALL_BEHAVIOURS, type Behaviour } from "../harness/behaviour.ts";
import { type Case, SEVERITIES } from "../harness/case.ts";
import { type Block, scanBlock } from "./block.ts";
import { VARIABLE } from "./bytes.ts";
import type { Line } from "./lines.ts";
import { Scanner, SyntaxFault } from "./scanner.ts";

/** A case as written in its file. */
export interface Transcript extends Omit<Case, "run"> {
  readonly steps: Block;
  /** The behaviour that the case needs beyond the specification. If the server lacks it, the case is skipped. */
  readonly needs?: Behaviour;
  /** The number of the case's first line, from 1. */
  readonly line: number;
}

/** The values of one row of a table, by the names of its columns. */
type Row = ReadonlyMap<string, string>;

interface Sentence {
  readonly section: string;
  /** The text of the sentence, with its section in front. */
  readonly sentence: string;
}

/** The header of a case, before the variables have values. */
interface Header {
  readonly id: string;
  readonly line: Line;
  readonly fields: Map<string, Line>;
  readonly tables: Row[][];
}

/** @throws SyntaxFault at the first line that breaks the grammar */
export function parseTranscripts(text: string): Transcript[] {
  const lines = linesOf(text);
  const sentences = new Map<string, Sentence>();
  const defaults = new Map<string, Line>();
  const transcripts: Transcript[] = [];
  while (lines.length > 0) {
    const line = lines[0];
    if (line === undefined) break;
    if (line.text.startsWith("sentence ")) {
      const [name, sentence] = readSentence(line);
      sentences.set(name, sentence);
      lines.shift();
    } else if (DEFAULT.test(line.text)) {
      const [field = ""] = line.text.split(" ", 1);
      defaults.set(field, { ...line, text: line.text.slice(field.length).trim() });
      lines.shift();
    } else {
      transcripts.push(...readCase(lines, sentences, defaults));
    }
  }
  const ids = new Set<string>();
  for (const { id, line } of transcripts) {
    if (ids.has(id)) throw new SyntaxFault(`there are two cases with the id ${id}`, line, 1);
    ids.add(id);
  }
  return transcripts;
}

/** Matches a line that sets a default for all cases below it. */
const DEFAULT = /^(?:section|severity) /;

function linesOf(text: string): Line[] {
  return text.split("\n").flatMap((whole, index): Line[] => {
    const line = whole.trim();
    if (line === "" || line.startsWith("#")) return [];
    return [{ text: line, number: index + 1, indent: whole.length - whole.trimStart().length }];
  });
}

/** Parses a line such as `sentence masked: RFC 6455 §5.1: The server MUST …`. */
function readSentence(line: Line): [string, Sentence] {
  const scanner = scan(line);
  scanner.need("sentence");
  const name = scanner.expect(/[a-z][\w-]*/, "a name");
  scanner.need(":");
  const section = scanner.expect(/RFC \d+ §[\d.]+(?=:)/, "a section such as RFC 6455 §5.2");
  scanner.need(":");
  return [name, { section, sentence: `${section}: ${scanner.takeRest()}` }];
}

const FIELDS = [
  "title",
  "section",
  "severity",
  "sentence",
  "silence",
  "extra-time",
  "alone",
  "needs",
] as const;
type Field = (typeof FIELDS)[number];

function isField(word: string): word is Field {
  return FIELDS.some((field) => field === word);
}

/** Parses the lines of one case, and returns a case for each row of its tables. */
function readCase(
  lines: Line[],
  sentences: ReadonlyMap<string, Sentence>,
  defaults: ReadonlyMap<string, Line>,
): Transcript[] {
  const header = readHeader(lines);
  const end = lines.findIndex(({ text }) => /^(?:case|sentence|section|severity) /.test(text));
  const body = lines.splice(0, end === -1 ? lines.length : end);
  if (body.length === 0) fail(header.line, "expected steps behind this");
  return product(header.tables).map((row) => {
    const field = (name: Field): string | undefined => {
      const line = header.fields.get(name);
      return line === undefined ? undefined : replace(line, row).text;
    };
    const required = (name: Field): string =>
      field(name) ??
      defaults.get(name)?.text ??
      fail(header.line, `expected a line "${name}" in this case`);
    const named = field("sentence");
    const quoted = named === undefined ? undefined : sentences.get(named);
    if (named !== undefined && quoted === undefined) {
      fail(header.fields.get("sentence") ?? header.line, `no sentence is called "${named}"`);
    }
    const severity = severityOf(required("severity"), header);
    const silence = field("silence");
    const extraTime = field("extra-time");
    const needed = field("needs");
    const needs = [...ALL_BEHAVIOURS].find((each) => each === needed);
    if (needed !== undefined && needs === undefined) {
      fail(header.fields.get("needs") ?? header.line, `unknown behaviour "${needed}"`);
    }
    const steps = scanBlock(unroll(body.map((line) => replace(line, row))));
    return {
      id: replace({ ...header.line, text: header.id }, row).text,
      title: required("title"),
      clause: field("section") ?? quoted?.section ?? required("section"),
      ...(quoted !== undefined && { sentence: quoted.sentence }),
      severity,
      ...(silence !== undefined && { silence: severityOf(silence, header) }),
      ...(header.fields.has("alone") && field("alone") !== "no" && { alone: true }),
      ...(extraTime !== undefined && { extraTime: Number.parseInt(extraTime, 10) }),
      ...(needs !== undefined && { needs }),
      sends: steps.sends,
      expects: steps.expects,
      steps,
      line: header.line.number,
    };
  });
}

function severityOf(text: string, { line }: Header): Case["severity"] {
  return SEVERITIES.find((each) => each === text) ?? fail(line, `unknown severity "${text}"`);
}

function readHeader(lines: Line[]): Header {
  const line = lines.shift();
  if (line === undefined) throw new Error("the transcript ends before the header of a case");
  const scanner = scan(line);
  scanner.need("case");
  const id = scanner.expect(/[a-z0-9{][\w.{}-]*/, "an id such as websocket.framing.rsv-001");
  scanner.end();
  const fields = new Map<string, Line>();
  const tables: Row[][] = [];
  for (;;) {
    const [next] = lines;
    if (next === undefined) break;
    const word = /^[a-z-]+/.exec(next.text)?.[0] ?? "";
    if (word === "each") {
      lines.shift();
      tables.push(readTable(next, lines));
    } else if (isField(word)) {
      if (fields.has(word)) fail(next, `there is a second "${word}"`);
      const text = next.text.slice(word.length);
      fields.set(word, { ...next, text: text.trim() });
      lines.shift();
    } else {
      break;
    }
  }
  return { id, line, fields, tables };
}

/**
 * Parses a table, in one of two forms:
 *
 *     each size: 0, 1, 125 … or a range: 1..7
 *     each name | bytes
 *        | first | 00
 */
function readTable(head: Line, lines: Line[]): Row[] {
  const scanner = scan(head);
  scanner.need("each");
  const names = [scanner.expect(/[a-zA-Z][\w-]*/, "the name of a variable")];
  if (scanner.take(":")) {
    const values = scanner
      .takeRest()
      .split(",")
      .flatMap((value) => rangeOf(value.trim()));
    return values.map((value) => new Map(names.map((name) => [name, value])));
  }
  while (scanner.take("|")) names.push(scanner.expect(/[a-zA-Z][\w-]*/, "the name of a variable"));
  scanner.end();
  const rows: Row[] = [];
  for (let [line] = lines; line?.text.startsWith("|"); [line] = lines) {
    const cells = line.text
      .slice(1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.replaceAll("\\|", "|").trim());
    if (cells.length !== names.length) fail(line, `expected ${names.length} cells`);
    rows.push(new Map(names.map((name, index) => [name, cells[index] ?? ""])));
    lines.shift();
  }
  if (rows.length === 0) fail(head, 'expected rows that begin with "|" behind this');
  return rows;
}

/** Expands "3..5" and "5..3" to their numbers. Returns other values unchanged. */
function rangeOf(value: string): string[] {
  const [, first, last] = /^(\d+)\.\.(\d+)$/.exec(value) ?? [];
  if (first === undefined || last === undefined) return [value];
  const [from, to] = [Number(first), Number(last)];
  const step = from <= to ? 1 : -1;
  return Array.from({ length: Math.abs(to - from) + 1 }, (_each, i) => `${from + i * step}`);
}

/** Combines each row of the first table with each row of the second, and so on. */
function product(tables: readonly Row[][]): Row[] {
  return tables.reduce<Row[]>(
    (rows, table) => rows.flatMap((row) => table.map((more) => new Map([...row, ...more]))),
    [new Map()],
  );
}

/** Expands "for i in 1..3" … "end". */
function unroll(lines: readonly Line[]): Line[] {
  const result: Line[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at];
    if (line === undefined) break;
    if (!line.text.startsWith("for ")) {
      result.push(writeOut(line));
      continue;
    }
    const scanner = scan(line);
    scanner.need("for");
    const name = scanner.expect(/[a-zA-Z][\w-]*/, "the name of a variable");
    scanner.need("in");
    const values = scanner
      .takeRest()
      .split(",")
      .flatMap((value) => rangeOf(value.trim()));
    const end = endOf(lines, at);
    const body = unroll(lines.slice(at + 1, end));
    for (const value of values) {
      const row = new Map([[name, value]]);
      result.push(...body.map((each) => replace(each, row)));
    }
    at = end;
  }
  return result;
}

/** Expands "> '4{i}' for i in 0..99" to the items for each value, separated by commas. */
function writeOut(line: Line): Line {
  const [, sign, said, name = "", values = ""] =
    /^([A-Z]?[><] )(.*) for ([a-zA-Z][\w-]*) in ([\d., ]+)$/.exec(line.text) ?? [];
  if (sign === undefined || said === undefined) return line;
  const items = values.split(",").flatMap((value) => rangeOf(value.trim()));
  const all = items.map((value) => replace({ ...line, text: said }, new Map([[name, value]])).text);
  return { ...line, text: `${sign}${all.join(", ")}` };
}

/** Returns the index of the end of the block that begins at `start`. */
function endOf(lines: readonly Line[], start: number): number {
  let depth = 0;
  for (let at = start; at < lines.length; at++) {
    const text = lines[at]?.text ?? "";
    if (/^(?:for |either$|any order$)/.test(text)) depth++;
    if (text === "end" && --depth === 0) return at;
  }
  return fail(lines[start] ?? { text: "", number: 0, indent: 0 }, 'expected an "end" behind this');
}

/** Replaces variables by the values of a row. Variables that are not in the row get their values when the case runs. */
function replace(line: Line, row: Row): Line {
  const text = line.text
    .split(VARIABLE)
    .map((part, index) => (index % 2 === 0 ? part : (row.get(part) ?? `{${part}}`)))
    .join("");
  return { ...line, text };
}

function scan({ text, number, indent }: Line): Scanner {
  return new Scanner(text, number, indent);
}

function fail({ number, indent }: Line, message: string): never {
  throw new SyntaxFault(message, number, indent + 1);
}
