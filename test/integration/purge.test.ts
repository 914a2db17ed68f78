import { afterAll, expect } from 'bun:test';
import { SQL } from 'bun';
import { sql } from 'drizzle-orm';
import { MemoryBus } from '../../src/bus/memory.ts';
import { type Database, openDatabase, rows } from '../../src/db/index.ts';
import { LostAnswers } from '../../src/db/lost-answers.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createLogger, type Logger } from '../../src/log.ts';
import { RoomPurge } from '../../src/rooms/purge.ts';
import { LastSeen } from '../../src/users/last-seen.ts';
import { UserService } from '../../src/users/user.service.ts';
import { cuttableProxy } from '../support/cuttable-proxy.ts';
import { freshPostgres, testWithPostgres } from '../support/services.ts';
import { until } from '../support/until.ts';

const log = createLogger('silent');

/** A log that counts its warnings. */
function countingLog() {
  const counted = { warnings: 0, log: Object.create(log) as Logger };
  counted.log.warn = () => {
    counted.warnings += 1;
  };
  return counted;
}

/** Returns once nothing of deleted rooms is left. */
async function purged(db: Database): Promise<void> {
  const isDone = async () => (await rows(db, sql`select from deleted_rooms`)).length === 0;
  await until('the rooms are purged', isDone, 30_000);
}

/** A room that was deleted with so many messages. */
async function deletedRoom(url: string, count: number): Promise<void> {
  const client = new SQL(url, { max: 1 });
  await client.unsafe(`
    insert into messages (room_id, seq, rev, user_id, content, created_at)
      select 77, n, n, 1, 'x', now() from generate_series(1, ${count}) n`);
  await client.unsafe(`
    insert into message_words (room_id, seq, words)
      select 77, n, array_to_tsvector(array['77:x']) from generate_series(1, ${count}) n;
    insert into word_cursors values (77, ${count});
    insert into deleted_rooms values (77)`);
  await client.close();
}

const WORDS = sql`select from message_words where room_id = 77`;
const LEFT = sql`
  select room_id from messages where room_id = 77 union
  select room_id from message_words where room_id = 77 union
  select room_id from word_cursors where room_id = 77`;

async function open(url: string) {
  const database = await openDatabase({ databaseUrl: url, dataDir: '' });
  afterAll(() => database.close());
  return database;
}

testWithPostgres('servers that purge a room at the same time leave nothing of it', async () => {
  const url = await freshPostgres();
  const { db } = await open(url);
  await deletedRoom(url, 60_000);
  const others = [(await open(url)).db, (await open(url)).db];
  const purges = [db, ...others].map(
    (each) => new RoomPurge({ db: each, clock: systemClock, log }),
  );
  let left = 60_000;
  for (const purge of purges) {
    purge.start();
    // The next one starts in the middle of it.
    const before = left;
    await until('the purge goes on', async () => {
      left = (await rows(db, WORDS)).length;
      return left < before;
    });
  }
  await purged(db);
  expect(await rows(db, LEFT)).toEqual([]);
  for (const purge of purges) await purge.close();
});

testWithPostgres('a purge that fails is tried again', async () => {
  const url = await freshPostgres();
  const proxy = await cuttableProxy(url);
  const { db } = await open(proxy.url);
  await deletedRoom(url, 20_000);
  const counted = countingLog();
  const purge = new RoomPurge({ db, clock: systemClock, log: counted.log });
  proxy.cut();
  purge.start();
  await until('the purge has failed', () => counted.warnings > 0);
  await proxy.mend();
  await purged(db);
  expect(await rows(db, LEFT)).toEqual([]);
  await purge.close();
});

testWithPostgres('last-seen times are kept until the database takes them', async () => {
  const proxy = await cuttableProxy(await freshPostgres());
  const { db } = await open(proxy.url);
  const answers = new LostAnswers(systemClock);
  const users = new UserService({ db, bus: new MemoryBus(), answers, clock: systemClock, log });
  const { user } = await users.findOrCreateGuest('ana');
  const at = new Date(Date.now() + 60_000);
  const counted = countingLog();
  const lastSeen = new LastSeen({ db, clock: systemClock, log: counted.log });
  proxy.cut();
  lastSeen.note(user.id, at);
  await until('a try has failed', () => counted.warnings > 0);
  await proxy.mend();
  const stored = async () => (await users.find('ana')).lastSeen;
  await until('the time is stored', async () => {
    return (await stored().catch(() => null)) === at.toISOString();
  });
  await lastSeen.close();
});
