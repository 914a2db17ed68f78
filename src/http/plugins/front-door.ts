import type { Server } from 'bun';
import { Elysia } from 'elysia';
import type { Cidr, Settings } from '../../config.ts';
import { sqlState, toChatError } from '../../db/failures.ts';
import { ChatError } from '../../errors.ts';
import { rootMessage } from '../../lib/root-cause.ts';
import type { Limits } from '../../limits/limits.ts';
import type { Logger } from '../../log.ts';
import { bodyTooLong, MAX_BODY_BYTES } from '../input.ts';
import { browserHeaders } from './browsers.ts';
import { problemResponse } from './problems.ts';
import { type Origin, originOf } from './proxies.ts';

/** Undefined for a handshake that was accepted. */
type Reply = Response | undefined;
type Handle = (request: Request) => Reply | Promise<Reply>;

const WS_PATH = '/ws';
/** The path of a URL that the runtime has resolved. */
const PATH = /^[^:]+:\/\/[^/]*([^?#]*)/;
/** Requests for these are not counted, since load balancers send them at their own rate. */
const PROBE_PATHS = new Set(['/health', '/ready']);
/** Load balancers may request these by HTTP/1.0, without a `Host`. */
const PROBE_URL = /^\/(health|ready)(\?|$)/;

/** The cost of a request beside its body, in bytes. */
const REQUEST_COST = 4096;

interface FrontDoorParts {
  limits: Limits;
  log: Logger;
  settings: Pick<Settings, 'allowedOrigins' | 'trustProxy'>;
  /** Turns a handshake into a WebSocket. @throws {ChatError} at once or later, when it is refused */
  connect(request: Request, origin: Origin): Promise<void>;
}

/**
 * Wraps all routes. Requests without a readable URL (a bad `Host`, none, `CONNECT *`) are refused at once and
 * counted; uncaught errors become `internal` without details; the unanswered bytes of a network are bounded.
 * Handshakes are answered here, before all hooks, since refusing them in the routes takes four times as long. For
 * Elysia's `wrap`.
 *
 * @param server defined once the app listens
 */
export function frontDoor(
  { limits, log, settings, connect }: FrontDoorParts,
  server: () => Pick<Server<unknown>, 'requestIP'> | null,
) {
  const headersOf = browserHeaders(settings.allowedOrigins);
  const respond = (request: Request, error: ChatError): Response =>
    problemResponse(error, { headers: headersOf(request) });
  const refuse = (request: Request, address: string, reason: ChatError): Response => {
    try {
      limits.checkRequest(address);
      return respond(request, reason);
    } catch (error) {
      return respond(request, toChatError(error));
    }
  };
  const peerOf = (request: Request) => server()?.requestIP(request)?.address ?? '';
  const fail = (request: Request, error: unknown): Response => {
    const failure = toChatError(error);
    if (failure.code === 'internal') {
      log.error({ state: sqlState(error), reason: rootMessage(error) }, 'a request failed');
    }
    return respond(request, failure);
  };
  const open = (request: Request, origin: Origin): Reply | Promise<Reply> => {
    const answered = (refusal?: Response) => {
      log.debug({ method: 'GET', route: WS_PATH, status: refusal?.status ?? 101 }, 'request');
      return refusal;
    };
    const refused = (error: unknown) => answered(fail(request, error));
    try {
      return connect(request, origin).then(() => answered(), refused);
    } catch (error) {
      return refused(error);
    }
  };
  const bounded = (request: Request, handle: Handle) => {
    if (isProbe(request)) return handle(request);
    const origin = originOf(request, peerOf(request), settings.trustProxy);
    const { address } = origin;
    const bytes = bodyBytes(request);
    // Answered before it is read.
    if (bytes > MAX_BODY_BYTES) return refuse(request, address, bodyTooLong());
    const load = limits.inFlight(address);
    const cost = REQUEST_COST + bytes;
    if (!load.take(cost)) return refuse(request, address, overloaded());
    try {
      const response = isHandshake(request) ? open(request, origin) : handle(request);
      if (!(response instanceof Promise)) {
        load.give(cost);
        return response;
      }
      return response.catch((error) => fail(request, error)).finally(() => load.give(cost));
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
        return refuse(request, peerOf(request), unreadable());
      } catch (error) {
        return fail(request, error);
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

/** Counts the requests of each address before any other work; {@link frontDoor} has answered the handshakes. */
export function requestLimit(limits: Limits, trustProxy: Cidr[] | undefined) {
  return new Elysia({ name: 'request-limit' }).onRequest(({ request, server }) => {
    if (isProbe(request)) return;
    const peer = server?.requestIP(request)?.address ?? '';
    limits.checkRequest(originOf(request, peer, trustProxy).address);
  });
}

/** Whether a request is a probe of a load balancer. */
export function isProbe(request: Request): boolean {
  return isAt(request, (path) => PROBE_PATHS.has(path));
}

function isAt(request: Request, isIt: (path: string) => boolean): boolean {
  // The runtime routes by the raw path (`/users/..\\ws`), but shows the resolved one (`/ws`).
  const { params = {} } = request as { params?: object };
  if (Object.keys(params).length > 0 || request.method !== 'GET') return false;
  return isIt(PATH.exec(request.url)?.[1] as string);
}

/** Whether a request asks for a WebSocket: RFC 6455, section 4.2.1. */
function isHandshake(request: Request): boolean {
  if (!isAt(request, (path) => path === WS_PATH)) return false;
  const { headers } = request;
  const connection = headers.get('connection')?.toLowerCase().split(',') ?? [];
  const isUpgrade = connection.some((option) => option.trim() === 'upgrade');
  return isUpgrade && headers.get('upgrade')?.toLowerCase() === 'websocket';
}
