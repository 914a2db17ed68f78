import { Elysia, type ValidationError } from 'elysia';
import { rootMessage, sqlState, toChatError } from '../db/failures.ts';
import { ChatError, errorCodes } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Problem } from '../types/rest.ts';

/** Turns whatever a route throws into `application/problem+json` (RFC 9457). */
export function problems(log: Logger) {
  return new Elysia({ name: 'problems' }).onError(
    { as: 'global' },
    ({ code, error, request, set }) => {
      const known = fromElysia(code, error, request) ?? toChatError(error);
      if (known.code === 'internal') {
        const { pathname } = new URL(request.url);
        log.error(
          { method: request.method, pathname, state: sqlState(error), reason: rootMessage(error) },
          'a request failed',
        );
      }
      // For those who look at it after the response, such as the log.
      set.status = errorCodes[known.code].status;
      return problemResponse(known);
    },
  );
}

function problemResponse({ code, message, retryAfter }: ChatError): Response {
  const { status, title } = errorCodes[code];
  const problem: Problem = {
    type: 'about:blank',
    title,
    status,
    detail: message,
    code,
    ...(retryAfter !== undefined && { retryAfter }),
  };
  return Response.json(problem, {
    status,
    headers: {
      'content-type': 'application/problem+json',
      // RFC 9110, 11.6.1: it goes with every 401.
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
      ...(retryAfter !== undefined && { 'retry-after': String(Math.ceil(retryAfter)) }),
    },
  });
}

/** What Elysia itself refuses, in our words. */
function fromElysia(
  code: string | number,
  error: unknown,
  request: Request,
): ChatError | undefined {
  switch (code) {
    case 'NOT_FOUND': {
      const { pathname } = new URL(request.url);
      return new ChatError(
        'not_found',
        `There is no ${request.method} ${pathname}; see /swagger for what there is`,
      );
    }
    case 'PARSE':
      return new ChatError(
        'invalid_frame',
        'The body must be JSON, for example {"username":"ana"}',
      );
    case 'VALIDATION':
      return new ChatError('invalid_frame', explain(error as ValidationError));
  }
}

function explain(error: ValidationError): string {
  if (error.type === 'response') throw error;
  const [first] = error.all as {
    path?: string;
    message?: string;
    schema?: { description?: string };
  }[];
  const field = first?.path?.slice(1);
  const expected = first?.schema?.description;
  if (!field) {
    // Elysia does not say which part of a query is out of range, so its description has to.
    return expected
      ? `A value must be ${expected}`
      : `The ${error.type} must be a JSON object; see /swagger`;
  }
  switch (first?.message) {
    case 'Unexpected property':
      return `There is no field ${JSON.stringify(field)}; see /swagger for those there are`;
    case 'Expected required property':
      return `"${field}" is missing`;
    default:
      return `"${field}" must be ${expected ?? 'as /swagger describes it'}`;
  }
}
