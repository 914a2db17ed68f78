import { fileURLToPath } from 'node:url';
import { SQL as BunSql } from 'bun';
import { sql } from 'drizzle-orm';
import { drizzle as drizzleBun } from 'drizzle-orm/bun-sql';
import { migrate as migrateBun } from 'drizzle-orm/bun-sql/migrator';
import type { DatabaseSettings } from '../config.ts';
import { rootMessage } from '../lib/root-cause.ts';
import { openEmbedded } from './embedded.ts';
import { neon } from './neon.ts';
import { overBun, postgres } from './postgres.ts';
import type { Database } from './statements.ts';
import { Upkeep } from './upkeep.ts';

export { type Database, rows } from './statements.ts';

export interface OpenDatabase {
  db: Database;
  /** The same database, over connections that are reserved for the writer's {@link OpenDatabase.lanes}. */
  writes: Database;
  /** How many rooms may be written to at the same time … */
  lanes: number;
  /** … and, beside them, rooms whose row another session holds. */
  blockedLanes: number;
  /** Seconds after which a wait for the database is given up. */
  timeout: number;
  /** Whether a transaction pooler is in between, so that there are no settings of a session. */
  isPooled: boolean;
  /** Whether the last wait for the database ended with an answer. */
  isAnswering(): boolean;
  /** Returns when the database answers. @throws when it cannot be reached */
  ping(): Promise<void>;
  /** Settles when the embedded database has failed for good; any other database may come back. */
  failure?: Promise<Error>;
  close(): Promise<void>;
}

/** The database cannot be opened; the message is one readable line without credentials. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
}

/** Connections to an outside Postgres, unless its URL says `?max=`: half of them write, the rest serve joins, pages and look-ups. */
const POOL_SIZE = 16;
/** Seconds, unless the settings say otherwise. */
const DEFAULT_TIMEOUT = 4;
const migrationsFolder = fileURLToPath(new URL('./migrations', import.meta.url));

/**
 * Opens the database that the settings name and brings its schema up to date.
 *
 * @param settings `databaseUrl` unset: embedded Postgres in `dataDir` (`memory` keeps nothing); a
 *   host under neon.tech: Neon's driver; any other URL: Postgres 13 or later; `?max=`: the most
 *   connections, at least 2
 * @throws {DatabaseError} when it cannot be reached, is in use by another server, or refuses the migrations
 */
export async function openDatabase(
  settings: DatabaseSettings & { databaseTimeout?: number },
): Promise<OpenDatabase> {
  const { databaseUrl, dataDir, databaseTimeout: timeout = DEFAULT_TIMEOUT } = settings;
  if (!databaseUrl) return openEmbeddedDatabase(dataDir, timeout);
  const url = new URL(databaseUrl);
  const isNeon = url.hostname.endsWith('.neon.tech');
  try {
    const engine = isNeon
      ? neon(databaseUrl, timeout, migrationsFolder)
      : await postgres(databaseUrl, timeout, migrationsFolder);
    await engine.migrate();
    const max = Math.max(2, Number(url.searchParams.get('max')) || POOL_SIZE);
    const pulse = { isAnswering: true };
    const reads = engine.open(Math.ceil(max / 2), pulse);
    const writers = Math.floor(max / 2);
    const writes = engine.open(writers, pulse);
    return {
      db: reads.db,
      writes: writes.db,
      lanes: Math.ceil(writers / 2),
      blockedLanes: Math.max(1, Math.floor(writers / 2)),
      timeout,
      isPooled: engine.isPooled,
      isAnswering: () => pulse.isAnswering,
      ping: () => ping(reads.db),
      async close() {
        await Promise.all([reads.close(), writes.close()]);
      },
    };
  } catch (error) {
    throw new DatabaseError(
      `DATABASE_URL: cannot use the database ${url.pathname.slice(1)} at ${url.host}: ${rootMessage(error)}`,
    );
  }
}

async function openEmbeddedDatabase(dataDir: string, timeout: number): Promise<OpenDatabase> {
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
  const failure = embedded.failure.then(
    ({ message }) => new DatabaseError(`the database in ${dataDir} has failed: ${message}`),
  );
  try {
    const migrated = migrateBun(drizzleBun({ client }), { migrationsFolder });
    await Promise.race([migrated, failure.then((error) => Promise.reject(error))]);
  } catch (error) {
    // A failure to close is part of the same fault.
    await client.close({ timeout: 2 }).catch(() => {});
    await embedded.close().catch(() => {});
    throw error instanceof DatabaseError
      ? error
      : new DatabaseError(
          `DATA_DIR: cannot migrate the database in ${dataDir}: ${rootMessage(error)}`,
        );
  }
  const pulse = { isAnswering: true };
  const { db, pool, close } = overBun(() => client, { max: 1, timeout, isSingle: true, pulse });
  // Upkeep has no deadline; statements that wait for it are not sent, and have theirs.
  const upkeep = new Upkeep((statement) =>
    pool.run(async (client) => client.unsafe(statement), Number.POSITIVE_INFINITY),
  );
  upkeep.start();
  return {
    db,
    writes: db,
    lanes: 1,
    blockedLanes: 1,
    timeout,
    isPooled: false,
    isAnswering: () => pulse.isAnswering,
    failure,
    ping: () => ping(db),
    async close() {
      upkeep.close();
      await close();
      await embedded.close();
    },
  };
}

async function ping(db: Database): Promise<void> {
  await db.execute(sql`select 1`);
}
