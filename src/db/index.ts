import { fileURLToPath } from 'node:url';
import { Pool } from '@neondatabase/serverless';
import { SQL as BunSql } from 'bun';
import { type SQL, sql } from 'drizzle-orm';
import { drizzle as drizzleBun } from 'drizzle-orm/bun-sql';
import { migrate as migrateBun } from 'drizzle-orm/bun-sql/migrator';
import { drizzle as drizzleNeon } from 'drizzle-orm/neon-serverless';
import { migrate as migrateNeon } from 'drizzle-orm/neon-serverless/migrator';
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';
import type { DatabaseSettings } from '../config.ts';
import { openEmbedded } from './embedded.ts';
import { rootMessage } from './failures.ts';
import * as schema from './schema/index.ts';

/** What the services see, whichever of the three databases is behind it. */
export type Database = PgDatabase<PgQueryResultHKT, typeof schema>;

export interface OpenDatabase {
  db: Database;
  /** Answers once the database does, and throws when it cannot be reached. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** The database cannot be opened; the message is one readable line without credentials. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
}

/** Connections to an outside Postgres: one writes, the rest serve joins, pages and look-ups. */
const POOL_SIZE = 10;
/** Any number that other users of the same database are unlikely to choose. */
const MIGRATION_LOCK = 7_232_428;
const migrationsFolder = fileURLToPath(new URL('./migrations', import.meta.url));

/**
 * Opens the database that the settings name and brings its schema up to date.
 *
 * @param settings `databaseUrl` unset: embedded Postgres in `dataDir` (`memory` keeps nothing); a
 *   host under neon.tech: Neon's driver; any other URL: Postgres 13 or later
 * @throws {DatabaseError} when it cannot be reached, is in use by another server, or refuses the migrations
 */
export async function openDatabase(settings: DatabaseSettings): Promise<OpenDatabase> {
  if (!settings.databaseUrl) return openEmbeddedDatabase(settings.dataDir);
  const url = new URL(settings.databaseUrl);
  const opened = url.hostname.endsWith('.neon.tech')
    ? openNeon(settings.databaseUrl)
    : openPostgres(settings.databaseUrl);
  try {
    // Servers that start at once queue up here; the migrator runs beside, in its own transaction.
    await opened.db.transaction(async (lock) => {
      await lock.execute(sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
      await opened.migrate();
    });
  } catch (error) {
    await opened.close();
    throw new DatabaseError(
      `cannot use the database ${url.pathname.slice(1)} at ${url.host}: ${rootMessage(error)}`,
    );
  }
  return opened;
}

/** Rows of a statement written by hand; the drivers wrap them differently. */
export async function rows<Row>(db: Pick<Database, 'execute'>, statement: SQL): Promise<Row[]> {
  const result = (await db.execute(statement)) as Row[] | { rows: Row[] };
  return Array.isArray(result) ? result : result.rows;
}

type Migratable = OpenDatabase & { migrate(): Promise<void> };

function openPostgres(connection: string): Migratable {
  const client = new BunSql(connection, {
    max: POOL_SIZE,
    idleTimeout: 60,
    // Bun waits this long, too, for a connection that was closed while it was being made.
    connectionTimeout: 5,
  });
  return overBunSql(client, () => client.close({ timeout: 2 }));
}

async function openEmbeddedDatabase(dataDir: string): Promise<OpenDatabase> {
  const embedded = await openEmbedded(dataDir).catch((error) => {
    throw new DatabaseError(rootMessage(error));
  });
  // One connection, because there is one session behind it.
  const client = new BunSql({
    adapter: 'postgres',
    path: embedded.socketPath,
    username: 'postgres',
    database: 'postgres',
    max: 1,
  });
  const opened = overBunSql(client, async () => {
    await client.close({ timeout: 2 });
    await embedded.close();
  });
  try {
    await opened.migrate();
    if (embedded.writesMayBeLost) {
      await opened.db.update(schema.rooms).set({ epoch: sql`gen_random_uuid()` });
      embedded.settle();
    }
  } catch (error) {
    await opened.close();
    throw new DatabaseError(`cannot migrate the database in ${dataDir}: ${rootMessage(error)}`);
  }
  return opened;
}

function overBunSql(client: BunSql, close: () => Promise<void>): Migratable {
  const db = drizzleBun(client, { schema });
  return {
    db,
    migrate: () => migrateBun(db, { migrationsFolder }),
    ping: async () => void (await db.execute(sql`select 1`)),
    close,
  };
}

function openNeon(connectionString: string): Migratable {
  const pool = new Pool({ connectionString, max: POOL_SIZE, connectionTimeoutMillis: 10_000 });
  // A connection lost while idle is replaced at the next use; unheard, the event would end the process.
  pool.on('error', () => {});
  const db = drizzleNeon(pool, { schema });
  return {
    db,
    migrate: () => migrateNeon(db, { migrationsFolder }),
    ping: async () => void (await db.execute(sql`select 1`)),
    close: () => pool.end(),
  };
}
