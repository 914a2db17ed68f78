import type { SQL } from 'drizzle-orm';
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';
import type { Pulse } from './pool.ts';
import type * as schema from './schema/index.ts';

/** The database for the services, the same type for all three engines. */
export type Database = PgDatabase<PgQueryResultHKT, typeof schema>;

/** Rows of a statement written by hand; the drivers wrap them differently. */
export async function rows<Row>(db: Pick<Database, 'execute'>, statement: SQL): Promise<Row[]> {
  const result = (await db.execute(statement)) as Row[] | { rows: Row[] };
  return Array.isArray(result) ? result : result.rows;
}

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
