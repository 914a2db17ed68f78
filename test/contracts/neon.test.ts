import { afterAll, expect } from 'bun:test';
import { sql } from 'drizzle-orm';
import { openDatabase, rows } from '../../src/db/index.ts';
import { relayNeon } from '../support/neon-relay.ts';
import { freshPostgres, hasPostgres, testWithPostgres } from '../support/services.ts';
import { databaseContract } from './database.contract.ts';

const relay = hasPostgres ? relayNeon(await freshPostgres()) : undefined;
afterAll(() => relay?.stop());

databaseContract(
  'Neon’s driver',
  (patience) => openDatabase({ databaseUrl: relay?.url ?? '', dataDir: '', ...patience }),
  testWithPostgres,
);

testWithPostgres(
  'sessions at Neon have deadlines, although its proxy drops them from the start parameters',
  async () => {
    const opened = await openDatabase({
      databaseUrl: relay?.url ?? '',
      dataDir: '',
      databaseTimeout: 2,
    });
    const deadlines = sql`
    select current_setting('lock_timeout') as lock, current_setting('statement_timeout') as statement,
      current_setting('idle_in_transaction_session_timeout') as idle`;
    for (const db of [opened.db, opened.writes]) {
      expect(await rows<object>(db, deadlines)).toEqual([
        { lock: '1500ms', statement: '1750ms', idle: '2s' },
      ]);
    }
    await opened.close();
  },
);

testWithPostgres('an address of Neon’s pooler is recognised as one', async () => {
  const url = new URL(relay?.url ?? '');
  url.hostname = url.hostname.replace('.', '-pooler.');
  const opened = await openDatabase({ databaseUrl: url.href, dataDir: '' });
  expect(opened.isPooled).toBe(true);
  await opened.ping();
  await opened.close();
});
