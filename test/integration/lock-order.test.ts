import { afterAll, expect } from 'bun:test';
import { SQL } from 'bun';
import { sql } from 'drizzle-orm';
import { MemoryBus } from '../../src/bus/memory.ts';
import { changeBatch, lockRooms } from '../../src/chat/changes.sql.ts';
import { ReadCursors } from '../../src/chat/read-cursors.ts';
import { MessageReader } from '../../src/chat/reader.ts';
import { type Database, type OpenDatabase, openDatabase } from '../../src/db/index.ts';
import { deleteNotifications } from '../../src/db/statements.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { ROOM } from '../support/room.ts';
import { freshPostgres, testWithPostgres } from '../support/services.ts';
import { until } from '../support/until.ts';

/** How many rows each statement locks. */
const ROWS = 12;
/** The rows before which a statement is held, with the locks of those before. */
const HELD_BEFORE = [2, 7, ROWS];

/** Two people, a room, and messages of one of them that the other is notified of. */
interface Scene {
  roomId: number;
  people: number[];
  messageIds: number[];
}

/** Statements that lock several rows, which others lock too, by other ways to them. */
const statements: Record<string, (db: Database, scene: Scene) => Promise<unknown>> = {
  'a deletion of many messages': (db, { roomId, people, messageIds }) =>
    db.transaction(async (tx) => {
      await tx.execute(lockRooms([roomId], 'wait'));
      const deletion = {
        room: { id: roomId },
        userId: people[0] as number,
        kind: 'delete',
      } as const;
      await tx.execute(
        changeBatch(
          messageIds.map((messageId) => {
            return { ...deletion, messageId, text: '', words: '', mentions: undefined };
          }),
        ),
      );
    }),
  'a room that is read': (db, { roomId, people }) => {
    const cursors = new ReadCursors({
      ...{ db, bus: new MemoryBus(), clock: systemClock, messages: new MessageReader({ db }) },
    });
    const reader = { id: people[1] as number, username: 'reader' };
    return cursors.read(reader, { ...ROOM, id: roomId }, ROWS);
  },
  'a purge': (db, { roomId }) => db.execute(deleteNotifications(sql`room_id = ${roomId}`)),
};

testWithPostgres(
  'statements that lock several rows take them in one order, wherever one of them is held up',
  async () => {
    const url = await freshPostgres();
    const open = async (): Promise<OpenDatabase> => {
      const opened = await openDatabase({ databaseUrl: url, dataDir: '' });
      afterAll(() => opened.close());
      return opened;
    };
    await open();
    const admin = new SQL(url, { max: 2 });
    const database = new URL(url).pathname.slice(1);
    // Rows are found by indexes, as in a big database; each finds them in an order of its own.
    await admin.unsafe(`
      alter database ${database} set enable_seqscan = off;
      alter database ${database} set jit = off;
      create table held_before (nth int);
      create function hold() returns trigger language plpgsql as $$ begin
        perform set_config('test.nth', (coalesce(nullif(current_setting('test.nth', true), ''), '0')::int + 1)::text, true);
        if current_setting('test.nth')::int = (select nth from held_before)
          and pg_try_advisory_xact_lock(1) then perform pg_advisory_xact_lock(2); end if;
        return old;
      end $$;
      create trigger hold before delete on notifications for each row execute function hold();`);
    const [one, two] = await Promise.all([open(), open()]);

    const makeScene = async (nth: number): Promise<Scene> => {
      const ids = async (query: string): Promise<number[]> =>
        (await admin.unsafe(query)).map(({ id }: { id: string }) => Number(id));
      const people = await ids(
        `insert into users (username, key) values ('author-${nth}', 'author-${nth}'),
          ('reader-${nth}', 'reader-${nth}') returning id`,
      );
      const [roomId = 0] = await ids(
        `insert into rooms (name, rev) values ('room-${nth}', ${ROWS}) returning id`,
      );
      const messageIds = await ids(
        `insert into messages (room_id, seq, rev, user_id, content, created_at)
          select ${roomId}, n, n, ${people[0]}, 'x', now() from generate_series(1, ${ROWS}) n returning id`,
      );
      // The order of the ids is not that of the messages.
      await admin.unsafe(
        `insert into notifications (id, user_id, kind, message_id, room_id, seq) overriding system value
          select ${(nth + 1) * 1000} - seq, ${people[1]}, 'mention', id, room_id, seq
          from messages where room_id = ${roomId} order by seq`,
      );
      return { roomId, people, messageIds };
    };
    const waiting = async (which: string) =>
      (
        await admin.unsafe(`select from pg_locks where not granted and ${which}
          and (database is null or database =
            (select oid from pg_database where datname = current_database()))`)
      ).length > 0;

    let nth = 0;
    for (const [name, first] of Object.entries(statements)) {
      for (const [other, second] of Object.entries(statements)) {
        for (const row of HELD_BEFORE) {
          nth += 1;
          const scene = await makeScene(nth);
          await admin.unsafe(`delete from held_before; insert into held_before values (${row})`);
          const gate = await admin.reserve();
          await gate.unsafe('select pg_advisory_lock(2)');
          const over = new Set<string>();
          const run = (key: string, work: Promise<unknown>) =>
            work
              .finally(() => over.add(key))
              .then(
                () => 'done',
                (error: Error) => `${error.message} ${(error.cause as Error)?.message ?? ''}`,
              );
          const before = run('first', first(one.db, scene));
          await until(
            'the first is held',
            async () => over.has('first') || (await waiting("locktype = 'advisory'")),
          );
          const after = run('second', second(two.db, scene));
          await until(
            'the second is held up too',
            async () => over.has('second') || (await waiting("locktype <> 'advisory'")),
          );
          await gate.unsafe('select pg_advisory_unlock(2)');
          gate.release();
          expect({ name, other, row, came: [await before, await after] }).toEqual({
            ...{ name, other, row, came: ['done', 'done'] },
          });
        }
      }
    }
    await admin.close();
  },
  60_000,
);
