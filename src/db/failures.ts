import { SQL as BunSql } from 'bun';
import { DrizzleQueryError } from 'drizzle-orm';
import { ChatError } from '../errors.ts';
import { rootCause } from '../lib/root-cause.ts';

/** The database did not answer in time. */
export class DatabaseTimeout extends Error {
  override readonly name = 'DatabaseTimeout';

  /** @param isSent whether the statement was sent and may still run; otherwise it never will */
  constructor(readonly isSent: boolean) {
    super(isSent ? 'the database did not answer in time' : 'no connection was free in time');
  }
}

/**
 * The SQLSTATE with which the server rejected a statement, or undefined when no answer came: then the
 * outcome is unknown.
 *
 * An error of the operating system, such as EPIPE, is as long as a SQLSTATE but has no digit.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function sqlState(error: unknown): string | undefined {
  const { errno, code } = rootCause(error) as { errno?: unknown; code?: unknown };
  return [errno, code].find(
    (state): state is string => typeof state === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(state),
  );
}

/**
 * Whether a statement failed for its data, a constraint, its size or its depth: then the cause is one of its
 * rows, and other rows may pass.
 */
export function isAboutARow(error: unknown): boolean {
  return /^(22|23|54)/.test(sqlState(error) ?? '');
}

/** Whether a statement waited for a lock in vain, or was cancelled for taking too long: nothing of it is stored. */
export function isBlocked(error: unknown): boolean {
  return /^(55P03|40P01|57014)$/.test(sqlState(error) ?? '');
}

/**
 * Whether the database was lost while a statement ran: no answer came, or one that ended the
 * connection. The statement may have been committed.
 */
export function isOutcomeUnknown(error: unknown): boolean {
  const cause = rootCause(error);
  if (cause instanceof DatabaseTimeout) return cause.isSent;
  return /^$|^(08|57P|25P03)/.test(sqlState(error) ?? '');
}

/**
 * Whether the same statement may pass later: the database is away, starting, stopping, or short of
 * connections, memory or disk (classes 53 and 57), or other sessions held locks for too long.
 */
export function isPassing(error: unknown): boolean {
  const cause = rootCause(error);
  if (cause instanceof DatabaseTimeout) return true;
  const state = sqlState(error);
  if (state !== undefined) return /^(08|25P0[34]|40|53|55P03|57|58030)/.test(state);
  return error instanceof DrizzleQueryError || cause instanceof BunSql.SQLError;
}

/** Any thrown value as an error for clients, without internals, which are for the log. */
export function toChatError(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  return isPassing(error)
    ? new ChatError('unavailable', 'The database does not answer; try again.', 1)
    : new ChatError('internal', 'The server has a fault, which it has logged.');
}
