// Decides by the address of a proxy whether to trust the headers that the proxy sets.

import { BlockList, isIP } from "node:net";

/**
 * The proxies whose headers are trusted: "none", "loopback" (proxies on this machine), or a list of IP addresses and
 * CIDR ranges.
 */
export type TrustedProxies = "none" | "loopback" | readonly string[];

/** Returns a function that returns whether a peer is one of `proxies`. Default: "loopback". */
export function trustOf(
  proxies: TrustedProxies = "loopback",
): (peer: string | undefined) => boolean {
  if (typeof proxies === "object") return trustList(proxies);
  return proxies === "loopback" ? isLocal : () => false;
}

/** Returns whether a peer is on this machine. Peers on Unix domain sockets and in-process streams have no address. */
function isLocal(peer: string | undefined): boolean {
  return peer === undefined || peer === "::1" || /^(?:::ffff:)?127\./.test(peer);
}

/** Returns a function that returns whether a peer is in a list of IP addresses and CIDR ranges. */
export function trustList(ranges: readonly string[]): (peer: string | undefined) => boolean {
  const trusted = new BlockList();
  for (const each of ranges) {
    const range = parseRange(each);
    if (range !== undefined) trusted.addSubnet(range.address, range.bits, range.family);
  }
  return (peer = "") => {
    // A link-local address can end with a zone index, such as "%eth0".
    const [address = ""] = peer.split("%", 1);
    const version = isIP(address);
    return version !== 0 && trusted.check(address, version === 6 ? "ipv6" : "ipv4");
  };
}

interface Range {
  readonly address: string;
  readonly bits: number;
  readonly family: "ipv4" | "ipv6";
}

/** Parses an IP address or a CIDR range. Returns `undefined` if the text is neither. */
export function parseRange(text: string): Range | undefined {
  const [, address = "", prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  const most = version === 6 ? 128 : 32;
  const bits = Number(prefix ?? most);
  if (version === 0 || bits > most) return undefined;
  return { address, bits, family: version === 6 ? "ipv6" : "ipv4" };
}
