import { afterAll, describe, expect } from 'bun:test';
import { SQL } from 'bun';
import { sql } from 'drizzle-orm';
import { MemoryBus } from '../../src/bus/memory.ts';
import { ChatService } from '../../src/chat/chat.service.ts';
import { ReadCursors } from '../../src/chat/read-cursors.ts';
import { MessageReader } from '../../src/chat/reader.ts';
import { WordIndex } from '../../src/chat/word-index.ts';
import { readSettings } from '../../src/config.ts';
import { type OpenDatabase, openDatabase, rows } from '../../src/db/index.ts';
import { LostAnswers } from '../../src/db/lost-answers.ts';
import { ChatError } from '../../src/errors.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { systemIds } from '../../src/lib/ids.ts';
import { Limits } from '../../src/limits/limits.ts';
import { createLogger } from '../../src/log.ts';
import { NotificationService } from '../../src/notifications/notification.service.ts';
import type { Person } from '../../src/protocol/identity.ts';
import type { Room } from '../../src/protocol/room.ts';
import { DirectRooms } from '../../src/rooms/direct.ts';
import { Members } from '../../src/rooms/members.ts';
import { RoomService } from '../../src/rooms/room.service.ts';
import { RoomManager } from '../../src/rooms/room-manager.ts';
import { LastSeen } from '../../src/users/last-seen.ts';
import { UserService } from '../../src/users/user.service.ts';
import { chooseSeed, seeded } from '../support/random.ts';
import { fresh, UNLIMITED } from '../support/server.ts';
import { freshPostgres, hasPostgres, testWithPostgres } from '../support/services.ts';

const KEY = { kind: 'key' } as const;
const MAX_REACTIONS = 20;

/** The services of a server over a database, without its doors. */
function services(database: OpenDatabase) {
  const { db } = database;
  const log = createLogger('silent');
  const clock = systemClock;
  const bus = new MemoryBus();
  const published: { roomId: number; rev: number }[] = [];
  bus.subscribe({
    messages: ({ room, messages }) =>
      published.push(...messages.map(({ rev }) => ({ roomId: room.id, rev }))),
  });
  const limits = new Limits({ clock }, readSettings(UNLIMITED));
  const messages = new MessageReader({ db });
  const answers = new LostAnswers(clock);
  const users = new UserService({ db, bus, answers, clock, log });
  const rooms = new RoomService({ db, limits });
  const directRooms = new DirectRooms({ db, bus, limits, ids: systemIds });
  const words = new WordIndex({ db, clock, log });
  const parts = { database, messages, words, rooms, directRooms, users, bus, limits, clock, log };
  return {
    db,
    published,
    users,
    lastSeen: new LastSeen({ db, clock, log }),
    rooms,
    manager: new RoomManager({ db, bus, rooms, limits, answers, clock, log }),
    members: new Members({ db, bus, rooms, users, answers, log }),
    cursors: new ReadCursors({ db, messages, bus, clock }),
    notifications: new NotificationService({ db, messages, bus, clock }),
    chat: new ChatService(parts, { maxContentLength: 4000 }),
  };
}
type Services = ReturnType<typeof services>;

interface Scene {
  room: Room;
  author: Person;
  reader: Person;
  messageIds: number[];
}

type Action = (on: Services, scene: Scene, nth: number) => Promise<unknown>;

const as = (user: Person) => ({ identity: KEY, user });
const first = ({ messageIds }: Scene) => messageIds[0] as number;
const EMOJI = [...'😀😁😂😃😄😅😆😇😈😉😊😋😌😍😎😏😐😑😒😓😔😕😖😗😘😙😚😛😜😝'];

/** Every statement that takes more than one lock, or depends on stored rows. */
const actions: Record<string, Action> = {
  post: ({ chat }, { room, author, reader }) =>
    chat.post(as(author), room, { content: `@${reader.username} again` }),
  edit: ({ chat }, scene, nth) => chat.edit(as(scene.author), first(scene), `edited ${nth}`),
  delete: ({ chat }, scene) => chat.delete(as(scene.author), first(scene)),
  'delete all': ({ chat }, { author, messageIds }) =>
    Promise.all(messageIds.toReversed().map((id) => chat.delete(as(author), id))),
  react: ({ chat }, scene, nth) =>
    chat.react(as(scene.reader), first(scene), { emoji: EMOJI[20 + (nth % 10)] as string }),
  'react a lot': ({ chat }, scene) =>
    Promise.allSettled(EMOJI.map((emoji) => chat.react(as(scene.author), first(scene), { emoji }))),
  unreact: ({ chat }, scene) =>
    chat.react(as(scene.reader), first(scene), { emoji: EMOJI[0] as string, remove: true }),
  read: ({ cursors }, { reader, room }) => cursors.read(reader, room, Number.MAX_SAFE_INTEGER),
  enter: async ({ cursors, users }, { room, reader }) => {
    const { user } = await users.findOrCreateGuest(fresh('new'));
    await Promise.all([cursors.getOrCreate(user, room), cursors.getOrCreate(reader, room)]);
  },
  mute: ({ members }, { room, reader }) => members.setMute(KEY, room.name, reader.username, true),
  topic: ({ manager }, { room }, nth) => manager.update(KEY, room.name, { topic: `topic ${nth}` }),
  'delete the room': ({ manager }, { room }) => manager.remove(KEY, room.name),
  leave: async ({ lastSeen }, { author, reader }) => {
    lastSeen.note(reader.id, new Date());
    lastSeen.note(author.id, new Date());
  },
};

const url = hasPostgres ? await freshPostgres() : '';
const [one, two, three] = hasPostgres
  ? await Promise.all(
      [1, 2, 3].map(async () => {
        const database = await openDatabase({ databaseUrl: url, dataDir: '' });
        afterAll(() => database.close());
        return services(database);
      }),
    )
  : [];

async function scene(): Promise<Scene> {
  const { rooms, users, chat } = one as Services;
  const { room } = await rooms.authorizeOrCreate({ identity: KEY }, fresh('room'));
  const { user: author } = await users.findOrCreateGuest(fresh('author'));
  const { user: reader } = await users.findOrCreateGuest(fresh('reader'));
  const messageIds: number[] = [];
  for (let n = 0; n < 12; n++) {
    const { message } = await chat.post(as(author), room, { content: `${n} @${reader.username}` });
    messageIds.push(message.id);
  }
  // One reaction fewer than a message may have.
  await Promise.all(
    EMOJI.slice(0, MAX_REACTIONS - 1).map((emoji) =>
      chat.react(as(reader), messageIds[0] as number, { emoji }),
    ),
  );
  return { room, author, reader, messageIds };
}

/** The invariants of a room, whatever two servers did in it, in whatever order. */
async function checkRoom({ room, messageIds }: Scene): Promise<void> {
  const { db } = one as Services;
  const [found] = await rows<{ rev: number }>(
    db,
    sql`select rev::float8 as rev from rooms where id = ${room.id}`,
  );
  const revs = [one, two, three]
    .flatMap((server) => server?.published.filter(({ roomId }) => roomId === room.id) ?? [])
    .map(({ rev }) => rev)
    .sort((a, b) => a - b);
  expect(revs).toEqual(revs.map((_, n) => n + 1));
  if (found) expect(revs.length).toBe(found.rev);
  const ids = sql`(${sql.join(
    messageIds.map((id) => sql`${id}`),
    sql`, `,
  )})`;
  const stored = await rows<{ id: number; deleted: boolean; emoji: number; notices: number }>(
    db,
    sql`
      select m.id::float8 as id, m.deleted_at is not null as deleted,
        (select count(distinct emoji)::int from reactions r where r.message_id = m.id) as emoji,
        (select count(*)::int from notifications n where n.message_id = m.id) as notices
      from messages m where m.id in ${ids}`,
  );
  for (const { id, deleted, emoji, notices } of stored) {
    expect({ id, emoji }).toEqual({ id, emoji: Math.min(emoji, MAX_REACTIONS) });
    if (deleted) expect({ id, emoji, notices }).toEqual({ id, emoji: 0, notices: 0 });
  }
}

/** An action may fail only by an outcome of the other one: no deadlock, no time-out, no fault. */
async function checkOutcome(work: Promise<unknown>): Promise<void> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  if (error === undefined) return;
  if (!(error instanceof ChatError)) throw error;
  expect(['not_found', 'conflict', 'muted']).toContain(error.code);
}

describe('two servers that change the same thing at once', () => {
  testWithPostgres(
    'follow each other: the second judges the state that the first has committed, wherever that was delayed',
    async () => {
      const [first, second] = [one, two] as [Services, Services];
      const admin = new SQL(url, { max: 2 });
      // Whoever comes first to a row of one of these stops there, with all locks that it has.
      await admin.unsafe(`
        create function pause() returns trigger language plpgsql as $$ begin
          if pg_try_advisory_xact_lock(1) then perform pg_advisory_xact_lock(2); end if;
          return coalesce(new, old);
        end $$`);
      const tables = ['rooms', 'messages', 'reactions', 'read_positions', 'notifications', 'users'];
      for (const table of tables) {
        await admin.unsafe(
          `create trigger pause after insert or update or delete on ${table} for each row execute function pause()`,
        );
      }
      const waiting = async (which: string): Promise<number> =>
        (
          await admin.unsafe(`
          select count(*)::int as n from pg_locks
          where not granted and ${which} and (database is null or
            database = (select oid from pg_database where datname = current_database()))`)
        )[0].n;
      let nth = 0;
      for (const [one, act] of Object.entries(actions)) {
        for (const [other, react] of Object.entries(actions)) {
          nth += 1;
          const at = await scene();
          const gate = await admin.reserve();
          await gate.unsafe('select pg_advisory_lock(2)');
          let isOver = false;
          const before = act(first, at, nth).finally(() => {
            isOver = true;
          });
          before.catch(() => {});
          const isPaused = async () => (await waiting("locktype = 'advisory'")) > 0;
          const patience = performance.now() + 200;
          while (!isOver && !(await isPaused()) && performance.now() < patience);
          let isDone = false;
          const after = react(second, at, nth + 1).finally(() => {
            isDone = true;
          });
          after.catch(() => {});
          const limit = performance.now() + 30;
          const isHeldUp = async () => (await waiting("locktype <> 'advisory'")) > 0;
          while (!isDone && !(await isHeldUp()) && performance.now() < limit);
          await gate.unsafe('select pg_advisory_unlock(2)');
          gate.release();
          try {
            await checkOutcome(before);
            await checkOutcome(after);
            await checkRoom(at);
          } catch (error) {
            throw new Error(`${one} while ${other}: ${(error as Error).message}`);
          }
        }
      }
      for (const table of tables) await admin.unsafe(`drop trigger pause on ${table}`);
      await admin.close();
    },
    120_000,
  );

  testWithPostgres(
    'never end in a deadlock or undo each other, in a thousand runs',
    async () => {
      const servers = [one, two, three] as Services[];
      const { pick } = seeded(chooseSeed('isolation'));
      const names = Object.keys(actions).filter((name) => name !== 'delete the room');
      for (let round = 0; round < 40; round++) {
        const at = await scene();
        await Promise.all(
          Array.from({ length: 25 }, (_, nth) =>
            checkOutcome((actions[pick(names)] as Action)(pick(servers), at, nth)),
          ),
        );
        await checkRoom(at);
      }
      // Sessions report with a delay of up to a second: pgstat.c, PGSTAT_MIN_INTERVAL.
      await Bun.sleep(1100);
      const { db } = one as Services;
      const deadlocks = sql`
        select deadlocks::int as n from pg_stat_database where datname = current_database()`;
      expect(await rows<{ n: number }>(db, deadlocks)).toEqual([{ n: 0 }]);
    },
    120_000,
  );
});
