import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { openDatabase } from '../../src/db/index.ts';
import { databaseContract } from './database.contract.ts';

const folder = mkdtempSync(join(tmpdir(), 'ws-chat-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const dataDir = join(folder, 'data');

databaseContract(
  'the embedded Postgres',
  (patience) => openDatabase({ dataDir, ...patience }),
  test,
);

describe('a data folder', () => {
  test('is used by one server at a time', async () => {
    const { close } = await openDatabase({ dataDir });
    await expect(openDatabase({ dataDir })).rejects.toThrow(
      /in use by another server \(process \d+\)/,
    );
    await close();
    expect(existsSync(join(dataDir, '.s.PGSQL.5432'))).toBe(false);
  });

  test('may have a path longer than that of a socket', async () => {
    const { close } = await openDatabase({ dataDir: join(folder, 'x'.repeat(120)) });
    await close();
  });

  test('may be named relative to the working directory, with folders that do not exist yet', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ws-chat-test-'));
    afterAll(() => rmSync(folder, { recursive: true }));
    const { close } = await openDatabase({
      dataDir: relative(process.cwd(), join(folder, 'deep/er')),
    });
    await close();
  });

  test('that cannot be created is named in one line', async () => {
    await expect(openDatabase({ dataDir: '/proc/none' })).rejects.toThrow(/\/proc\/none/);
  });
});
