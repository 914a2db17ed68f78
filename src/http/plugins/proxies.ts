import { Elysia } from 'elysia';
import type { Cidr } from '../../config.ts';
import { LruMap } from '../../lib/lru-map.ts';
import { type Address, isIn, parseAddress } from '../../limits/address.ts';

/** Parsed addresses of peers: parsing one takes as long as verifying a token. */
const peers = new LruMap<string, Address | undefined>(1000);

/** The origin of a request, as far as it can be trusted. */
export interface Origin {
  /** The address of the client: the last hop that is not a trusted proxy. */
  address: string;
  /** Whether it reached us, or the proxy in front of us, over TLS. */
  isSecure: boolean;
  /** Whether it was made on this machine, and not forwarded for another one. */
  isLocal: boolean;
}

/** Adds the `origin` of a request to the routes of the instance that uses it. */
export function origins(trusted: Cidr[] | undefined) {
  return new Elysia({ name: 'origins' }).derive({ as: 'scoped' }, ({ request, server }) => ({
    origin: originOf(request, server?.requestIP(request)?.address ?? '', trusted),
  }));
}

export type Origins = ReturnType<typeof origins>;

/**
 * @param peer the address at the other end of the connection
 * @param trusted the proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed
 */
export function originOf(request: Request, peer: string, trusted: Cidr[] = []): Origin {
  const peerAddress = peers.get(peer) ?? parseAddress(peer);
  peers.set(peer, peerAddress);
  const isTrusted = isIn(trusted, peerAddress);
  const protocol = isTrusted
    ? listOf(request.headers.get('x-forwarded-proto'))[0]?.toLowerCase()
    : request.url.split(':', 1)[0];
  const address = isTrusted ? clientOf(request, peerAddress, trusted) : peerAddress;
  const isForwarded = request.headers.has('x-forwarded-for') || request.headers.has('forwarded');
  const isLocal = !isForwarded && peerAddress?.range() === 'loopback';
  return { address: `${address ?? peer}`, isSecure: protocol === 'https', isLocal };
}

/** Each proxy adds at the end the address that it saw; the addresses before an untrusted one may be made up. */
function clientOf(request: Request, peer: Address | undefined, trusted: Cidr[]) {
  const hops = [...listOf(request.headers.get('x-forwarded-for')).map(parseAddress), peer];
  const client = Math.max(
    0,
    hops.findLastIndex((hop) => !isIn(trusted, hop)),
  );
  // A hop that is no address (`unknown`) is counted as the proxy that wrote it.
  return hops[client] ?? hops[client + 1];
}

function listOf(header: string | null): string[] {
  return (header ?? '').split(',').flatMap((item) => item.trim() || []);
}
