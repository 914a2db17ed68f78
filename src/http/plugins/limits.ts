import { Elysia } from 'elysia';
import type { Cidr } from '../../config.ts';
import type { Limits } from '../../limits/limits.ts';
import { originOf } from './proxies.ts';

/** Not counted, since load balancers send them at their own rate. */
const PROBES = new Set(['/health', '/ready']);

/** Counts the requests of each address before any other work; handshakes are counted when they fail. */
export function requestLimit(limits: Limits, trustProxy: Cidr[] | undefined) {
  return new Elysia({ name: 'request-limit' }).onRequest(({ request, server }) => {
    if (isUncounted(request)) return;
    const peer = server?.requestIP(request)?.address ?? '';
    limits.checkRequest(originOf(request, peer, trustProxy).address);
  });
}

/** Probes, and handshakes, which have limits of their own. */
function isUncounted(request: Request): boolean {
  return isProbe(request) || (isAt(request, (path) => path === '/ws') && isHandshake(request));
}

/** Whether a request is a probe of a load balancer. */
export function isProbe(request: Request): boolean {
  return isAt(request, (path) => PROBES.has(path));
}

function isAt(request: Request, isIt: (path: string) => boolean): boolean {
  // The runtime routes by the raw path (`/users/..\\ws`), but shows the resolved one (`/ws`).
  const { params = {} } = request as { params?: object };
  if (Object.keys(params).length > 0 || request.method !== 'GET') return false;
  return isIt(new URL(request.url).pathname);
}

/** Whether a request asks for a WebSocket: RFC 6455, section 4.2.1. */
export function isHandshake({ headers }: Request): boolean {
  const connection = headers.get('connection')?.toLowerCase().split(',') ?? [];
  const isUpgrade = connection.some((option) => option.trim() === 'upgrade');
  return isUpgrade && headers.get('upgrade')?.toLowerCase() === 'websocket';
}
