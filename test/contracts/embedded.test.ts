import { Database as Sqlite } from 'bun:sqlite';
import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { openDatabase, rows } from '../../src/db/index.ts';
import { databaseContract } from './database.contract.ts';

const folder = mkdtempSync(join(tmpdir(), 'ws-chat-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const dataDir = join(folder, 'data');

databaseContract('the embedded Postgres', () => openDatabase({ dataDir }), test);

describe('a data folder', () => {
  const epochs = async () => {
    const { db, close } = await openDatabase({ dataDir });
    const found = await rows<{ epoch: string }>(
      db,
      sql`select epoch from rooms order by id limit 3`,
    );
    await close();
    return found.map(({ epoch }) => epoch);
  };

  test('is held by one server at a time', async () => {
    const { close } = await openDatabase({ dataDir });
    await expect(openDatabase({ dataDir })).rejects.toThrow(
      /in use by another server \(process \d+\)/,
    );
    await close();
    expect(existsSync(join(dataDir, '.s.PGSQL.5432'))).toBe(false);
  });

  test('draws new epochs when the machine went down under a running server, and only then', async () => {
    const before = await epochs();
    expect(before).toHaveLength(3);
    const holder = (statement: string) => {
      const lock = new Sqlite(join(dataDir, 'lock'));
      lock.run(statement);
      lock.close();
    };
    holder('update holder set clean = 0');
    expect(await epochs()).toEqual(before);
    holder("update holder set bootId = 'the last boot'");
    expect(await epochs()).toEqual(before);
    holder("update holder set bootId = 'the last boot', clean = 0");
    const after = await epochs();
    for (const [n, epoch] of after.entries()) expect(epoch).not.toBe(before[n] as string);
    expect(await epochs()).toEqual(after);
  });

  test('may have a path longer than that of a socket', async () => {
    const { close } = await openDatabase({ dataDir: join(folder, 'x'.repeat(120)) });
    await close();
  });

  test('that cannot be made is named in one line', async () => {
    await expect(openDatabase({ dataDir: '/proc/none' })).rejects.toThrow(/\/proc\/none/);
  });
});
