import { isIP, isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';

export type Address = ReturnType<typeof ipaddr.parse>;

/**
 * Parses an address as sockets and proxies write it: `203.0.113.7`, `203.0.113.7:51234`,
 * `[2001:db8::7]:443`. An IPv4 address inside an IPv6 one is the IPv4 address.
 *
 * @returns undefined for text that is no address, such as `unknown`
 */
export function parseAddress(text: string): Address | undefined {
  const [, bare = text] = /^\[(.+)\](?::\d+)?$/.exec(text) ?? /^([\d.]+):\d+$/.exec(text) ?? [];
  return isIP(bare) > 0 ? ipaddr.process(bare) : undefined;
}

/** @param blocks each with its first address and its number of significant bits */
export function isIn(blocks: [Address, number][], address: Address | undefined): boolean {
  return blocks.some((block) => block[0].kind() === address?.kind() && address.match(block));
}

/**
 * The key of an address in the limits: an IPv4 address itself, of an IPv6 one the first 64 bits, since
 * a client with one address of such a network has all of them (RFC 6177).
 */
export function networkOf(text: string): string {
  if (isIPv4(text)) return text;
  const address = parseAddress(text);
  if (!address || !('parts' in address)) return `${address ?? text}`;
  const [a, b, c, d] = address.parts.map((part) => part.toString(16));
  return `${a}:${b}:${c}:${d}::/64`;
}
