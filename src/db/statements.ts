import { type SQL, sql } from 'drizzle-orm';
import { type PgDatabase, PgDialect, type PgQueryResultHKT } from 'drizzle-orm/pg-core';
import { notifications, rooms } from './schema/index.ts';

/** The database for the services, the same type for all three engines. */
export type Database = PgDatabase<PgQueryResultHKT>;

/** Rows of a statement written by hand; the drivers wrap them differently. */
export async function rows<Row>(db: Pick<Database, 'execute'>, statement: SQL): Promise<Row[]> {
  return rowsOf((await db.execute(statement)) as Result<Row>);
}

/**
 * A statement whose text is made once.
 *
 * @param values by the names of its `sql.placeholder`s
 * @returns its rows
 * @throws when a value is missing
 */
export type Prepared<Row> = (values: Record<string, unknown>) => Promise<Row[]>;

/**
 * Makes the text of a statement that runs often once. Drizzle's own `prepare('')` does the same for what its builders
 * make: the empty name keeps the statement unnamed at Neon, whose pooler knows no names, and Bun's driver ignores it.
 */
export function prepare<Row>(db: Database, statement: SQL): Prepared<Row> {
  const query = new PgDialect().sqlToQuery(statement);
  const prepared = db._.session.prepareQuery(query, undefined, undefined, false);
  return async (values) => rowsOf((await prepared.execute(values)) as Result<Row>);
}

type Result<Row> = Row[] | { rows: Row[] };

function rowsOf<Row>(result: Result<Row>): Row[] {
  return Array.isArray(result) ? result : result.rows;
}

/**
 * An array as Postgres reads it from text, which every driver passes on untouched.
 *
 * @see https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
export function array(values: (number | string | null | undefined)[]): string {
  const [first] = values;
  // Most often true of fields that few messages have.
  if (values.every((value) => value === first)) {
    return `{${`${item(first)},`.repeat(values.length).slice(0, -1)}}`;
  }
  return `{${values.map(item).join(',')}}`;
}

function item(value: number | string | null | undefined): number | string {
  if (value === undefined || value === null) return 'NULL';
  if (typeof value === 'number') return value;
  return /["\\]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`;
}

/*
 * The one order in which statements take locks, so that no two ever wait for each other in a circle:
 *
 *   1. rooms, by id; changes to messages and reactions hold the lock of their room, so these need none
 *   2. room_people, by room and user
 *   3. read_positions, by user and room
 *   4. notifications, by id
 *   5. users, by id
 *   6. word_cursors, by room, of which those that are held are skipped; who holds one may write words of its room
 *
 * A statement that locks one row of a kind follows this by itself; one that locks several orders them. Rows
 * that were read before a lock was granted may be outdated: lock first, read in the next statement.
 */

/**
 * How a statement treats a room whose row another session holds: leaves it out, or waits for it, which suits
 * only lanes without other work.
 */
export type LockMode = 'skip' | 'wait';

/** How long a statement waits for a room's row, in milliseconds; then other rooms have their turn. */
const LOCK_TIMEOUT_MS = 500;

/** Locks the rows of rooms, and selects their ids. */
export function lockedRooms(ids: SQL, lock: LockMode): SQL {
  // In the statement itself, since behind a pooler there are no settings of a session.
  const patience = sql`(select set_config('lock_timeout', ${`${LOCK_TIMEOUT_MS}`}, true)) is not null`;
  return lock === 'skip'
    ? sql`select id from ${rooms} where id in (${ids}) order by id for no key update skip locked`
    : sql`select id from ${rooms} where id in (${ids}) and ${patience} order by id for no key update`;
}

/** Deletes notifications, in the order of their locks. @param which the condition on them */
export function deleteNotifications(which: SQL): SQL {
  return sql`delete from ${notifications} where id in (
    select id from ${notifications} where ${which} order by id for update)`;
}
