import { afterAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SQL } from 'bun';
import { sql } from 'drizzle-orm';
import { WordIndex } from '../../src/chat/word-index.ts';
import { type OpenDatabase, openDatabase, rows } from '../../src/db/index.ts';
import journal from '../../src/db/migrations/meta/_journal.json';
import { systemClock as clock } from '../../src/lib/clock.ts';
import { createLogger } from '../../src/log.ts';
import { fresh, startServer } from '../support/server.ts';
import { freshPostgres, testWithPostgres } from '../support/services.ts';
import { until } from '../support/until.ts';

const log = createLogger('silent');

async function open(settings: { databaseUrl?: string; dataDir: string }): Promise<OpenDatabase> {
  const database = await openDatabase(settings);
  afterAll(() => database.close());
  return database;
}

/** Rooms 1, 2, … with messages of one word each that was never taken in. */
async function say({ db }: OpenDatabase, { inRooms, each }: { inRooms: number; each: number }) {
  await db.execute(sql`
    insert into rooms (name, rev) select 'r' || n, ${each}::int from generate_series(1, ${inRooms}::int) n`);
  await db.execute(sql`
    insert into messages (room_id, seq, rev, user_id, content, created_at)
      select id, n, n, 1, 'word' || n, now() from rooms, generate_series(1, ${each}::int) n
      where name like 'r%'`);
}

/** The messages whose words are not those of their content, deleted ones included. */
async function wrongIn({ db }: OpenDatabase): Promise<unknown[]> {
  return rows(
    db,
    sql`
      select m.room_id, m.seq, m.content, w.words::text from messages m full join message_words w
        on w.room_id = m.room_id and w.seq = m.seq
      where w.words is distinct from case when m.content <> '' then array_to_tsvector(array[m.room_id || ':' || m.content]) end`,
  );
}

async function caughtUp(database: OpenDatabase): Promise<void> {
  const behind = sql`
    select from rooms r left join word_cursors c on c.room_id = r.id where r.rev > coalesce(c.rev, 0)`;
  const isDone = async () => (await rows(database.db, behind)).length === 0;
  await until('all words are stored', isDone, 30_000);
}

test('a start indexes the messages that an earlier run has left, in however many rooms', async () => {
  const database = await open({ dataDir: 'memory' });
  await say(database, { inRooms: 250, each: 12 });
  const words = new WordIndex({ db: database.db, clock, log });
  words.start();
  await caughtUp(database);
  expect(await wrongIn(database)).toEqual([]);
  await words.close();
});

testWithPostgres('several servers store the words of the same messages once', async () => {
  const databaseUrl = await freshPostgres();
  const database = await open({ databaseUrl, dataDir: '' });
  await say(database, { inRooms: 30, each: 700 });
  const servers = await Promise.all([1, 2, 3].map(() => open({ databaseUrl, dataDir: '' })));
  const all = servers.map(({ db }) => new WordIndex({ db, clock, log }));
  for (const words of all) words.start();
  // Messages are changed and deleted while they are taken in.
  for (let n = 1; n <= 40; n++) {
    await database.db.execute(sql`
      with room as (update rooms set rev = rev + 1 returning id, rev)
      update messages m set rev = room.rev, content = ${n % 2 ? 'changed' : ''},
        deleted_at = ${n % 2 ? null : sql`now()`}
      from room where m.room_id = room.id and m.seq = ${n * 17}::int`);
  }
  for (const words of all) for (let id = 1; id <= 30; id++) words.note(id);
  await caughtUp(database);
  expect(await wrongIn(database)).toEqual([]);
  for (const words of all) await words.close();
});

test('a search finds any number of long messages, which are indexed a few at a time', async () => {
  const server = await startServer({ maxContentLength: 60_000 });
  const room = fresh('room');
  const client = await server.enter(fresh('ana'), room);
  for (let n = 0; n < 40; n++) {
    client.send({ type: 'message', content: `n${n} ${'ü'.repeat(10_000)}` });
  }
  await client.until((frame) => frame.type === 'message' && frame.seq === 40);
  const search = `/messages/search?room=${room}&q=${'ü'.repeat(64)}&limit=1`;
  while ((await server.fetch(search)).status === 503);
  const found = await server.fetch(search);
  expect(await found.json()).toMatchObject([{ seq: 40 }]);
  const first = await server.fetch(`/messages/search?room=${room}&q=n0`);
  expect(await first.json()).toMatchObject([{ seq: 1 }]);
});

testWithPostgres(
  'posting goes on while words cannot be stored, and they are stored later',
  async () => {
    const database = await open({ databaseUrl: await freshPostgres(), dataDir: '' });
    const server = await startServer({}, { database });
    const room = fresh('room');
    const ana = await server.enter(fresh('ana'), room);
    await database.db.execute(sql`alter table message_words rename to away`);
    ana.send({ type: 'message', content: 'lost and found', id: 'x' });
    const { messageId } = await ana.untilType('ack');
    const search = () => server.fetch(`/messages/search?room=${room}&q=lost`);
    expect((await search()).status).toBe(500);
    await database.db.execute(sql`alter table away rename to message_words`);
    expect(await (await search()).json()).toMatchObject([{ id: messageId }]);
  },
);

testWithPostgres('a deleted message leaves no words, without a search', async () => {
  const database = await open({ databaseUrl: await freshPostgres(), dataDir: '' });
  const server = await startServer({}, { database });
  const ana = await server.enter(fresh('ana'), fresh('room'));
  const stored = () => rows(database.db, sql`select words::text from message_words`);
  ana.send({ type: 'message', content: 'secret', id: 'x' });
  const { messageId } = await ana.untilType('ack');
  await until('the words are stored', async () => (await stored()).length > 0);
  ana.send({ type: 'delete', messageId });
  await until('the words are deleted', async () => (await stored()).length === 0);
});

testWithPostgres('messages from before the search existed are found', async () => {
  const databaseUrl = await freshPostgres();
  const client = new SQL(databaseUrl, { max: 1 });
  const before = journal.entries.filter(({ tag }) => tag < '0009');
  for (const { tag } of before) {
    const file = join(import.meta.dir, `../../src/db/migrations/${tag}.sql`);
    await client.unsafe(readFileSync(file, 'utf8'));
  }
  await client.unsafe(`
    insert into users (key, username) values ('ana', 'ana');
    insert into rooms (name, rev) values ('general', 2);
    insert into messages (room_id, seq, rev, user_id, content, created_at, words) values
      (1, 1, 1, 1, 'an old story', now(), null), (1, 2, 2, 1, 'another story', now(), $$'1:another' '1:story'$$)`);
  await client.close();
  const server = await startServer({}, { database: await open({ databaseUrl, dataDir: '' }) });
  const found = await (await server.fetch('/messages/search?q=story')).json();
  expect(found.map(({ seq }: { seq: number }) => seq)).toEqual([2, 1]);
});
