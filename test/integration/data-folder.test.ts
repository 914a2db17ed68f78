import { Database as Sqlite } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import fs from 'node:fs';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/pglite';
import { migrate } from 'drizzle-orm/pglite/migrator';
import { openDatabase, rows } from '../../src/db/index.ts';
import { Client } from '../support/client.ts';
import { startProcess, startReady, temporaryFolder } from '../support/process.ts';
import { join as enter } from '../support/protocol-1.ts';
import { until } from '../support/until.ts';

const root = new URL('../../', import.meta.url).pathname;
const folder = temporaryFolder();

/** Makes a folder as versions before the sixth migration did: by PGlite's own defaults, without a sync. */
async function makeOldFolder(dataDir: string): Promise<{ epoch: string }> {
  fs.mkdirSync(dataDir);
  const lock = new Sqlite(join(dataDir, 'lock'));
  lock.run('create table holder (pid integer, bootId text, clean integer)');
  lock.run(`insert into holder values (1, 'another boot', 0)`);
  lock.close();

  const migrations = join(folder, 'migrations');
  fs.cpSync(join(root, 'src/db/migrations'), migrations, { recursive: true });
  const journal = join(migrations, 'meta/_journal.json');
  const { entries, ...rest } = JSON.parse(fs.readFileSync(journal, 'utf8'));
  fs.writeFileSync(journal, JSON.stringify({ ...rest, entries: entries.slice(0, 6) }));

  const database = await PGlite.create(join(dataDir, 'postgres'));
  await migrate(drizzle(database), { migrationsFolder: migrations });
  await database.exec(`
    insert into users (key, username) values ('ana', 'ana');
    insert into rooms (name, rev) values ('general', 1);
    insert into messages (seq, rev, room_id, user_id, content, created_at)
      values (1, 1, 1, 1, 'from before', now())`);
  const { rows: made } = await database.query<{ epoch: string }>('select epoch from rooms');
  await database.close();
  return made[0] as { epoch: string };
}

test('a folder of a version that did not sync opens unchanged; its rooms get new epochs, once', async () => {
  const dataDir = join(folder, 'old');
  const { epoch } = await makeOldFolder(dataDir);
  const epochs = [];
  for (let n = 0; n < 2; n++) {
    const server = await startReady({ DATA_DIR: dataDir });
    const client = await Client.connect(server.ws);
    const joined = await enter(client, 'general', { since: 0, epoch });
    expect(joined.messages).toMatchObject([{ content: 'from before', username: 'ana', seq: 1 }]);
    expect(joined.reset).toBe(true);
    epochs.push(joined.epoch);
    server.kill('SIGTERM');
    expect(await server.exited).toBe(0);
  }
  expect(epochs[0]).not.toBe(epoch);
  expect(epochs[1]).toBe(epochs[0] as string);
});

test('a first start that was killed does not hinder the next', async () => {
  const dataDir = join(folder, 'killed');
  const unfinished = () =>
    fs.existsSync(dataDir)
      ? fs.readdirSync(dataDir).filter((name) => name.startsWith('new-postgres-'))
      : [];
  const first = startProcess({ DATA_DIR: dataDir });
  await until('the database is being created', () => unfinished().length > 0, 30_000);
  first.kill('SIGKILL');
  await first.exited;
  const server = await startReady({ DATA_DIR: dataDir });
  expect(unfinished()).toEqual([]);
  server.kill('SIGTERM');
  expect(await server.exited).toBe(0);
});

test('the embedded database is maintained: its log stays bounded, changed tables are vacuumed', async () => {
  const dataDir = join(folder, 'upkeep');
  const { db, close } = await openDatabase({ dataDir, databaseTimeout: 60 });
  const written = sql`select (pg_current_wal_lsn() - '0/0')::float8 as bytes`;
  await db.execute(sql`create table filler (n int, text text)`);
  for (let total = 0; total < 300 * 2 ** 20; ) {
    await db.execute(
      sql`insert into filler select n, repeat(n::text, 40) from generate_series(1, 20000) n`,
    );
    const [now] = await rows<{ bytes: number }>(db, written);
    total = now?.bytes ?? 0;
    await Bun.sleep(50);
  }
  const log = join(dataDir, 'postgres/pg_wal');
  const size = () =>
    fs.readdirSync(log).reduce((sum, name) => sum + fs.statSync(join(log, name)).size, 0);
  expect(size()).toBeLessThan(200 * 2 ** 20);

  await db.execute(sql`delete from filler`);
  const vacuumed = sql`select from pg_stat_user_tables where relname = 'filler' and last_vacuum is not null`;
  const isVacuumed = async () => (await rows(db, vacuumed)).length > 0;
  await until('the table is vacuumed', isVacuumed, 60_000);
  await close();
});
