// What was said in a case, in order, with what the bytes mean: for the reports.

export type Direction = "sent" | "received" | "note";

export interface Utterance {
  /** Milliseconds since the case began. */
  readonly at: number;
  readonly direction: Direction;
  /** The first bytes of it; none for a note. */
  readonly bytes: Uint8Array;
  /** How many bytes it had. */
  readonly length: number;
  /** What they mean: "text frame, fin, masked: \"hello\"". */
  readonly meaning: string;
}

/** Of more than that only the beginning is kept. */
const KEPT = 256;
/** A case that hears more than that is reported with what came first. */
const MOST = 400;

const NOTHING = new Uint8Array(0);

export class Conversation {
  readonly utterances: Utterance[] = [];
  readonly #begin = performance.now();

  sent(bytes: Uint8Array, meaning: string): void {
    this.#add("sent", bytes, meaning);
  }

  received(bytes: Uint8Array, meaning: string): void {
    this.#add("received", bytes, meaning);
  }

  /** Something that is no bytes: "TCP connection 2 opened". */
  note(meaning: string): void {
    this.#add("note", NOTHING, meaning);
  }

  #add(direction: Direction, bytes: Uint8Array, meaning: string): void {
    if (this.utterances.length >= MOST) return;
    const at = Math.round(performance.now() - this.#begin);
    const kept = Uint8Array.from(bytes.subarray(0, KEPT));
    this.utterances.push({ at, direction, bytes: kept, length: bytes.length, meaning });
  }
}

/** "81 05 48 65 …" */
export function hex(bytes: Uint8Array, most = 64): string {
  const shown = [...bytes.subarray(0, most)].map((byte) => byte.toString(16).padStart(2, "0"));
  return shown.join(" ") + (bytes.length > most ? " …" : "");
}

/** A text for people, on one line and not too long. */
export function quote(text: string, most = 80): string {
  const shown = text.length > most ? `${text.slice(0, most)}…` : text;
  return JSON.stringify(shown) + (text.length > most ? ` (${text.length} characters)` : "");
}
