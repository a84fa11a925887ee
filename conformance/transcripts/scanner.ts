// Scans one line of a transcript from left to right. Every error has the line and the column.

/** Thrown when a transcript violates the grammar of docs/transcripts.md. */
export class SyntaxFault extends Error {
  override readonly name = "SyntaxFault";
  /** The line, from 1. */
  readonly line: number;
  /** The column, from 1, in UTF-16 code units. */
  readonly column: number;

  constructor(message: string, line: number, column: number) {
    super(`line ${line}, column ${column}: ${message}`);
    this.line = line;
    this.column = column;
  }
}

export class Scanner {
  readonly line: number;
  readonly #text: string;
  readonly #offset: number;
  #at = 0;

  /** @param offset the number of characters of the line before `text` */
  constructor(text: string, line: number, offset = 0) {
    this.#text = text;
    this.line = line;
    this.#offset = offset;
  }

  get rest(): string {
    return this.#text.slice(this.#at);
  }

  get done(): boolean {
    this.#skipSpaces();
    return this.#at === this.#text.length;
  }

  /**
   * Consumes a word or a sign and returns `true` if it is next. Otherwise returns `false`. A word must end at a word
   * boundary.
   */
  take(word: string): boolean {
    this.#skipSpaces();
    if (!this.#text.startsWith(word, this.#at)) return false;
    const behind = this.#text[this.#at + word.length] ?? "";
    if (/\w$/.test(word) && /[\w-]/.test(behind)) return false;
    this.#at += word.length;
    return true;
  }

  /** Consumes one of these words. */
  oneOf<Word extends string>(words: readonly Word[]): Word {
    const word = words.find((each) => this.take(each));
    return word ?? this.fail(`expected ${words.join(" or ")}`);
  }

  /** Consumes a match of the pattern if it is next. */
  match(pattern: RegExp): string | undefined {
    this.#skipSpaces();
    const sticky = new RegExp(pattern.source, `${pattern.flags}y`);
    sticky.lastIndex = this.#at;
    const found = sticky.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  /** Consumes a match of the pattern. @throws SyntaxFault if it is not next */
  expect(pattern: RegExp, what: string): string {
    return this.match(pattern) ?? this.fail(`expected ${what}`);
  }

  /** Consumes a word or a sign. @throws SyntaxFault if it is not next */
  need(word: string): void {
    if (!this.take(word)) this.fail(`expected "${word}"`);
  }

  /** Consumes the rest of the line. */
  takeRest(): string {
    this.#skipSpaces();
    const { rest } = this;
    this.#at = this.#text.length;
    return rest.trimEnd();
  }

  /** Consumes a whole number with an optional unit: 65536, 64 KiB, 16 MiB. */
  number(what = "a number"): number {
    const digits = this.expect(/\d+/, what);
    const unit = this.take("KiB") ? 1024 : this.take("MiB") ? 1024 * 1024 : 1;
    return Number(digits) * unit;
  }

  /** @throws SyntaxFault unless the line ends here */
  end(): void {
    if (!this.done) this.fail("expected the end of the line");
  }

  fail(message: string): never {
    const got = this.rest === "" ? "the end of the line" : `"${this.rest.slice(0, 20)}"`;
    throw new SyntaxFault(`${message}, got ${got}`, this.line, this.#offset + this.#at + 1);
  }

  #skipSpaces(): void {
    while (this.#text[this.#at] === " ") this.#at++;
  }
}

/** Consumes "as B", the name of a connection. Returns "" if there is no name. */
export function scanConnection(scanner: Scanner): string {
  return scanner.take("as") ? scanner.expect(/[A-Z]/, "a capital letter") : "";
}
