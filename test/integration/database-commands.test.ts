import { describe, expect, test } from 'bun:test';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { SQL } from 'bun';
import { sql } from 'drizzle-orm';
import { readDatabaseSettings } from '../../src/config.ts';
import { openDatabase, rows } from '../../src/db/index.ts';
import { copyOfProject, startReady, temporaryFolder } from '../support/process.ts';
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

type Place = { DATABASE_URL: string } | { DATA_DIR: string };

/** All that drizzle could have made differently, or that `db:push` could have dropped. */
async function schemaOf(place: Place): Promise<string[]> {
  const { db, close } = await openDatabase(readDatabaseSettings(place));
  const found = await rows<{ line: string }>(
    db,
    sql`
      select concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default,
        is_identity, datetime_precision) as line
      from information_schema.columns where table_schema = 'public'
      union all select indexdef from pg_indexes where schemaname = 'public'
      union all select concat_ws(' ', conrelid::regclass, pg_get_constraintdef(oid))
      from pg_constraint where connamespace = 'public'::regnamespace
      union all select concat('migrated ', count(*)) from drizzle.__drizzle_migrations
      order by 1`,
  );
  await close();
  return found.map(({ line }) => line);
}

async function byHand(place: Place, statement: string): Promise<void> {
  const { db, close } = await openDatabase(readDatabaseSettings(place));
  await db.execute(sql.raw(statement));
  await close();
}

async function start(place: Place): Promise<void> {
  const server = await startReady({ ...place });
  const sent = await fetch(`${server.url}/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"username":"ana"}',
  });
  expect(sent.ok).toBe(true);
  server.kill('SIGTERM');
  expect(await server.exited).toBe(0);
}

const commands = {
  'db:push': (place: Place) => run(['run', 'db:push'], place),
  'db:migrate': (place: Place) => run(['run', 'db:migrate'], place),
  start,
};
type Command = keyof typeof commands;
const orders = (Object.keys(commands) as Command[]).flatMap((first, at, all) => {
  const [second, third] = all.toSpliced(at, 1) as [Command, Command];
  return [
    [first, second, third],
    [first, third, second],
  ] as const;
});

const BY_HAND = 'create index by_hand on message_words using gin (words) where seq < 10';

/** Every order ends, after a last start, with the schema of a plain start and the tables made by hand. */
async function goesThroughAllOrders(empty: () => Place | Promise<Place>): Promise<void> {
  const plain = await empty();
  await start(plain);
  const expected = await schemaOf(plain);
  expect(expected).toContainEqual(expect.stringContaining('message_words_gin'));
  expect(expected.length).toBeGreaterThan(70);
  await byHand(plain, BY_HAND);
  const withOurs = await schemaOf(plain);
  const goThrough = async ([first, second, third]: (typeof orders)[number]) => {
    const place = await empty();
    await commands[first](place);
    await byHand(place, BY_HAND);
    await commands[second](place);
    await commands[third](place);
    if (third !== 'start') await start(place);
    expect({ first, second, schema: await schemaOf(place) }).toEqual({
      first,
      second,
      schema: withOurs,
    });
  };
  // Two at a time, as each mostly is one process after the other.
  const rest = [...orders];
  const next = async () => {
    for (let order = rest.pop(); order; order = rest.pop()) await goThrough(order);
  };
  await Promise.all([next(), next()]);
}

describe('db:push, db:migrate and start, in any order, make the same schema', () => {
  test('in the embedded database', async () => {
    const empty = join(temporaryFolder(), 'empty');
    await (await PGlite.create(empty)).close();
    await goesThroughAllOrders(() => {
      const folder = temporaryFolder();
      cpSync(empty, join(folder, 'postgres'), { recursive: true });
      return { DATA_DIR: folder };
    });
  }, 300_000);

  testWithPostgres(
    'in Postgres',
    () => goesThroughAllOrders(async () => ({ DATABASE_URL: await freshPostgres() })),
    300_000,
  );

  testWithPostgres(
    'where drizzle-kit itself has pushed it',
    async () => {
      const migrated = { DATABASE_URL: await freshPostgres() };
      await start(migrated);
      const expected = await schemaOf(migrated);
      for (const command of Object.keys(commands) as Command[]) {
        const pushed = { DATABASE_URL: await freshPostgres() };
        await run(['x', 'drizzle-kit', 'push', '--force'], pushed);
        await commands[command](pushed);
        await start(pushed);
        expect({ command, schema: await schemaOf(pushed) }).toEqual({ command, schema: expected });
      }
    },
    60_000,
  );

  testWithPostgres('where an earlier version has pushed it', async () => {
    const url = await freshPostgres();
    const client = new SQL(url, { max: 1 });
    for (const file of ['0000_start', '0001_data', '0002_accounts']) {
      await client.unsafe(readFileSync(join(root, `src/db/migrations/${file}.sql`), 'utf8'));
    }
    await client.close();
    const migrated = { DATABASE_URL: await freshPostgres() };
    await start({ DATABASE_URL: url });
    expect(await schemaOf({ DATABASE_URL: url })).toEqual(await schemaOf(migrated));
  });
});

describe('db:push', () => {
  test('adds what the schema has beyond the last migration, again and again, and drops nothing', async () => {
    const project = copyOfProject();
    const place = { DATA_DIR: join(temporaryFolder(), 'data') };
    const edit = (file: string, from: string, to: string) => {
      const path = join(project, 'src/db/schema', file);
      writeFileSync(path, readFileSync(path, 'utf8').replace(from, to));
    };
    edit(
      'secrets.ts',
      'value: text().notNull(),',
      'value: text().notNull(), note: text().unique(),',
    );
    edit('rooms.ts', 'topic: text(),', '');
    const push = [join(project, 'src/db/push.ts')];
    for (let times = 0; times < 2; times++) {
      expect(await run(push, place)).toMatch(/^Left for a migration[^\n]*DROP COLUMN "topic";/);
    }
    const lines = await schemaOf(place);
    expect(lines).toContainEqual(expect.stringMatching(/^secrets note text/));
    expect(lines).toContain('secrets UNIQUE (note)');
    expect(lines).toContainEqual(expect.stringMatching(/^rooms topic text/));
  }, 30_000);
});
