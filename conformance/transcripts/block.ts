// Parses the steps of a case: lines, and blocks of lines in any order or with alternatives.

import { Failure, type Severity } from "../harness/case.ts";
import { wait } from "../harness/context.ts";
import { scanAccept } from "./accept.ts";
import { evaluate, scanBytes, VARIABLE } from "./bytes.ts";
import {
  ANSWER,
  beginsHead,
  type HeadLines,
  HttpExchange,
  REQUEST,
  scanAnswer,
  scanHeadLines,
  scanRequest,
} from "./http.ts";
import { type Attempted, type Kind, LEVELS, type Lines } from "./levels.ts";
import { type Line, takeApart, withoutRemark } from "./lines.ts";
import { type Action, GIVEN, type Play } from "./play.ts";
import { Scanner, SyntaxFault, scanConnection } from "./scanner.ts";
import { scanSeverity } from "./severity.ts";
import { scanDuration, scanLimits } from "./time.ts";
import {
  type Awaited,
  expectInAnyOrder,
  scanAwaited,
  scanOpening,
  scanWritten,
  sendWritten,
  type Written,
} from "./websocket.ts";

/** A sequence of steps. */
export interface Block {
  readonly actions: readonly Action[];
  /** What the harness sends, quoted from the lines. */
  readonly sends: string;
  /** What the harness expects, quoted from the lines. */
  readonly expects: string;
  /** How often a client must connect. 0 if the harness is the client. */
  readonly accepts: number;
}

/** One line of a conversation. */
interface Said extends Line {
  /** The name of the connection: a capital letter, or "" for the connection without a name. */
  readonly connection: string;
  readonly sign: ">" | "<";
  /** Whether the line is written together with the line above. */
  readonly joins: boolean;
  /** The line without its sign. */
  readonly said: string;
}

/** Parses steps. @throws SyntaxFault at the first invalid line */
export function scanBlock(lines: readonly Line[]): Block {
  const reader = new BlockReader(lines);
  const actions = reader.readUntil(() => false);
  return { actions, sends: reader.sends(), expects: reader.expects(), accepts: reader.accepts };
}

class BlockReader {
  readonly #lines: readonly Line[];
  #at = 0;
  readonly #kinds = new Map<string, Kind>();
  /** How many "either" blocks contain the next line. */
  #eithers = 0;
  /** How often a client must connect in the lines parsed so far. */
  accepts = 0;
  /** The variables that have a value so far. */
  readonly #known = new Set(GIVEN);
  readonly #sent: string[] = [];
  readonly #awaited: string[] = [];

  constructor(lines: readonly Line[]) {
    // The text after "|" is a remark for the reader of the transcript.
    this.#lines = lines.map((line) => ({ ...line, text: withoutRemark(line.text) }));
  }

  /** The sign of lines that the harness sends: "<" if the harness is the server. */
  get #own(): ">" | "<" {
    return this.accepts > 0 ? "<" : ">";
  }

  sends(): string {
    return summaryOf(this.#sent);
  }

  expects(): string {
    return summaryOf(this.#awaited);
  }

  /** Parses steps up to the last line, or up to a line for which `isEnd` returns true. That line is not consumed. */
  readUntil(isEnd: (text: string) => boolean): Action[] {
    const actions: Action[] = [];
    for (let line = this.#next; line !== undefined && !isEnd(line.text); line = this.#next) {
      actions.push(this.#readStep(line));
    }
    return actions;
  }

  get #next(): Line | undefined {
    return this.#lines[this.#at];
  }

  #readStep(line: Line): Action {
    if (line.text.startsWith("~")) return this.#readWait(line);
    const action = this.#readSaid(line);
    const isSent = line.text.replace(/^[A-Z](?=[<>])/, "").startsWith(this.#own);
    const isAwaited = !isSent && /^(?:[A-Z]?[<>]|any order$|either$)/.test(line.text);
    return async (play) => {
      const begin = performance.now();
      await action(play);
      play.lastSaid = isAwaited ? performance.now() : begin;
    };
  }

  #readSaid(line: Line): Action {
    if (line.text.startsWith("connect ")) return this.#readConnect(line);
    if (line.text.startsWith("accept ")) return this.#readAccept(line);
    if (line.text === "any order") return this.#readAnyOrder(line);
    if (line.text === "either") return this.#readEither(line);
    const said = this.#say(line);
    // #readJoined() has parsed every line with "+" that follows frames or a head, so this line follows neither.
    if (said.joins) fail(line, `expected a head or frames above, because "+" adds to them`);
    const kind = this.#kindOf(said);
    if (said.sign !== this.#own) {
      this.#at++;
      return this.#readAwaited(said).action;
    }
    if (kind === "http") return this.#readHead(said);
    return kind === "websocket" ? this.#readWritten(said) : this.#readSent(said, kind);
  }

  /** Parses a line such as `connect websocket as B with Sec-WebSocket-Extensions: permessage-deflate`. */
  #readConnect(line: Line): Action {
    this.#at++;
    const scanner = scan(line);
    scanner.need("connect");
    if (this.accepts > 0) fail(line, "a case that accepts does not connect");
    const words = ["tcp", "websocket", ...LEVELS.keys()];
    const kind = scanner.oneOf(words);
    const level = LEVELS.get(kind);
    if (level !== undefined) {
      const { name, of, lines = level, action } = level.connect(scanner);
      if (of !== undefined && !this.#kinds.has(of)) scanner.fail(`no connection "${of}" is open`);
      scanner.end();
      this.#open(name, lines, scanner);
      for (const variable of level.gives ?? []) this.#known.add(variable);
      this.#sent.push(line.text);
      return action;
    }
    const name = scanConnection(scanner);
    if (kind === "tcp") {
      scanner.end();
      this.#open(name, "http", scanner);
      return async ({ context, http }) => {
        http.set(name, new HttpExchange(await context.tcp(), context));
      };
    }
    const open = scanOpening(scanner);
    scanner.end();
    this.#open(name, "websocket", scanner);
    return (play) => open(play, name);
  }

  /** Parses a line such as `accept websocket as B`, where B is the name of the connection. */
  #readAccept(line: Line): Action {
    this.#at++;
    if (this.accepts < this.#kinds.size) fail(line, "a case that connects does not accept");
    const scanner = scan(line);
    const { name, kind, action } = scanAccept(scanner);
    this.#open(name, kind, scanner);
    this.accepts++;
    for (const variable of ["accept", "port"]) this.#known.add(variable);
    return action;
  }

  #open(name: string, kind: Kind, scanner: Scanner): void {
    if (this.#kinds.has(name)) scanner.fail(`connection "${name}" is open already`);
    this.#kinds.set(name, kind);
  }

  /** Parses a line such as `~ 200 ms`. */
  #readWait(line: Line): Action {
    this.#at++;
    const scanner = scan(line);
    scanner.need("~");
    const text = scanner.rest.trim();
    const duration = scanDuration(scanner, this.#known);
    scanner.end();
    this.#sent.push(`nothing for ${text}`);
    return (play) => wait(duration(play));
  }

  #readAnyOrder(line: Line): Action {
    this.#at++;
    const awaited: Awaited[] = [];
    let connection: string | undefined;
    for (let next = this.#next; next?.text !== "end"; next = this.#next) {
      if (next === undefined) fail(line, 'expected an "end" behind this');
      this.#at++;
      const said = this.#say(next);
      if (said.joins) fail(next, `expected a line of "any order" without "+"`);
      const each = this.#readAwaited(said);
      if (each.item === undefined) fail(next, "expected a message, a ping or a pong");
      if (said.connection !== (connection ?? said.connection))
        fail(next, "expected one connection");
      connection = said.connection;
      awaited.push(each);
    }
    this.#at++;
    const name = connection ?? fail(line, "expected lines behind this");
    return (play) => expectInAnyOrder(play, name, awaited);
  }

  /**
   * Plays the first alternative that matches. All alternatives begin with something received over the same connection.
   */
  #readEither(line: Line): Action {
    this.#eithers++;
    const alternatives: Action[][] = [];
    const connections = new Set<string>();
    const expected: string[] = [];
    const before = this.#awaited.length;
    do {
      this.#at++;
      const first = this.#next ?? fail(line, "expected lines behind this");
      const { connection, sign } = this.#say(first);
      if (sign === this.#own) fail(first, "expected a line that the harness receives");
      connections.add(connection);
      const kind = this.#kinds.get(connection);
      alternatives.push(this.readUntil((text) => text === "or" || text === "end"));
      // An alternative may turn the connection into a WebSocket. The next alternative starts with the connection as it
      // was before the block.
      if (kind !== undefined) this.#kinds.set(connection, kind);
      expected.push(this.#awaited.splice(before).join("; "));
    } while (this.#next?.text === "or");
    if (this.#next?.text !== "end") fail(line, 'expected an "end" behind this');
    this.#at++;
    this.#eithers--;
    const [name = ""] = connections;
    const kind = this.#kinds.get(name);
    const peerOf = kind === "websocket" ? webSocketOf : kind === "http" ? exchangeOf : kind?.peerOf;
    if (connections.size !== 1 || peerOf === undefined) {
      fail(line, "expected alternatives over one connection behind this");
    }
    this.#awaited.push(expected.join(", or "));
    return (play) =>
      peerOf(play, name).firstOf(alternatives.map((actions) => () => playAll(actions, play)));
  }

  /** Splits `A> text 'hello'` into its parts. */
  #say(line: Line): Said {
    const signed = takeApart(line.text);
    if (signed === undefined || (signed.sign !== ">" && signed.sign !== "<")) {
      fail(line, "expected a step: >, <, ~, connect, accept, for, either or any order");
    }
    const { connection, sign, joins, said } = signed;
    if (!this.#kinds.has(connection)) fail(line, `no connection "${connection}" is open`);
    const indent = line.indent + line.text.length - said.length;
    this.#checkVariables(said, sign !== this.#own, { ...line, indent });
    return { ...line, indent, connection, sign, joins, said: said.trim() };
  }

  /** Checks that each variable has a value before the harness sends it. */
  #checkVariables(text: string, awaited: boolean, line: Line): void {
    for (const [index, name] of text.split(VARIABLE).entries()) {
      if (index % 2 === 0 || this.#known.has(name)) continue;
      if (!awaited) fail(line, `the variable {${name}} has no value yet`);
      this.#known.add(name);
    }
  }

  #kindOf({ connection }: Said): Kind {
    return this.#kinds.get(connection) ?? "http";
  }

  #readAwaited(said: Said): Awaited {
    const scanner = new Scanner(said.said, said.number, said.indent);
    this.#awaited.push(`${prefix(said)}${said.said}`);
    const kind = this.#kindOf(said);
    const scanOne =
      kind === "websocket"
        ? scanAwaited
        : kind !== "http"
          ? kind.awaited
          : this.accepts > 0
            ? scanRequest
            : scanAnswer;
    const awaited = scanOne(scanner, said.connection);
    if (awaited.isReadOnce === true && this.#eithers > 0) {
      fail(said, '"either" does not support "frame", because a frame can be read only once');
    }
    const what = said.said.slice(0, said.said.length - scanner.rest.length).trim();
    const limited = scanLimits(scanner, this.#known, what, awaited.action);
    const severity = scanSeverity(scanner);
    scanner.end();
    if (kind === "http" && said.said === "websocket") {
      this.#kinds.set(said.connection, "websocket");
    }
    if (severity !== undefined) return { action: weigh(limited, severity) };
    return limited === awaited.action ? awaited : { action: limited };
  }

  /**
   * Parses the head of a request or a response, up to the empty line, and the bytes that are written together with the
   * head.
   */
  #readHead(first: Said): Action {
    const { connection } = first;
    const isServer = this.accepts > 0;
    const lines: HeadLines[] = [];
    const texts: string[] = [];
    let piece: number | undefined;
    let said = first;
    const pieces = /^in pieces of ([1-9]\d*):$/.exec(first.said)?.[1];
    if (pieces !== undefined) {
      piece = Number(pieces);
      said = this.#advance(first);
    } else if (!beginsHead(first.said)) {
      return this.#readBytes(first);
    }
    while (said.said !== "") {
      const scanner = new Scanner(said.said, said.number, said.indent);
      lines.push(scanHeadLines(scanner, isServer ? ANSWER : REQUEST));
      scanner.end();
      texts.push(said.said);
      said = this.#advance(first);
    }
    this.#at++;
    const upgrades = isServer && /^(?:handshake|HTTP\/1\.1 101)\b/.test(texts[0] ?? "");
    if (upgrades) this.#kinds.set(connection, "websocket");
    const behind = this.#readJoined(connection);
    const meaning = [texts.join(" ⏎ "), ...behind.map(meaningOf)].join(" + ");
    this.#sent.push(prefix(first) + meaning);
    return async (play) => {
      const head = lines.flatMap((line) => line(play.variables));
      const bytes = Buffer.concat(behind.map(({ encode }) => encode(play, connection)));
      const exchange = play.http.get(connection);
      await exchange.sendHead(head, bytes, meaning, piece);
      if (upgrades) play.websockets.set(connection, exchange.accepted());
    };
  }

  /** Returns the next line of the same head. */
  #advance(first: Said): Said {
    this.#at++;
    const line = this.#next ?? fail(first, "expected an empty line behind the head");
    const said = this.#say(line);
    if (said.sign !== this.#own || said.joins || said.connection !== first.connection) {
      fail(line, "expected a line of the head, or the empty line behind it");
    }
    return said;
  }

  /** Parses a line that sends bytes over a TCP connection. */
  #readBytes(said: Said): Action {
    this.#at++;
    const { connection } = said;
    this.#sent.push(`${prefix(said)}${said.said}`);
    if (said.said === "FIN") return ({ http }) => http.get(connection).tcp.end();
    if (said.said === "RST") return ({ http }) => http.get(connection).tcp.reset();
    const scanner = new Scanner(said.said, said.number, said.indent);
    const bytes = scanBytes(scanner);
    scanner.end();
    return ({ context, http, variables }) => {
      const whole = evaluate(bytes, variables);
      context.conversation.sent(whole, said.said);
      http.get(connection).tcp.write(whole);
    };
  }

  #readSent(said: Said, level: Lines): Action {
    this.#at++;
    const scanner = new Scanner(said.said, said.number, said.indent);
    this.#sent.push(`${prefix(said)}${said.said}`);
    const action = level.sent(scanner, said.connection);
    scanner.end();
    return action;
  }

  #readWritten(said: Said): Action {
    this.#at++;
    const { connection } = said;
    if (said.said === "FIN" || said.said === "RST") {
      this.#sent.push(`${prefix(said)}${said.said}`);
      return ({ websockets }) => {
        const { tcp } = websockets.get(connection);
        if (said.said === "FIN") tcp.end();
        else tcp.reset();
      };
    }
    const written = [this.#scanOne(said), ...this.#readJoined(connection)];
    this.#sent.push(prefix(said) + written.map(meaningOf).join(" + "));
    return sendWritten(written, connection, ({ websockets }) => websockets.get(connection));
  }

  /** Parses the following lines with ">+". */
  #readJoined(connection: string): Written[] {
    const written: Written[] = [];
    for (;;) {
      const line = this.#next;
      if (line === undefined || !line.text.startsWith(`${connection}${this.#own}+`)) return written;
      this.#at++;
      const one = this.#scanOne(this.#say(line));
      if (one.piece !== undefined)
        fail(line, `expected "in pieces of" in the line above, not here`);
      written.push(one);
    }
  }

  #scanOne({ said, number, indent }: Said): Written {
    const scanner = new Scanner(said, number, indent);
    const written = scanWritten(scanner, this.accepts === 0);
    scanner.end();
    return written;
  }
}

/**
 * Quotes the lines of steps. If there are more than 10 steps, as after "for", only the first 4 steps and the last step
 * are quoted.
 */
function summaryOf(steps: readonly string[]): string {
  if (steps.length === 0) return "nothing";
  if (steps.length <= 10) return steps.join("; ");
  return [...steps.slice(0, 4), `… (${steps.length - 5} more)`, ...steps.slice(-1)].join("; ");
}

/** Lowers the severity of each failure of `action` to `severity`. */
function weigh(action: Action, severity: Severity): Action {
  return async (play) => {
    try {
      await action(play);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      throw new Failure(error.expected, error.got, severity);
    }
  };
}

/** Plays steps one after the other. */
export async function playAll(actions: readonly Action[], play: Play): Promise<void> {
  for (const action of actions) {
    await action(play);
  }
}

function webSocketOf({ websockets }: Play, name: string): Attempted {
  return websockets.get(name);
}

function exchangeOf({ http }: Play, name: string): Attempted {
  return http.get(name);
}

function prefix({ connection }: Said): string {
  return connection === "" ? "" : `${connection}: `;
}

function meaningOf({ meaning }: Written): string {
  return meaning;
}

function scan({ text, number, indent }: Line): Scanner {
  return new Scanner(text, number, indent);
}

function fail({ number, indent }: Line, message: string): never {
  throw new SyntaxFault(message, number, indent + 1);
}
