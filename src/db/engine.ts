import type { Pulse } from './pool.ts';
import type { Database } from './statements.ts';

/** A database over a pool of connections. */
export interface OpenPool {
  db: Database;
  close(): Promise<void>;
}

/** A driver, and how it reaches one database. */
export interface Engine {
  /** Brings the schema up to date, over connections of its own, without deadlines. */
  migrate(): Promise<void>;
  /** Opens connections when they are needed, at most `max`. */
  open(max: number, pulse: Pulse): OpenPool;
}

/** Any number that other users of the same database are unlikely to choose. */
export const MIGRATION_LOCK = 7_232_428;

/**
 * The deadlines of Postgres itself, a little before ours, so that its certain answer comes first.
 *
 * @param timeout seconds
 * @returns milliseconds, by the names of Postgres's settings
 * @see https://www.postgresql.org/docs/current/runtime-config-client.html
 */
export function sessionDeadlines(timeout: number) {
  return {
    lock_timeout: Math.ceil(timeout * 750),
    statement_timeout: Math.ceil(timeout * 875),
    idle_in_transaction_session_timeout: Math.ceil(timeout * 1000),
  };
}
