// Random changes to valid texts.

import type { Random } from "./random.ts";

/** Changes texts at random, mostly to characters of the grammar, and sometimes to any character. */
export class Mutator {
  readonly #letters: string;
  readonly #others: readonly string[];

  /**
   * @param letters characters that have a meaning in the grammar
   * @param others texts whose ends may replace the end of another text
   */
  constructor(letters: string, others: readonly string[]) {
    this.#letters = letters;
    this.#others = others;
  }

  /** Returns `text` with one random change. */
  mutate(text: string, random: Random): string {
    const at = random.int(text.length + 1);
    const to = at + random.int(text.length + 1 - at);
    const [head, part, tail] = [text.slice(0, at), text.slice(at, to), text.slice(to)];
    switch (random.int(6)) {
      case 0:
        return head + this.letter(random) + text.slice(at + 1);
      case 1:
        return head + this.letter(random) + text.slice(at);
      case 2:
        return head + tail;
      case 3:
        return head + part + part + tail;
      case 4:
        return head;
      default: {
        const other = random.pick(this.#others) ?? "";
        return head + other.slice(random.int(other.length + 1));
      }
    }
  }

  /** Returns a character of the grammar, or sometimes any character. */
  letter(random: Random): string {
    return random.int(4) === 0
      ? String.fromCharCode(random.int(0x10000))
      : this.#letters.charAt(random.int(this.#letters.length));
  }
}
