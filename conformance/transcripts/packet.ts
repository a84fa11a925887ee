// Parses a Socket.IO packet in a line of a transcript, and compares it with a received packet.

import { type EncodedPacket, placeholder } from "../peers/socketio.ts";
import { type Bytes, evaluate, scanBytes, VARIABLE, type Variables } from "./bytes.ts";
import type { Scanner } from "./scanner.ts";

/** A packet whose parts may depend on variables. */
export interface PacketLine {
  /** The text of the packet. Missing: attachments only. */
  readonly text: Bytes | undefined;
  readonly attachments: readonly Bytes[];
}

/** The part before the payload: type, number of attachments, namespace, id. */
const HEAD = /^\d?(?:\d+-)?(?:\/[^,]*,)?(?:\d+|\{[a-zA-Z][\w-]*\}(?=\[))?/;

/** Prefixes that mark JSON strings which stand for a variable. */
const TEXT = "\0text ";
const VALUE = "\0value ";

/** Parses a packet: '51-["message",{#0}]' + 01 02 */
export function scanPacket(scanner: Scanner): PacketLine {
  const text = isQuoted(scanner) ? scanBytes(scanner) : undefined;
  const attachments = scanAttachments(scanner);
  if (text === undefined && attachments.length === 0) scanner.fail("expected a packet in quotes");
  return { text, attachments };
}

/** Returns whether a text in quotes follows. */
export function isQuoted(scanner: Scanner): boolean {
  return scanner.match(/(?=')/) !== undefined;
}

function scanAttachments(scanner: Scanner): Bytes[] {
  const attachments: Bytes[] = [];
  while (scanner.take("+")) attachments.push(scanBytes(scanner));
  return attachments;
}

/** Returns the text of a packet. {#0} is the placeholder of its first attachment. */
export function evaluateText(text: Bytes, variables: Variables): string {
  return evaluate(text, variables)
    .toString()
    .replace(/\{#([^}]+)\}/g, (_all, num: string) => placeholder(num));
}

/** Returns an expected packet. A variable without a value remains as the text {name}. */
export function evaluateAwaited(
  { text = [], attachments }: PacketLine,
  variables: Variables,
): EncodedPacket {
  const known = new KnownVariables(variables);
  return {
    text: evaluateText(text, known),
    attachments: attachments.map((each) => evaluate(each, known)),
  };
}

/** Returns {name} for a variable without a value. */
class KnownVariables extends Map<string, string> {
  override get(name: string): string {
    return super.get(name) ?? `{${name}}`;
  }
}

/**
 * Compares a received packet with the expected packet: the part before the payload as text, the payload as JSON.
 *
 * @returns the values of the variables that had no value, or `undefined` if the packets differ
 */
export function matchPacket(
  wanted: EncodedPacket,
  got: EncodedPacket,
): Map<string, string> | undefined {
  const found = new Map<string, string>();
  const [wantedHead, wantedPayload] = split(wanted.text);
  const [head, payload] = split(got.text);
  const same =
    matchHead(wantedHead, head, found) &&
    matchPayload(wantedPayload, payload, found) &&
    got.attachments.length === wanted.attachments.length &&
    got.attachments.every((each, i) => Buffer.compare(each, wanted.attachments[i] ?? each) === 0);
  return same ? found : undefined;
}

/** @throws SyntaxError if the payload is neither JSON nor a variable */
export function checkPayload(text: string): void {
  const [, payload] = split(text);
  if (payload !== "" && !isVariable(payload)) parseTemplate(payload);
}

function split(text: string): [string, string] {
  const [head = ""] = HEAD.exec(text) ?? [];
  return [head, text.slice(head.length)];
}

/** Compares the parts before the payload. The id of the expected packet may be a variable. */
function matchHead(wanted: string, got: string, found: Map<string, string>): boolean {
  const [before = "", name] = wanted.split(VARIABLE);
  if (name === undefined) return got === wanted;
  const id = got.slice(before.length);
  found.set(name, id);
  return got.startsWith(before) && /^\d+$/.test(id);
}

function matchPayload(wanted: string, got: string, found: Map<string, string>): boolean {
  if (wanted === "" || got === "") return got === wanted;
  if (!isVariable(wanted)) return match(parseTemplate(wanted), JSON.parse(got), found);
  found.set(wanted.slice(1, -1), got);
  return true;
}

function isVariable(text: string): boolean {
  return new RegExp(`^${VARIABLE.source}$`).test(text);
}

/** Parses JSON in which "{name}" stands for any string, and {name} for any value. */
function parseTemplate(text: string): unknown {
  const pattern = new RegExp(`"${VARIABLE.source}"|${VARIABLE.source}`, "g");
  return JSON.parse(
    text.replace(pattern, (_all, string: string | undefined, value: string | undefined) =>
      JSON.stringify(string === undefined ? `${VALUE}${value}` : `${TEXT}${string}`),
    ),
  );
}

function match(wanted: unknown, got: unknown, found: Map<string, string>): boolean {
  if (typeof wanted === "string" && wanted.startsWith(VALUE)) {
    found.set(wanted.slice(VALUE.length), JSON.stringify(got));
    return true;
  }
  if (typeof wanted === "string" && wanted.startsWith(TEXT) && typeof got === "string") {
    found.set(wanted.slice(TEXT.length), got);
    return true;
  }
  if (typeof wanted !== "object" || wanted === null) return wanted === got;
  if (typeof got !== "object" || got === null) return false;
  if (Array.isArray(wanted) !== Array.isArray(got)) return false;
  const fields = new Map(Object.entries(got));
  const entries = Object.entries(wanted);
  return (
    entries.length === fields.size &&
    entries.every(([key, each]) => fields.has(key) && match(each, fields.get(key), found))
  );
}
