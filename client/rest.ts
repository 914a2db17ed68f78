import { ChatError } from './error.ts';

/** The parts of every request. */
export interface RestParts {
  /** The address of the server, without a slash at the end. */
  base: string;
  token(): string | undefined;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
export type Query = Record<string, string | number | undefined>;

export interface RequestOptions {
  query?: Query;
  body?: object;
  headers?: Record<string, string> | undefined;
  /** Aborts the request. Default: after 15 s. */
  signal?: AbortSignal;
}

/** How long a request may take, in milliseconds; the server answers within 5 s. */
const ANSWER_MS = 15_000;

/**
 * Sends a request.
 *
 * @throws {ChatError} the server's error, or `unavailable` when it cannot be reached
 */
export async function rest(
  { base, token }: RestParts,
  method: Method,
  path: string,
  { query = {}, body, headers: more, signal = AbortSignal.timeout(ANSWER_MS) }: RequestOptions = {},
): Promise<Response> {
  const url = new URL(base + path);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, `${value}`);
  }
  const bearer = token();
  const headers = {
    ...more,
    ...(bearer && { authorization: `Bearer ${bearer}` }),
    ...(body && { 'content-type': 'application/json' }),
  };
  const init = { method, headers, signal, ...(body && { body: JSON.stringify(body) }) };
  const response = await fetch(url, init).catch((error) => {
    throw new ChatError('unavailable', `The server cannot be reached: ${error.message}`);
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const { code = 'unavailable', detail = `The server says ${response.status}` } = problem;
  const seconds = Number(response.headers.get('retry-after')) || undefined;
  throw new ChatError(code, detail, problem.retryAfter ?? seconds);
}
