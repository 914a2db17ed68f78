import { BlockList, isIPv6 } from 'node:net';
import { Elysia } from 'elysia';

/** Where a request came from, as far as it can be believed. */
export interface Origin {
  /** The address of the client; of the last hop that is not a trusted proxy. */
  address: string;
  /** It reached us, or the proxy in front of us, over TLS. */
  isSecure: boolean;
  /** It was made on this machine, and by nobody else's behalf. */
  isLocal: boolean;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Tells the routes of the instance that uses it the `origin` of a request. */
export function origins(trusted: BlockList | undefined) {
  return new Elysia({ name: 'origins' }).derive({ as: 'scoped' }, ({ request, server }) => ({
    origin: originOf(request, server?.requestIP(request)?.address ?? '', trusted),
  }));
}

export type Origins = ReturnType<typeof origins>;

/**
 * @param peer the address of whoever opened the connection
 * @param trusted the proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed
 */
export function originOf(request: Request, peer: string, trusted?: BlockList): Origin {
  const isTrusted = (address: string) =>
    trusted?.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') ?? false;
  const isDirect = !isTrusted(peer);
  const protocol = isDirect
    ? new URL(request.url).protocol.slice(0, -1)
    : firstOf(request.headers.get('x-forwarded-proto'));
  // Each proxy adds at the end the address that it saw; what stands before an untrusted one is hearsay.
  const hops = [...listOf(request.headers.get('x-forwarded-for')), peer];
  const client = hops.findLast((hop) => !isTrusted(hop)) ?? hops[0];
  const address = isDirect || client === undefined ? peer : client;
  const isForwarded = request.headers.has('x-forwarded-for') || request.headers.has('forwarded');
  const isLocal = !isForwarded && LOOPBACK.check(peer, isIPv6(peer) ? 'ipv6' : 'ipv4');
  return { address, isSecure: protocol === 'https', isLocal };
}

function listOf(header: string | null): string[] {
  return (header ?? '').split(',').flatMap((item) => item.trim() || []);
}

function firstOf(header: string | null): string | undefined {
  return listOf(header)[0]?.toLowerCase();
}
