import { describe, expect, type test as plainTest } from 'bun:test';
import { sql } from 'drizzle-orm';
import { MemoryBus } from '../../src/bus/memory.ts';
import { ChatService } from '../../src/chat/chat.service.ts';
import type { Post } from '../../src/chat/entries.ts';
import { ReadCursors } from '../../src/chat/read-cursors.ts';
import { MessageReader } from '../../src/chat/reader.ts';
import { WordIndex } from '../../src/chat/word-index.ts';
import { readSettings } from '../../src/config.ts';
import { sqlState } from '../../src/db/failures.ts';
import { type OpenDatabase, rows } from '../../src/db/index.ts';
import { LostAnswers } from '../../src/db/lost-answers.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { systemIds } from '../../src/lib/ids.ts';
import { Limits } from '../../src/limits/limits.ts';
import { createLogger } from '../../src/log.ts';
import type { Draft } from '../../src/protocol/message.ts';
import { DirectRooms } from '../../src/rooms/direct.ts';
import { Members } from '../../src/rooms/members.ts';
import { RoomService } from '../../src/rooms/room.service.ts';
import { RoomManager } from '../../src/rooms/room-manager.ts';
import { LastSeen } from '../../src/users/last-seen.ts';
import { UserService } from '../../src/users/user.service.ts';
import { roomOf } from '../support/room.ts';
import { fresh, UNLIMITED } from '../support/server.ts';

const log = createLogger('silent');
const clock = systemClock;
const limits = new Limits({ clock }, readSettings(UNLIMITED));
const KEY = { kind: 'key' } as const;

/** Generous, since the time to store a full queue depends on the machine; other tests cover deadlines. */
const PATIENCE_S = 25;

/** The guarantees of each of the three databases. */
export function databaseContract(
  name: string,
  open: (patience: { databaseTimeout: number }) => Promise<OpenDatabase>,
  test: typeof plainTest | typeof plainTest.skip | ((n: string, f: () => Promise<void>) => void),
): void {
  let opened: Promise<OpenDatabase> | undefined;
  const services = async () => {
    opened ??= open({ databaseTimeout: PATIENCE_S });
    const database = await opened;
    const { db } = database;
    const bus = new MemoryBus();
    const published: number[] = [];
    bus.subscribe({
      messages: ({ messages }) => published.push(...messages.map(({ rev }) => rev)),
    });
    const messages = new MessageReader({ db });
    const words = new WordIndex({ db, clock, log });
    const answers = new LostAnswers(clock);
    const users = new UserService({ db, bus, answers, clock, log });
    const rooms = new RoomService({ db, limits });
    const directRooms = new DirectRooms({ db, bus, limits, ids: systemIds });
    const chat = new ChatService(
      { database, messages, words, rooms, directRooms, users, bus, limits, clock, log },
      { maxContentLength: 4000 },
    );
    return {
      db,
      bus,
      answers,
      published,
      messages,
      users,
      rooms,
      cursors: new ReadCursors({ db, messages, bus, clock }),
      chat,
      post: ({ room, user, ...draft }: Pick<Post, 'room' | 'user'> & Draft) =>
        chat.post({ identity: KEY, user }, room, draft),
    };
  };
  const scene = async () => {
    const all = await services();
    const room = await roomOf(all.rooms, fresh('room'));
    const { user } = await all.users.findOrCreateGuest(fresh('u'));
    return { ...all, room, user };
  };

  describe(`${name} as a database`, () => {
    test('numbers a room’s messages 1, 2, 3 in the order of the calls, with rising ids and times', async () => {
      const { post, room, user, published } = await scene();
      const other = await roomOf((await services()).rooms, fresh('room'));
      const posted = await Promise.all(
        Array.from({ length: 2500 }, (_, n) =>
          post({ room: n % 5 === 0 ? other : room, user, content: `${n}` }),
        ),
      );
      const here = posted.map(({ message }) => message).filter((m) => m.room === room.name);
      expect(here.map(({ seq }) => seq)).toEqual(here.map((_, n) => n + 1));
      for (const field of ['id', 'createdAt'] as const) {
        const values = here.map((message) => message[field]);
        expect(values).toEqual(values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
      }
      expect(published).toHaveLength(2500);
      const [counter] = await rows<{ rev: number }>(
        (await services()).db,
        sql`select rev::float8 from rooms where id = ${room.id}`,
      );
      expect(counter?.rev).toBe(2000);
    });

    test('stores contents unchanged', async () => {
      const { post, messages, room, user } = await scene();
      const contents = ['{"a",NULL,\\}', 'NULL', '\\', '"', "it's", ' \t\n x ', '🎉日本', "');--"];
      for (const content of contents) await post({ room, user, content, clientId: content });
      const page = await messages.page(room, { limit: 100 });
      expect(page.messages.map(({ content }) => content)).toEqual(contents);
    });

    test('stores a client id once, within a batch, across batches and across writers (delivery rule 5)', async () => {
      const { post, messages, room, user, published } = await scene();
      const { post: second, published: publishedThere } = await services();
      const send = (write: typeof post, clientId: string, content = clientId) =>
        write({ room, user, content, clientId });
      const posts = Array.from({ length: 300 }, (_, n) => [
        send(post, `${n}`),
        send(n % 2 ? post : second, `${n}`),
        send(second, `${n}`),
      ]);
      for (const [n, same] of posts.entries()) {
        const results = await Promise.all(same);
        expect(new Set(results.map(({ message }) => message.id)).size).toBe(1);
        expect(results.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
        expect(results[0]?.message.content).toBe(`${n}`);
      }
      await expect(send(second, '7', 'other')).rejects.toMatchObject({ code: 'conflict' });
      expect([...published, ...publishedThere].sort((a, b) => a - b)).toEqual(
        Array.from({ length: 300 }, (_, n) => n + 1),
      );
      expect(await messages.page(room, { limit: 1 })).toMatchObject({ messages: [{ seq: 300 }] });
    });

    test('gives several writers at once one order without gaps (delivery rule 2)', async () => {
      const { room, user } = await scene();
      const other = await roomOf((await services()).rooms, fresh('room'));
      const writers = await Promise.all([services(), services(), services()]);
      await Promise.all(
        writers.flatMap(({ post }, w) =>
          Array.from({ length: 500 }, (_, n) =>
            post({ room: (n + w) % 3 ? room : other, user, content: `${w}.${n}` }),
          ),
        ),
      );
      for (const each of [room, other]) {
        const { messages } = await services();
        const all = [];
        for (let after = 0; ; ) {
          const page = await messages.page(each, { after, limit: 100 });
          all.push(...page.messages);
          if (!page.more) break;
          after = page.messages.at(-1)?.seq ?? 0;
        }
        expect(all.map(({ seq }) => seq)).toEqual(all.map((_, n) => n + 1));
        for (const [w] of writers.entries()) {
          const own = all
            .map(({ content }) => content.split('.').map(Number))
            .filter(([by]) => by === w);
          expect(own).toEqual(own.toSorted((a, b) => (a[1] ?? 0) - (b[1] ?? 0)));
        }
        const ids = all.map(({ id }) => id);
        expect(ids).toEqual(ids.toSorted((a, b) => a - b));
      }
    });

    test('bounds the waiting messages, and stores all that it accepts', async () => {
      const { post, messages, room, user } = await scene();
      const content = 'x'.repeat(4000);
      const results = await Promise.allSettled(
        Array.from({ length: 5000 }, () => post({ room, user, content })),
      );
      const taken = results.filter(({ status }) => status === 'fulfilled').length;
      expect(taken).toBeGreaterThan(3000);
      expect(taken).toBeLessThan(5000);
      // The first are taken, and all others are told why not.
      for (const result of results.slice(taken)) {
        expect(result).toMatchObject({ reason: { code: 'overloaded', retryAfter: 1 } });
      }
      expect(await messages.page(room, { limit: 1 })).toMatchObject({ messages: [{ seq: taken }] });
      await post({ room, user, content: 'there is room again' });
    });

    test('does not fail a batch for one bad row', async () => {
      const { post, messages, room, user, db } = await scene();
      // No ordinary input can be refused by the schema, so this one test makes it refuse something.
      const constraint = sql.identifier(`no_poison_${room.id}`);
      await db.execute(
        sql`alter table messages add constraint ${constraint} check (content <> 'poison') not valid`,
      );
      const results = await Promise.allSettled(
        ['a', 'poison', 'b', 'c', 'poison', 'd'].map((content) => post({ room, user, content })),
      );
      await db.execute(sql`alter table messages drop constraint ${constraint}`);
      expect(results.map(({ status }) => status)).toEqual([
        'fulfilled',
        'rejected',
        'fulfilled',
        'fulfilled',
        'rejected',
        'fulfilled',
      ]);
      const page = await messages.page(room, { limit: 10 });
      expect(page.messages.map(({ content, seq }) => `${seq}${content}`)).toEqual([
        '1a',
        '2b',
        '3c',
        '4d',
      ]);
    });

    test('answers a post to a deleted room with not_found, and stores the others in its batch', async () => {
      const { post, room, user, db } = await scene();
      const gone = await roomOf((await services()).rooms, fresh('room'));
      await db.execute(sql`delete from rooms where id = ${gone.id}`);
      const results = await Promise.allSettled(
        [gone, room, gone, room].map((where) => post({ room: where, user, content: 'hi' })),
      );
      expect(results.map(({ status }) => status)).toEqual([
        'rejected',
        'fulfilled',
        'rejected',
        'fulfilled',
      ]);
      expect(results[0]).toMatchObject({ reason: { code: 'not_found' } });
    });

    test('creates a user and a room of one name once, however many requests come at once', async () => {
      const { users, rooms } = await services();
      const name = fresh('same');
      const made = await Promise.all(
        Array.from({ length: 10 }, () => users.findOrCreateGuest(name)),
      );
      expect(made.filter(({ created }) => created)).toHaveLength(1);
      expect(new Set(made.map(({ user }) => user.id)).size).toBe(1);
      const found = await Promise.all(Array.from({ length: 10 }, () => roomOf(rooms, name)));
      expect(new Set(found.map(({ id }) => id)).size).toBe(1);
    });

    test('keeps the newest lastSeen', async () => {
      const { db, users, user } = await scene();
      const lastSeen = new LastSeen({ db, clock, log });
      lastSeen.note(user.id, new Date('2026-01-02T03:04:05.678Z'));
      await lastSeen.close();
      lastSeen.note(user.id, new Date('2025-01-01T00:00:00.000Z'));
      await lastSeen.close();
      expect(await users.find(user.username)).toMatchObject({
        lastSeen: '2026-01-02T03:04:05.678Z',
      });
    });

    test('keeps the state of users, their versions, and the hash to compare a password with', async () => {
      const { users, user } = await scene();
      const guest = await users.state(user.username);
      expect(guest).toMatchObject({ isAccount: false, hasPassword: false, isBanned: false });
      await users.register(user.username, 'a hash');
      await users.setBan(guest, true);
      await users.endTokens(guest);
      const found = await users.credentials(user.username.toUpperCase());
      expect(found).toMatchObject({
        passwordHash: 'a hash',
        user: { isAccount: true, hasPassword: true, isBanned: true, version: 3 },
      });
      expect(Math.abs((found?.at ?? 0) - (found?.user.tokensEndedAt ?? 0))).toBeLessThan(60_000);
      expect(await users.state(user.username)).toEqual(found?.user as typeof guest);
      await expect(users.register(user.username, 'another')).rejects.toMatchObject({
        code: 'name_taken',
      });
    });

    test('keeps the members of a room, and deletes a room with all its messages', async () => {
      const { db, bus, answers, rooms, users, messages, chat, post, user } = await scene();
      const key = { kind: 'key' } as const;
      const name = fresh('room');
      const manager = new RoomManager({ db, bus, rooms, limits, answers, clock, log });
      await manager.create({ identity: key }, { name, private: true, topic: 'secret' });
      const people = new Members({ db, bus, rooms, users, answers, log });
      const asUser = { identity: { kind: 'guest' } as const, user };
      await expect(rooms.authorize(asUser, name)).rejects.toMatchObject({ code: 'not_found' });
      await users.claim(await users.state(user.username), 'user');
      await people.setMember(key, name, user.username, true);
      await people.setMute(key, name, user.username, true);
      const { room, membership } = await rooms.authorize(asUser, name);
      expect(membership).toMatchObject({ isMember: true, isMuted: true, isBanned: false });
      await Promise.all(
        Array.from({ length: 6000 }, (_, n) => post({ room, user, content: `${n}` })),
      );
      const [first] = (await messages.page(room, { after: 0, limit: 1 })).messages;
      await people.setMute(key, name, user.username, false);
      await chat.react({ identity: key, user }, first?.id ?? 0, { emoji: '👍' });
      await manager.remove(key, name);
      await expect(post({ room, user, content: 'late' })).rejects.toMatchObject({
        code: 'not_found',
      });
      const left = sql`
        select room_id from deleted_rooms where room_id = ${room.id} union all
        select message_id from reactions where message_id = ${first?.id} union all
        select message_id from reaction_counts where message_id = ${first?.id} union all
        select user_id from read_positions where room_id = ${room.id} union all
        select seq from messages where room_id = ${room.id}`;
      while ((await rows(db, left)).length > 0);
      await manager.close();
    });

    test('rejects a wrong statement with its SQLSTATE', async () => {
      const { db } = await services();
      const error = await rows(db, sql`select 1 / 0`).catch((reason) => reason);
      expect(sqlState(error)).toBe('22012');
    });

    test('closes', async () => {
      await (await opened)?.close();
    });
  });
}
