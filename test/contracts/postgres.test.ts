import { expect } from 'bun:test';
import { sql } from 'drizzle-orm';
import { openDatabase, rows } from '../../src/db/index.ts';
import { freshPostgres, hasPostgres, testWithPostgres } from '../support/services.ts';
import { databaseContract } from './database.contract.ts';

const databaseUrl = hasPostgres ? await freshPostgres() : '';

databaseContract('Postgres', () => openDatabase({ databaseUrl, dataDir: '' }), testWithPostgres);

testWithPostgres('ten servers may migrate one empty Postgres at once', async () => {
  const empty = await freshPostgres();
  const servers = await Promise.all(
    Array.from({ length: 10 }, () => openDatabase({ databaseUrl: empty, dataDir: '' })),
  );
  const applied = sql`select count(*)::int as n from drizzle.__drizzle_migrations`;
  const [first] = servers;
  expect(first && (await rows<{ n: number }>(first.db, applied))[0]?.n).toBeGreaterThan(0);
  for (const { ping, close } of servers) {
    await ping();
    await close();
  }
});

testWithPostgres(
  'a Postgres that cannot be used is named in one line, without the password',
  async () => {
    const attempt = (url: string) =>
      openDatabase({ databaseUrl: url, dataDir: '' }).catch((error: Error) => error.message);
    const refused = await attempt('postgres://ana:secret@127.0.0.1:1/chat');
    expect(refused).toMatch(/cannot use the database chat at 127\.0\.0\.1:1: .*connect/);
    expect(refused).not.toContain('secret');
    const missing = await attempt(new URL('/no_such_database', databaseUrl).href);
    expect(missing).toMatch(/database "no_such_database" does not exist/);
  },
);
