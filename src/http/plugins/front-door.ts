import type { Server } from 'bun';
import type { Settings } from '../../config.ts';
import { sqlState, toChatError } from '../../db/failures.ts';
import { ChatError } from '../../errors.ts';
import { rootMessage } from '../../lib/root-cause.ts';
import type { Limits } from '../../limits/limits.ts';
import type { Logger } from '../../log.ts';
import { bodyTooLong, MAX_BODY_BYTES } from '../input.ts';
import { SECURITY_HEADERS } from './browsers.ts';
import { isProbe } from './limits.ts';
import { problemResponse } from './problems.ts';
import { originOf } from './proxies.ts';

type Handle = (request: Request) => Response | Promise<Response>;

/** Load balancers may request these by HTTP/1.0, without a `Host`. */
const PROBES = /^\/(health|ready)(\?|$)/;

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
        const isOldProbe = method === 'GET' && !headers.get('host') && PROBES.test(url);
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
