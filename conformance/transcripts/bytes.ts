// Bytes in a transcript: pairs of hex digits, text in single quotes, and repetitions of both.

import { Skip } from "../harness/case.ts";
import type { Scanner } from "./scanner.ts";

/** A number, or an expression with a limit of the server: {maxPayload} / 2 - 20, rounded down. */
type Count =
  | number
  | { readonly name: string; readonly divisor: number; readonly subtrahend: number };

/** A part of a byte expression. */
type Part =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** The value of a variable, as text. */
  | { readonly kind: "variable"; readonly name: string }
  /** Each byte from `first` to `last`. */
  | { readonly kind: "range"; readonly first: number; readonly last: number }
  /** Incompressible bytes. Two noises of the same size are equal. */
  | { readonly kind: "noise"; readonly size: number }
  /** A part, repeated `count` times. */
  | { readonly kind: "times"; readonly part: readonly Part[]; readonly count: Count }
  /** A part, repeated until there are `size` bytes. The last repetition may be cut. */
  | { readonly kind: "up to"; readonly part: readonly Part[]; readonly size: Count };

/** Bytes whose value may depend on variables. */
export type Bytes = readonly Part[];

export type Variables = ReadonlyMap<string, string>;

/** Matches a variable in a text: {sid}. The escape \u{feff} is not a variable. */
export const VARIABLE = /(?<!\\u)\{([a-zA-Z][\w-]*)\}/;

const ESCAPES: Readonly<Record<string, string>> = {
  r: "\r",
  n: "\n",
  t: "\t",
  "0": "\0",
  "\\": "\\",
  "'": "'",
};

/** Parses all parts that follow. If no part follows, the result is empty. */
export function scanBytes(scanner: Scanner): Bytes {
  const parts: Part[] = [];
  for (;;) {
    const part = scanPart(scanner);
    if (part === undefined) return parts;
    if (scanner.take("×")) {
      const count = scanCount(scanner, "how many times");
      parts.push({ kind: "times", part, count });
    } else if (scanner.take("up to")) {
      const size = scanCount(scanner, "how many bytes");
      parts.push({ kind: "up to", part, size });
    } else {
      parts.push(...part);
    }
  }
}

function scanCount(scanner: Scanner, what: string): Count {
  const name = scanner.match(/\{[a-zA-Z][\w-]*\}/)?.slice(1, -1);
  if (name === undefined) return scanner.number(what);
  const divisor = scanner.take("/") ? scanner.number() : 1;
  const subtrahend = scanner.take("-") ? scanner.number() : 0;
  return { name, divisor, subtrahend };
}

function scanPart(scanner: Scanner): Part[] | undefined {
  const range = scanner.match(/[0-9a-f]{2}\.\.[0-9a-f]{2}(?![\w.])/);
  if (range !== undefined) {
    const [first = 0, last = 0] = range.split("..").map((pair) => Number.parseInt(pair, 16));
    return [{ kind: "range", first, last }];
  }
  const pair = scanner.match(/(?:[0-9a-f]{2})+(?![\w-])/);
  if (pair !== undefined) return [{ kind: "bytes", bytes: Buffer.from(pair, "hex") }];
  if (scanner.take("noise")) return [{ kind: "noise", size: scanner.number("how many bytes") }];
  // Reads the text together with its quote, so that leading spaces are not skipped.
  const text = scanner.match(/'(?:[^'\\]|\\.)*/s);
  if (text === undefined) return undefined;
  const parts = partsOfText(text.slice(1), scanner);
  scanner.need("'");
  return parts;
}

function partsOfText(text: string, scanner: Scanner): Part[] {
  return text.split(VARIABLE).flatMap((piece, index): Part[] => {
    if (index % 2 === 1) return [{ kind: "variable", name: piece }];
    if (piece === "") return [];
    return [{ kind: "bytes", bytes: Buffer.from(withEscapes(piece, scanner)) }];
  });
}

function withEscapes(text: string, scanner: Scanner): string {
  return text.replace(
    /\\(?:u\{([0-9a-f]{1,6})\}|x([0-9a-f]{2})|(.))/gs,
    (all, point: string | undefined, byte: string | undefined, letter: string | undefined) => {
      const code = point ?? byte;
      if (code !== undefined) return String.fromCodePoint(Number.parseInt(code, 16));
      return ESCAPES[letter ?? ""] ?? scanner.fail(`unknown escape "${all}" in the text before`);
    },
  );
}

/** Returns the names of the variables in the bytes. */
export function variablesOf(bytes: Bytes): string[] {
  return bytes.flatMap((part) => {
    if (part.kind === "variable") return [part.name];
    if (part.kind !== "times" && part.kind !== "up to") return [];
    const count = part.kind === "times" ? part.count : part.size;
    return [...variablesOf(part.part), ...(typeof count === "number" ? [] : [count.name])];
  });
}

/**
 * @throws Error if a variable has no value
 * @throws Skip if a count depends on a limit that the server does not announce
 */
export function evaluate(bytes: Bytes, variables: Variables): Buffer {
  return Buffer.concat(bytes.map((part) => evaluatePart(part, variables)));
}

function evaluatePart(part: Part, variables: Variables): Uint8Array {
  switch (part.kind) {
    case "bytes":
      return part.bytes;
    case "variable": {
      const value = variables.get(part.name);
      if (value === undefined) throw new Error(`the variable {${part.name}} has no value yet`);
      return Buffer.from(value);
    }
    case "range": {
      const { first, last } = part;
      return Uint8Array.from({ length: last - first + 1 }, (_each, index) => first + index);
    }
    case "noise":
      return noise(part.size);
    case "times": {
      return repeat(evaluate(part.part, variables), evaluateCount(part.count, variables));
    }
    case "up to": {
      const once = evaluate(part.part, variables);
      const size = evaluateCount(part.size, variables);
      return repeat(once, Math.ceil(size / Math.max(1, once.length))).subarray(0, size);
    }
  }
}

function evaluateCount(count: Count, variables: Variables): number {
  if (typeof count === "number") return count;
  const value = variables.get(count.name);
  if (value === undefined) throw new Skip(`the server announces no ${count.name}`);
  return Math.floor(Number(value) / count.divisor) - count.subtrahend;
}

/** Returns pseudorandom bytes: the lowest byte of each number of an xorshift generator. */
export function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = 0x2545f491;
  for (let i = 0; i < size; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

function repeat(bytes: Buffer, count: number): Buffer {
  return bytes.length === 0 ? bytes : Buffer.alloc(bytes.length * count, bytes);
}
