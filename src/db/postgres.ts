import { SQL as BunSql } from 'bun';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/bun-sql';
import { migrate } from 'drizzle-orm/bun-sql/migrator';
import { type Engine, MIGRATION_LOCK, type OpenPool, sessionDeadlines } from './engine.ts';
import { sqlState } from './failures.ts';
import { ConnectionPool, type PoolSettings } from './pool.ts';
import type { Database } from './statements.ts';

type Options = ConstructorParameters<typeof BunSql>[0] & object;

/** The SQLSTATE of a pooler that refuses a setting of a client. */
const PROTOCOL_VIOLATION = '08P01';

/**
 * A Postgres that speaks its own protocol.
 *
 * A transaction pooler such as PgBouncer refuses settings of a session at the start of one, and serves each
 * transaction on another session: then statements are not prepared, and the writer's settings are set per
 * transaction.
 *
 * @param timeout seconds, for every wait
 */
export async function postgres(
  url: string,
  timeout: number,
  migrationsFolder: string,
): Promise<Engine & { isPooled: boolean }> {
  const plain = { url, connectionTimeout: timeout };
  const direct = { ...plain, connection: sessionDeadlines(timeout) } as Options;
  const isPooled = !(await accepts(direct));
  const options = isPooled ? { ...plain, prepare: false } : direct;
  return {
    isPooled,
    async migrate() {
      const client = new BunSql({ ...plain, max: 2, prepare: !isPooled });
      const db = drizzle({ client });
      try {
        // Servers that start at once queue up here; the migrator runs beside, in its own transaction.
        await db.transaction(async (lock) => {
          await lock.execute(sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
          await migrate(db, { migrationsFolder });
        });
      } finally {
        await client.close({ timeout: 0 });
      }
    },
    open: (max, pulse) =>
      overBun(() => new BunSql({ ...options, max: 1 }), { max, timeout, pulse }),
  };
}

/** A database over Bun's driver. @param connect makes a client with one connection */
export function overBun(
  connect: () => BunSql,
  settings: Omit<PoolSettings<BunSql>, 'connect'>,
): OpenPool & { pool: ConnectionPool<BunSql> } {
  const pool = new ConnectionPool({
    ...settings,
    connect: () => {
      const client = connect();
      return { client, close: () => void client.close({ timeout: 0 }).catch(() => {}) };
    },
  });
  // All that Drizzle needs of a client outside of transactions.
  const client = {
    unsafe(text: string, params: unknown[]) {
      let isArray = false;
      // Drizzle chooses the shape of the rows in the same turn.
      const result = Promise.resolve().then(() =>
        pool.run(async (client) => {
          const statement = client.unsafe(text, params);
          return isArray ? statement.values() : statement;
        }),
      );
      const values = () => {
        isArray = true;
        return result;
      };
      return Object.assign(result, { values });
    },
  };
  const db: Database = drizzle({ client: client as unknown as BunSql });
  db.transaction = (run) =>
    pool.run((client) => (drizzle({ client }) as Database).transaction(run));
  return { db, pool, close: () => pool.close() };
}

/** Whether the server accepts settings of a session. @throws for any other failure */
async function accepts(options: Options): Promise<boolean> {
  const client = new BunSql({ ...options, max: 1 });
  try {
    await client.unsafe('select 1');
    return true;
  } catch (error) {
    if (sqlState(error) !== PROTOCOL_VIOLATION) throw error;
    return false;
  } finally {
    await client.close({ timeout: 0 });
  }
}
