import { expect, test } from 'bun:test';
import { cpSync } from 'node:fs';
import { join, relative } from 'node:path';
import { SQL } from 'bun';
import { temporaryFolder } from '../support/process.ts';
import { freshPostgres, testWithPostgres } from '../support/services.ts';

const root = new URL('../../', import.meta.url).pathname;

async function run(command: string[], env: Record<string, string> = {}): Promise<string> {
  const child = Bun.spawn([process.execPath, ...command], {
    cwd: root,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [output, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect({ exitCode: await child.exited, output, errors }).toMatchObject({ exitCode: 0 });
  return output;
}

test('the committed migrations are those of the schema', async () => {
  const out = join(temporaryFolder(), 'migrations');
  cpSync(join(root, 'src/db/migrations'), out, { recursive: true });
  const output = await run(
    ['x', 'drizzle-kit', 'generate'].concat(
      ['--dialect', 'postgresql'],
      ['--schema', './src/db/schema/*'],
      // drizzle-kit puts "./" before the path.
      ['--out', relative(root, out)],
    ),
  );
  expect(output).toContain('No schema changes');
});

testWithPostgres('db:migrate and db:push each make the tables, without serving', async () => {
  for (const script of ['db:migrate', 'db:push']) {
    const url = await freshPostgres();
    await run(['run', script], { DATABASE_URL: url });
    const client = new SQL(url, { max: 1 });
    const tables =
      await client`select tablename from pg_tables where schemaname = 'public' order by 1`;
    await client.close();
    expect(tables.map(({ tablename }: { tablename: string }) => tablename)).toEqual([
      'deleted_rooms',
      'messages',
      'notifications',
      'reactions',
      'read_positions',
      'room_people',
      'rooms',
      'users',
    ]);
  }
});
