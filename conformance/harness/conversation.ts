// Records for the reports what both ends sent during a case, in order, with the meaning of the bytes.

export type Direction = "sent" | "received" | "note";

export interface Utterance {
  /** Milliseconds since the start of the case. */
  readonly at: number;
  readonly direction: Direction;
  /** The first bytes of the entry. Empty for a note. */
  readonly bytes: Uint8Array;
  /** The number of bytes before truncation. */
  readonly length: number;
  /** The meaning of the bytes: "text frame, fin, masked: \"hello\"". */
  readonly meaning: string;
}

/** The number of bytes that are kept of one entry. */
const KEPT = 256;
/** The number of entries that are kept: the first 200 and the last 200, because most cases fail at the end. */
const FIRST = 200;
const LAST = 200;
/** The largest number of characters of one text. Many texts come from the server, and may be too long for a report. */
const CHARACTERS = 2000;

const NOTHING = new Uint8Array(0);

export class Conversation {
  readonly #first: Utterance[] = [];
  readonly #last: Utterance[] = [];
  #lost = 0;
  readonly #begin = performance.now();

  sent(bytes: Uint8Array, meaning: string): void {
    this.#add("sent", bytes, meaning);
  }

  received(bytes: Uint8Array, meaning: string): void {
    this.#add("received", bytes, meaning);
  }

  /** Adds an entry without bytes: "TCP connection 2 opened". */
  note(meaning: string): void {
    this.#add("note", NOTHING, meaning);
  }

  /** The entries that were kept so far. A note replaces the entries that were not kept. */
  get utterances(): Utterance[] {
    const at = this.#last[0]?.at;
    if (this.#lost === 0 || at === undefined) return [...this.#first, ...this.#last];
    const meaning = `${this.#lost} more entries were not recorded here`;
    const gap: Utterance = { at, direction: "note", bytes: NOTHING, length: 0, meaning };
    return [...this.#first, gap, ...this.#last];
  }

  #add(direction: Direction, bytes: Uint8Array, meaning: string): void {
    const utterance: Utterance = {
      at: Math.round(performance.now() - this.#begin),
      direction,
      bytes: Uint8Array.from(bytes.subarray(0, KEPT)),
      length: bytes.length,
      meaning: shorten(meaning),
    };
    if (this.#first.length < FIRST) {
      this.#first.push(utterance);
      return;
    }
    this.#last.push(utterance);
    if (this.#last.length <= LAST) return;
    this.#last.shift();
    this.#lost++;
  }
}

/** Truncates a text of the server that is too long for a report, and marks where it was truncated. */
export function shorten(text: string): string {
  const rest = text.length - CHARACTERS;
  return rest <= 0 ? text : `${text.slice(0, CHARACTERS)}… (${rest} more characters)`;
}

/** Formats bytes as "81 05 48 65 …". */
export function hex(bytes: Uint8Array, most = 64): string {
  const shown = [...bytes.subarray(0, most)].map((byte) => byte.toString(16).padStart(2, "0"));
  return shown.join(" ") + (bytes.length > most ? " …" : "");
}

/** Formats a text for people: on one line, and truncated. */
export function quote(text: string, most = 80): string {
  const shown = text.length > most ? `${text.slice(0, most)}…` : text;
  return JSON.stringify(shown) + (text.length > most ? ` (${text.length} characters)` : "");
}
