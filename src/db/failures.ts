import { DrizzleQueryError } from 'drizzle-orm';
import { ChatError } from '../errors.ts';

/**
 * The SQLSTATE with which the server rejected a statement, or undefined when no answer came: then
 * nobody knows whether it was committed.
 *
 * A system's own error, such as EPIPE, is as long as a SQLSTATE but has no digit.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function sqlState(error: unknown): string | undefined {
  const { errno, code } = rootCause(error) as { errno?: unknown; code?: unknown };
  return [errno, code].find(
    (state): state is string => typeof state === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(state),
  );
}

/** What went wrong, without the statement and its parameters, which hold what users wrote. */
export function rootMessage(error: unknown): string {
  const cause = rootCause(error);
  return cause instanceof Error && cause.message ? cause.message : String(cause);
}

function rootCause(error: unknown): unknown {
  let cause = error;
  while (cause instanceof Error && cause.cause) cause = cause.cause;
  return cause ?? {};
}

/**
 * Whether a statement failed for what it held (data or a constraint), or for its size or depth: then
 * one of its rows is to blame, and another row may pass.
 */
export function isAboutARow(error: unknown): boolean {
  return /^(22|23|54)/.test(sqlState(error) ?? '');
}

/**
 * Whether the database was lost while a statement ran: no answer came, or one that ended the
 * connection. It may have been committed.
 */
export function isOutcomeUnknown(error: unknown): boolean {
  return /^$|^(08|57)/.test(sqlState(error) ?? '');
}

/** Any thrown value in words for a client; what it does not name is for the log. */
export function toChatError(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  return error instanceof DrizzleQueryError && isOutcomeUnknown(error)
    ? new ChatError('unavailable', 'The database gives no answer; try again.', 1)
    : new ChatError('internal', 'Something went wrong on the server; it has been logged.');
}
