import { Elysia, type ParseError, type ValidationError } from 'elysia';
import { sqlState, toChatError } from '../../db/failures.ts';
import { ChatError, errorCodes, InvalidInput } from '../../errors.ts';
import { rootMessage } from '../../lib/root-cause.ts';
import type { Logger } from '../../log.ts';
import type { Problem } from '../../protocol/problems.ts';

/** A method at a path. */
export interface Route {
  method: string;
  path: string;
}

/**
 * Turns whatever a route throws into `application/problem+json` (RFC 9457).
 *
 * @param routes all routes, filled in later, for requests with another method
 */
export function problems(log: Logger, routes: Route[]) {
  const methodsOf = methodFinder(routes);
  return new Elysia({ name: 'problems' }).onError(
    { as: 'global' },
    ({ code, error, request, route, set }) => {
      const { pathname } = new URL(request.url);
      const allowed = code === 'NOT_FOUND' ? methodsOf(pathname) : [];
      const known = fromElysia(code, error, request.method, pathname, allowed);
      const failure = known ?? toChatError(error);
      if (failure.code === 'internal') {
        log.error(
          {
            method: request.method,
            // Without the path, in which anything may stand.
            route,
            state: sqlState(error),
            reason: reasonOf(code, error),
          },
          'a request failed',
        );
      }
      // For hooks after the response, such as the log.
      set.status = errorCodes[failure.code].status;
      return problemResponse(failure, { allowed });
    },
  );
}

/** @param reply `allowed`: the methods of the path, for a 405; `headers`: further headers */
export function problemResponse(
  failure: ChatError,
  { allowed = [], headers }: { allowed?: string[]; headers?: Record<string, string> },
): Response {
  const { code, message, retryAfter } = failure;
  const { status, title } = errorCodes[code];
  const problem: Problem = {
    type: 'about:blank',
    title,
    status,
    detail: message,
    code,
    ...(failure instanceof InvalidInput && { errors: failure.faults }),
    ...(retryAfter !== undefined && { retryAfter }),
  };
  return Response.json(problem, {
    status,
    headers: {
      ...headers,
      'content-type': 'application/problem+json',
      // RFC 9110: these go with every 401, 405 and 426.
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
      ...(status === 405 && { allow: allowed.join(', ') }),
      ...(status === 426 && {
        upgrade: 'websocket',
        connection: 'upgrade',
        // RFC 6455, section 4.4.
        'sec-websocket-version': '13',
      }),
      ...(retryAfter !== undefined && { 'retry-after': String(Math.ceil(retryAfter)) }),
    },
  });
}

/** The errors of Elysia itself, as ours. */
function fromElysia(
  code: string | number,
  error: unknown,
  method: string,
  pathname: string,
  allowed: string[],
): ChatError | undefined {
  switch (code) {
    case 'NOT_FOUND': {
      if (allowed.length === 0) {
        return new ChatError(
          'not_found',
          'There is nothing at this path; /swagger lists all routes.',
        );
      }
      const there = `there is ${allowed.join(', ')}`;
      return new ChatError(
        'method_not_allowed',
        `There is no ${method} ${pathname.slice(0, 200)}; ${there}.`,
      );
    }
    case 'PARSE': {
      const { cause } = error as ParseError;
      return cause instanceof ChatError ? cause : undefined;
    }
  }
}

/** The reason of a failed request, for the log. */
function reasonOf(code: string | number, error: unknown): string {
  if (code !== 'VALIDATION') return rootMessage(error);
  // Requests are checked by our own schemas, so this is about a reply, whose content its message quotes.
  return `the reply does not match its schema at "${(error as ValidationError).valueError?.path}"`;
}

/** @returns a function that finds the methods of a path, without routes for any path */
function methodFinder(routes: Route[]) {
  let patterns: { pattern: RegExp; method: string }[] | undefined;
  return (pathname: string): string[] => {
    patterns ??= routes
      .filter(({ path }) => !path.includes('*'))
      .map(({ method, path }) => ({ method, pattern: patternOf(path) }));
    const found = patterns.filter(({ pattern }) => pattern.test(pathname));
    return [...new Set(found.map(({ method }) => method))];
  };
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`);
}
