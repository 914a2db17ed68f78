import type { Server } from 'bun';
import { Elysia } from 'elysia';
import type { Cidr, Settings } from '../../config.ts';
import { sqlState, toChatError } from '../../db/failures.ts';
import { ChatError } from '../../errors.ts';
import { rootMessage } from '../../lib/root-cause.ts';
import type { Limits } from '../../limits/limits.ts';
import type { Logger } from '../../log.ts';
import { bodyTooLong, MAX_BODY_BYTES } from '../input.ts';
import { SECURITY_HEADERS } from './browsers.ts';
import { problemResponse } from './problems.ts';
import { originOf } from './proxies.ts';

type Handle = (request: Request) => Response | Promise<Response>;

/** Requests for these are not counted, since load balancers send them at their own rate. */
const PROBE_PATHS = new Set(['/health', '/ready']);
/** Load balancers may request these by HTTP/1.0, without a `Host`. */
const PROBE_URL = /^\/(health|ready)(\?|$)/;

/** The cost of a request beside its body, in bytes. */
const REQUEST_COST = 4096;

/**
 * Wraps all routes. Requests without a readable URL (a bad `Host`, none, `CONNECT *`) are refused at once and
 * counted; uncaught errors become `internal` without details; the unanswered bytes of a network are bounded. For Elysia's `wrap`.
 *
 * @param server defined once the app listens
 */
export function frontDoor(
  {
    limits,
    log,
    settings,
  }: { limits: Limits; log: Logger; settings: Pick<Settings, 'trustProxy'> },
  server: () => Pick<Server<unknown>, 'requestIP'> | null,
) {
  const refuse = (address: string, reason: ChatError): Response => {
    try {
      limits.checkRequest(address);
      return respond(reason);
    } catch (error) {
      return respond(toChatError(error));
    }
  };
  const peerOf = (request: Request) => server()?.requestIP(request)?.address ?? '';
  const fail = (error: unknown): Response => {
    log.error({ state: sqlState(error), reason: rootMessage(error) }, 'a request failed');
    return respond(new ChatError('internal', 'The server has a fault, which it has logged.'));
  };
  const bounded = (request: Request, handle: Handle) => {
    if (isProbe(request)) return handle(request);
    const { address } = originOf(request, peerOf(request), settings.trustProxy);
    const bytes = bodyBytes(request);
    // Answered before it is read.
    if (bytes > MAX_BODY_BYTES) return refuse(address, bodyTooLong());
    const load = limits.inFlight(address);
    const cost = REQUEST_COST + bytes;
    if (!load.take(cost)) return refuse(address, overloaded());
    try {
      const response = handle(request);
      if (!(response instanceof Promise)) {
        load.give(cost);
        return response;
      }
      return response.catch(fail).finally(() => load.give(cost));
    } catch (error) {
      load.give(cost);
      throw error;
    }
  };
  return (handle: Handle): Handle =>
    (request) => {
      const { url, headers, method } = request;
      try {
        if (URL.canParse(url)) return bounded(request, handle);
        const isOldProbe = method === 'GET' && !headers.get('host') && PROBE_URL.test(url);
        if (isOldProbe) return handle(new Request(`http://localhost${url}`));
        // Forwarded addresses are not trusted here, since no proxy would have sent this.
        return refuse(peerOf(request), unreadable());
      } catch (error) {
        return fail(error);
      }
    };
}

function unreadable(): ChatError {
  return new ChatError('invalid_frame', 'A request needs a path and one "Host" that is a name.');
}

function overloaded(): ChatError {
  return new ChatError('overloaded', 'Too many requests at once; wait for replies.', 1);
}

/** The bytes of a body; one of unknown length counts as the longest. */
function bodyBytes({ headers }: Request): number {
  if (headers.has('transfer-encoding')) return MAX_BODY_BYTES;
  // The runtime accepts the same length twice, and shows "2, 2".
  return Number.parseInt(headers.get('content-length') ?? '0', 10);
}

function respond(error: ChatError): Response {
  const response = problemResponse(error);
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.headers.set(name, value);
  return response;
}

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
  return isAt(request, (path) => PROBE_PATHS.has(path));
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
