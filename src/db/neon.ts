import { Client, Pool } from '@neondatabase/serverless';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/neon-serverless';
import { migrate } from 'drizzle-orm/neon-serverless/migrator';
import { type Engine, MIGRATION_LOCK, sessionDeadlines } from './engine.ts';
import { ConnectionPool } from './pool.ts';
import type { Database } from './statements.ts';

/**
 * A Neon database, over WebSockets.
 *
 * Neon's proxy drops `statement_timeout` and similar settings of a client at the start of a session, so a
 * statement sets them; behind a `-pooler` address, where each transaction may be on another session,
 * they are left alone, and the writer's settings are set per transaction.
 *
 * @param timeout seconds, for every wait
 * @see https://github.com/neondatabase/neon/issues/12856
 */
export function neon(
  connectionString: string,
  timeout: number,
  migrationsFolder: string,
): Engine & { isPooled: boolean } {
  const isPooled = /^[^.]+-pooler\./.test(new URL(connectionString).hostname);
  const deadlines = Object.entries(sessionDeadlines(timeout));
  const settings = deadlines.map(([name, value]) => `set ${name} = ${value}`).join(';');

  /** The connection can be used once its promise resolves. */
  const connect = (onLost: () => void) => {
    const client = new Client({
      connectionString,
      connectionTimeoutMillis: timeout * 1000,
    });
    // A connection lost while idle is replaced at the next use; unheard, the event would end the process.
    client.on('error', onLost);
    client.on('end', onLost);
    const ready = client.connect().then(async () => {
      if (!isPooled) await client.query(settings);
      return client;
    });
    ready.catch(onLost);
    return { client: ready, close: () => void client.end().catch(() => {}) };
  };

  return {
    isPooled,
    async migrate() {
      const pool = new Pool({ connectionString, max: 2, connectionTimeoutMillis: 10_000 });
      pool.on('error', () => {});
      const db = drizzle({ client: pool });
      try {
        // Servers that start at once queue up here; the migrator runs beside, in its own transaction.
        await db.transaction(async (lock) => {
          await lock.execute(sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
          await migrate(db, { migrationsFolder });
        });
      } finally {
        await pool.end();
      }
    },
    open(max, pulse) {
      const pool = new ConnectionPool({ max, timeout, pulse, connect });
      // All that Drizzle needs of a client outside of transactions.
      const client = {
        query: (...statement: Parameters<Client['query']>) =>
          pool.run(async (ready) => (await ready).query(...statement)),
      };
      const db: Database = drizzle({ client: client as unknown as Client });
      db.transaction = (run) =>
        pool.run(async (ready) => (drizzle({ client: await ready }) as Database).transaction(run));
      return { db, close: () => pool.close() };
    },
  };
}
