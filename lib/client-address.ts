// Determines the address of a request's client: the address of the connection's peer, or the address that a trusted
// proxy reports.
//
//   client 203.0.113.7 ──▶ proxy 10.0.0.2 ──▶ proxy 10.0.0.1 ──▶ this server
//
//   X-Forwarded-For: 198.51.100.1, 203.0.113.7, 10.0.0.2
//                    │             │            └ added by 10.0.0.1. 10.0.0.1 is trusted, so the value is correct
//                    │             └ added by 10.0.0.2, which is trusted. 203.0.113.7 is not trusted: this is the client
//                    └ sent by the client, which can send any value

import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { isIP } from "node:net";

/**
 * Returns the IP address of a request's client.
 *
 * If the peer of the connection is a trusted proxy, the function reads X-Forwarded-For or, if the request has no
 * X-Forwarded-For, Forwarded (RFC 7239 §5.2). It reads the addresses in the header from right to left, and returns the
 * first untrusted address. If all addresses are trusted, the function returns the leftmost address. If the function
 * reads an invalid address, or the request has neither header, it returns the address of the peer.
 *
 * @param isTrusted returns whether an address is the address of a trusted proxy
 * @returns the address. An IPv4-mapped IPv6 address ("::ffff:192.0.2.1") is returned as IPv4. "" if the peer has no
 * address, for example on a Unix domain socket
 */
export function clientAddress(
  { headers, socket }: Pick<IncomingMessage, "headers" | "socket">,
  isTrusted: (address: string | undefined) => boolean,
): string {
  const { remoteAddress, destroyed } = socket;
  const peer = withoutMapping(remoteAddress ?? "");
  // Node no longer knows the remote address of a connection that has ended. isTrusted() must not be called then, because
  // it may treat a missing address as a Unix domain socket of this machine.
  if ((remoteAddress === undefined && destroyed) || !isTrusted(remoteAddress)) return peer;
  let client = peer;
  for (const address of forwardedAddresses(headers).reverse()) {
    if (address === undefined) return peer;
    client = withoutMapping(address);
    if (!isTrusted(client)) break;
  }
  return client;
}

/**
 * Returns the key by which clients are counted: an IPv4 address itself, or the /64 network of an IPv6 address. One
 * machine can use all 2^64 addresses of its network (RFC 4291 §2.5.4), so these addresses count as one.
 */
export function addressGroup(address: string): string {
  if (isIP(address) !== 6) return address;
  return `${fieldsOf(address)
    .slice(0, 4)
    .map((field) => field.toString(16))
    .join(":")}::/64`;
}

/**
 * Returns the addresses that the headers list, starting with the address of the client. An invalid IP address is listed
 * as `undefined`.
 */
function forwardedAddresses(headers: IncomingHttpHeaders): (string | undefined)[] {
  const { forwarded, "x-forwarded-for": list } = headers;
  if (list !== undefined) return `${list}`.split(",").map(parseListed);
  if (forwarded === undefined) return [];
  return splitQuoted(forwarded, ELEMENTS).map((element) => parseNode(nodeOf(element)));
}

// RFC 7239 §4: in the field Forwarded, elements are separated by commas, and the parameters of an element by semicolons. A
// quoted string can contain commas and semicolons.
const ELEMENTS: Separation = {
  balanced: /(?:[^",]|"(?:[^"\\]|\\.)*")*(?=,|$)/y,
  separator: ",",
};
const PARAMETERS: Separation = {
  balanced: /(?:[^";]|"(?:[^"\\]|\\.)*")*(?=;|$)/y,
  separator: ";",
};

interface Separation {
  /** Matches the text up to the next separator, including complete quoted strings. */
  readonly balanced: RegExp;
  readonly separator: string;
}

/**
 * Splits a text at the separators outside of quoted strings. An unterminated quoted string ends at the next separator,
 * so that a client cannot hide the addresses that proxies append.
 */
function splitQuoted(text: string, { balanced, separator }: Separation): string[] {
  const parts: string[] = [];
  for (let at = 0; ; ) {
    balanced.lastIndex = at;
    const end = balanced.test(text) ? balanced.lastIndex : endOf(text, separator, at);
    parts.push(text.slice(at, end));
    if (end >= text.length) return parts;
    at = end + separator.length;
  }
}

function endOf(text: string, separator: string, at: number): number {
  const end = text.indexOf(separator, at);
  return end < 0 ? text.length : end;
}

/** Returns the value of the parameter "for" of an element. RFC 7239 §5.2. */
function nodeOf(element: string): string {
  for (const parameter of splitQuoted(element, PARAMETERS)) {
    const [name = "", value = ""] = parameter.trim().split("=", 2);
    if (name.toLowerCase() !== "for") continue;
    return /^".*"$/.test(value) ? value.slice(1, -1).replaceAll(/\\(.)/g, "$1") : value;
  }
  return "";
}

/**
 * Returns the address in a value of the parameter "for" (a node), without its port. IPv6 addresses are in brackets. Returns
 * `undefined` for nodes without an address ("unknown", "_secret"). RFC 7239 §6.
 */
function parseNode(text: string): string | undefined {
  const [, inBrackets = "", bare = ""] =
    /^(?:\[([\da-f:.]+)\]|([\d.]+))(?::(?:\d{1,5}|_[\w.-]+))?$/i.exec(text) ?? [];
  if (isIP(inBrackets) === 6) return inBrackets;
  return isIP(bare) === 4 ? bare : undefined;
}

/**
 * Returns an address of X-Forwarded-For without its port. The header has no specification. Most proxies write IPv6
 * addresses without brackets, and some append ports.
 */
function parseListed(text: string): string | undefined {
  const node = text.trim();
  // A zone index ("%eth0") is only valid on the machine that wrote the address.
  return isIP(node) === 6 && !node.includes("%") ? node : parseNode(node);
}

/** Converts an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) to IPv4. Returns every other address unchanged. */
function withoutMapping(address: string): string {
  if (isIP(address) !== 6) return address;
  const fields = fieldsOf(address);
  const [high = 0, low = 0] = fields.slice(6);
  const isMapped = fields[5] === 0xffff && fields.slice(0, 5).every((field) => field === 0);
  return isMapped ? [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".") : address;
}

/** Returns the eight 16-bit fields of an IPv6 address. RFC 4291 §2.2. */
function fieldsOf(address: string): number[] {
  const [text = ""] = address.split("%", 1);
  const [before = "", after] = text.split("::", 2);
  const first = hexFields(before);
  if (after === undefined) return first;
  const last = hexFields(after);
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
}

function hexFields(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((field) => {
    if (!field.includes(".")) return [Number.parseInt(field, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = field.split(".").map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}
