// Reads the transcripts in docs/wire/, plays each against a server, and compares every byte. The lines have the format
// that docs/transcripts.md describes for `connect tcp`, with the extensions that docs/wire/README.md describes.

import { connect, type Socket as TcpSocket } from "node:net";
import { inflateRawSync } from "node:zlib";

import { evaluate, scanBytes, VARIABLE } from "../../conformance/transcripts/bytes.ts";
import { type Signed, takeApart, withoutRemark } from "../../conformance/transcripts/lines.ts";
import { Scanner } from "../../conformance/transcripts/scanner.ts";
import { PACKET_NAMES } from "../../protocol/engineio/packet.ts";
import { describe as describeFrame, readFrames } from "./frame.ts";

export interface Line extends Signed {
  /** The line number in the page, starting at 1. */
  readonly number: number;
}

export interface Page {
  /** The TypeScript program that runs the server. */
  readonly program: string;
  readonly lines: readonly Line[];
}

/** Parses a page of docs/wire/. Throws for an invalid line of a transcript. */
export function readPage(text: string): Page {
  const lines: Line[] = [];
  const program: string[] = [];
  let block: string | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    if (line.startsWith("```")) {
      block = block === undefined ? line.slice(3) : undefined;
    } else if (block === "ts") {
      program.push(line);
    } else if (block === "wire" && line.trim() !== "") {
      const signed = takeApart(withoutRemark(line));
      if (signed === undefined) {
        throw new Error(`line ${index + 1} is not a line of a transcript: ${line}`);
      }
      lines.push({ ...signed, number: index + 1 });
    }
  }
  return { program: program.join("\n"), lines };
}

/**
 * The length of an id, in characters. A page has a variable in the place of each id, because ids differ in each run.
 */
const ID_LENGTH = 20;
/** The name of the only variable in transcripts whose value may differ at each use. */
const DATE = "date";
const DATE_LENGTH = 29;

export type Values = Map<string, string>;

/** A part of a line: a known text, or a variable whose value is first used in this line. */
type Part = { readonly text: string } | { readonly name: string; readonly length: number };

/**
 * Returns the bytes of a line in latin1. A line that is not in the byte format is a line of HTTP, which ends with CR
 * and LF.
 */
function partsOf({ said, number }: Line, values: Values): Part[] {
  const variable = (name: string): Part => {
    const known = values.get(name);
    if (known !== undefined) return { text: latin1(known) };
    return { name, length: name === DATE ? DATE_LENGTH : ID_LENGTH };
  };
  if (!/^(?:[0-9a-f]{2}(?: |$)|')/.test(said)) {
    const parts = `${said}\r\n`.split(VARIABLE);
    return parts.map((part, index) => (index % 2 === 0 ? { text: latin1(part) } : variable(part)));
  }
  const scanner = new Scanner(said, number);
  const bytes = scanBytes(scanner);
  scanner.end();
  return bytes.map((part) =>
    part.kind === "variable"
      ? variable(part.name)
      : { text: evaluate([part], values).toString("latin1") },
  );
}

function latin1(text: string): string {
  return Buffer.from(text).toString("latin1");
}

/** A TCP connection, with the bytes that were received but not yet expected. */
class Wire {
  readonly #socket: TcpSocket;
  #received = "";
  #ended = false;
  #wake: () => void = () => {};

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    const wake = (): void => this.#wake();
    this.#socket
      .on("data", (chunk: Buffer) => {
        this.#received += chunk.toString("latin1");
        wake();
      })
      .on("error", () => {})
      .on("end", () => {
        this.#ended = true;
        wake();
      });
  }

  get rest(): string {
    return this.#received;
  }

  send(bytes: string): void {
    this.#socket.write(bytes, "latin1");
  }

  sendEnd(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Removes `parts` from the received bytes, and returns the bytes. Throws on any other bytes. */
  async expect(parts: readonly Part[], values: Values): Promise<string> {
    const all = parts.map((part) => ("text" in part ? part.text : `{${part.name}}`)).join("");
    let at = 0;
    for (const part of parts) {
      const length = "text" in part ? part.text.length : part.length;
      for (;;) {
        const got = this.#received.slice(at, at + length);
        if ("text" in part && !part.text.startsWith(got)) throw new Mismatch(all, this.#received);
        if (got.length === length) break;
        if (this.#ended) throw new Mismatch(all, `${this.#received}, and the end`);
        await this.#more(() => new Mismatch(all, `${this.#received}, and nothing more`));
      }
      if (!("text" in part) && part.name !== DATE)
        values.set(part.name, this.#received.slice(at, at + length));
      at += length;
    }
    const bytes = this.#received.slice(0, at);
    this.#received = this.#received.slice(at);
    return bytes;
  }

  async expectEnd(): Promise<void> {
    while (!this.#ended && this.#received === "") {
      await this.#more(() => new Mismatch("the end", "nothing"));
    }
    if (this.#received !== "") throw new Mismatch("the end", this.#received);
  }

  #more(late: () => Error): Promise<void> {
    return soon((resolve) => {
      this.#wake = resolve;
    }, late);
  }
}

class Mismatch extends Error {
  constructor(expected: string, got: string) {
    super(`expected ${show(expected)}\n     got ${show(got)}`);
  }
}

/** Formats bytes like a line of a transcript: printable characters in quotes, others in hex. */
function show(bytes: string): string {
  return `${bytes
    .replace(
      /[^ -&(-~]+|'/g,
      (run) => `' ${Buffer.from(run, "latin1").toString("hex").replace(/../g, "$& ")}'`,
    )
    .replace(/^/, "'")}'`.replace(/'' ?/g, "");
}

const WAIT = 5000;
// These are the real timers, because a test may later replace the global timers with a fake clock.
const { setTimeout: later, clearTimeout: never } = globalThis;

/** Rejects if `start` does not call `resolve` in time. */
function soon(start: (resolve: () => void) => void, late: () => Error): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = later(() => reject(late()), WAIT);
    start(() => {
      never(timer);
      resolve();
    });
  });
}

/** The lines that a server's program printed. */
export class Printed {
  readonly #lines: string[] = [];
  #wake: () => void = () => {};

  add(line: string): void {
    this.#lines.push(line);
    this.#wake();
  }

  get rest(): readonly string[] {
    return this.#lines;
  }

  async next(): Promise<string> {
    while (this.#lines.length === 0) {
      await soon(
        (resolve) => {
          this.#wake = resolve;
        },
        () => new Error("the program printed nothing"),
      );
    }
    return this.#lines.shift() ?? "";
  }
}

/** A message of which only the first fragments were sent. */
interface Unfinished {
  readonly opcode: number;
  readonly compressed: boolean;
  readonly payload: Buffer;
}

export interface Player {
  readonly port: number;
  readonly printed: Printed;
  /** Resolves when the server has read this many bytes. */
  readonly readAll: (bytes: number) => Promise<void>;
  /** Advances the server's clock by this many milliseconds. */
  readonly pass: (milliseconds: number) => void;
  /** Called for each played line, with a description of its bytes in each protocol layer. */
  readonly onPlayed?: (line: Line, layers: readonly string[]) => void;
}

/** Plays a transcript. Rejects at the first line that does not match, with its line number. */
export async function play(lines: readonly Line[], player: Player): Promise<void> {
  const values: Values = new Map();
  const wires = new Map<string, Wire>();
  const unfinished = new Map<string, Unfinished>();
  let layers: string[] = [];
  let sent = 0;
  let lastSender = "";
  try {
    for (const line of lines) {
      try {
        await playLine(line);
        player.onPlayed?.(line, layers);
      } catch (error) {
        const why = error instanceof Error ? error.message : `${error}`;
        throw new Error(`line ${line.number}: ${why}`, { cause: error });
      }
    }
    for (const [name, { rest }] of wires) {
      if (rest !== "") throw new Error(`after the last line: ${name}< ${show(rest)}`);
    }
    const [more] = player.printed.rest;
    if (more !== undefined) throw new Error(`after the last line: @ ${more}`);
  } finally {
    for (const wire of wires.values()) wire.destroy();
  }

  async function playLine(line: Line): Promise<void> {
    const { connection, sign, said: text } = line;
    if (sign === "=") {
      const at = layers.indexOf(text);
      if (at === -1)
        throw new Error(`expected = ${text}\n     got = ${layers.join("\n         = ")}`);
      layers = layers.slice(at + 1);
    } else if (sign === "@") {
      const expected = fill(text);
      const got = await player.printed.next();
      if (got !== expected) throw new Error(`expected @ ${expected}\n     got @ ${got}`);
    } else if (sign === "~") {
      const [, count, unit] = /^(\d+) (ms|s)$/.exec(text) ?? [];
      if (count === undefined) throw new Error(`"${text}" is not a duration`);
      await player.readAll(sent);
      player.pass(Number(count) * (unit === "s" ? 1000 : 1));
    } else {
      const wire = wires.get(connection) ?? new Wire(player.port);
      wires.set(connection, wire);
      if (text === "FIN") {
        layers = [];
        if (sign === ">") wire.sendEnd();
        else await wire.expectEnd();
        return;
      }
      const parts = partsOf(line, values);
      let bytes: string;
      if (sign === ">") {
        bytes = parts.map((part) => ("text" in part ? part.text : fill(`{${part.name}}`))).join("");
        // The server must first read the bytes that were sent over another connection.
        if (lastSender !== connection) await player.readAll(sent);
        lastSender = connection;
        sent += bytes.length;
        wire.send(bytes);
      } else {
        bytes = await wire.expect(parts, values);
      }
      layers = layersOf(text, bytes, connection + sign);
      for (const [name, value] of values) {
        layers = layers.map((layer) => layer.replaceAll(value, `{${name}}`));
      }
    }
  }

  function fill(text: string): string {
    return text.replace(/\{([a-zA-Z]+)\}/g, (_all, name) => {
      const value = values.get(name);
      if (value === undefined) throw new Error(`the variable {${name}} has no value yet`);
      return value;
    });
  }

  /** Describes the bytes of a line in each protocol layer. */
  function layersOf(line: string, bytes: string, direction: string): string[] {
    const data = Buffer.from(bytes, "latin1");
    if (line.startsWith("'")) return data.toString().split("\x1e").flatMap(engineLayers);
    if (!/^[0-9a-f]{2} /.test(line)) return [];
    const [frame] = readFrames(data);
    if (frame === undefined) return [];
    const { first, masked, payload } = frame;
    const opcode = first & 0x0f;
    const fin = first >= 0x80;
    const marks = [fin ? "FIN" : "", first & 0x40 ? "RSV1" : "", opcodeName(opcode)];
    const said = `${marks.join(" ").trim().replaceAll("  ", " ")}${masked ? ", masked" : ""}, ${bytesOf(payload.length)}`;
    const result = [`frame ${said}`];
    if (opcode >= 8) return [...result, describeFrame(opcode, payload)];

    const before = unfinished.get(direction);
    const compressed = before?.compressed ?? (first & 0x40) !== 0;
    const message: Unfinished = {
      opcode: before?.opcode ?? opcode,
      compressed,
      payload: Buffer.concat([before?.payload ?? Buffer.alloc(0), payload]),
    };
    if (!fin || before !== undefined || compressed) {
      result.push(`payload ${compressed || message.opcode === 2 ? hex(payload) : payload}`);
    }
    if (!fin) {
      unfinished.set(direction, message);
      return result;
    }
    unfinished.delete(direction);
    // RFC 7692 §7.2.2: append the four octets that the sender removed.
    const whole = compressed
      ? inflateRawSync(Buffer.concat([message.payload, Buffer.from("0000ffff", "hex")]), {
          finishFlush: 2,
        })
      : message.payload;
    if (message.opcode === 2) {
      return [...result, `message ${hex(whole)}`];
    }
    return [...result, `message ${whole}`, ...engineLayers(`${whole}`)];
  }
}

const OPCODES = new Map([
  [0x0, "continuation"],
  [0x1, "text"],
  [0x2, "binary"],
  [0x8, "close"],
  [0x9, "ping"],
  [0xa, "pong"],
]);

function opcodeName(opcode: number): string {
  return OPCODES.get(opcode) ?? `opcode ${opcode}`;
}

function bytesOf(count: number): string {
  return count === 1 ? "1 byte" : `${count} bytes`;
}

function hex(bytes: Buffer): string {
  return bytes.toString("hex").replace(/..(?!$)/g, "$& ");
}

const SOCKETIO_NAMES = [
  "CONNECT",
  "DISCONNECT",
  "EVENT",
  "ACK",
  "CONNECT_ERROR",
  "BINARY_EVENT",
  "BINARY_ACK",
];

/** Describes an Engine.IO packet, and the Socket.IO packet that it contains. */
function engineLayers(packet: string): string[] {
  if (packet.startsWith("b")) {
    return [`Engine.IO message ${hex(Buffer.from(packet.slice(1), "base64"))}`];
  }
  const name: string | undefined = Object.entries(PACKET_NAMES).find(
    ([type]) => type === packet[0],
  )?.[1];
  if (name === undefined) return [];
  const data = packet.slice(1);
  const engine = `Engine.IO ${name} ${data}`.trimEnd();
  const [, type, attachments, namespace = "/", id, payload = ""] =
    /^([0-6])(?:(\d+)-)?(?:(\/[^,]*),?)?(\d+)?(.*)$/s.exec(name === "message" ? data : "") ?? [];
  if (type === undefined) return [engine];
  const says = [
    `Socket.IO ${SOCKETIO_NAMES[Number(type)]} ${namespace}`,
    attachments === undefined ? "" : `, attachments ${attachments}`,
    id === undefined ? "" : `, id ${id}`,
    payload === "" ? "" : `, ${payload}`,
  ];
  return [engine, says.join("")];
}
