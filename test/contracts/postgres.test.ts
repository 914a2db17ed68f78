import { expect } from 'bun:test';
import { sql } from 'drizzle-orm';
import { openDatabase, rows } from '../../src/db/index.ts';
import { hasPgBouncer, ownPgBouncer, testWithPgBouncer } from '../support/pgbouncer.ts';
import { refusingPooler } from '../support/refusing-pooler.ts';
import { freshPostgres, hasPostgres, testWithPostgres } from '../support/services.ts';
import { databaseContract } from './database.contract.ts';

const databaseUrl = hasPostgres ? await freshPostgres() : '';

databaseContract(
  'Postgres',
  (patience) => openDatabase({ databaseUrl, dataDir: '', ...patience }),
  testWithPostgres,
);

const pooler = hasPostgres ? await refusingPooler(await freshPostgres()) : undefined;

databaseContract(
  'Postgres behind a pooler that takes no settings of a session',
  (patience) => openDatabase({ databaseUrl: pooler?.url ?? '', dataDir: '', ...patience }),
  testWithPostgres,
);

const bouncer = hasPostgres && hasPgBouncer ? await ownPgBouncer(await freshPostgres()) : undefined;

databaseContract(
  'Postgres behind PgBouncer in transaction mode',
  (patience) => openDatabase({ databaseUrl: bouncer?.url ?? '', dataDir: '', ...patience }),
  testWithPgBouncer,
);

testWithPostgres('sessions have deadlines of their own, except behind a pooler', async () => {
  const deadlines = sql`
    select current_setting('lock_timeout') as lock, current_setting('statement_timeout') as statement,
      current_setting('idle_in_transaction_session_timeout') as idle`;
  for (const [url, isPooled, expected] of [
    [databaseUrl, false, { lock: '1500ms', statement: '1750ms', idle: '2s' }],
    [pooler?.url ?? '', true, { lock: '0', statement: '0', idle: '0' }],
  ] as const) {
    const opened = await openDatabase({ databaseUrl: url, dataDir: '', databaseTimeout: 2 });
    expect(opened.isPooled).toBe(isPooled);
    for (const db of [opened.db, opened.writes]) {
      expect(await rows<object>(db, deadlines)).toEqual([expected]);
    }
    await opened.close();
  }
});

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
