import { and, asc, eq, gt, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Bus } from '../bus/bus.ts';
import { messages, readCursors, rooms } from '../db/schema/index.ts';
import {
  array,
  type Database,
  deleteNotifications,
  type Prepared,
  prepare,
  rows,
} from '../db/statements.ts';
import { Batcher } from '../lib/batcher.ts';
import type { Clock } from '../lib/clock.ts';
import type { Keys } from '../lib/fair-queue.ts';
import { MAX_PAGE_BYTES } from '../protocol/frames.ts';
import type { Person, Scope } from '../protocol/identity.ts';
import type { StoredMessage } from '../protocol/message.ts';
import type { Room } from '../protocol/room.ts';
import { inScope, mayRead, roomColumns } from '../rooms/columns.ts';
import type { MessageReader } from './reader.ts';

/** The position up to which a user has read a room. */
export interface ReadCursor {
  /** A `seq`. */
  lastRead: number;
  /** The others' messages above it that are not deleted, counted to {@link MOST_UNREAD}. */
  unread: number;
}

/** A room of a user, with its state for a list. */
export interface OwnRoom extends ReadCursor {
  room: Room;
  rev: number;
  lastMessage: StoredMessage | null;
}

/** The highest count; it means this many or more. */
const MOST_UNREAD = 100;
/** Rooms per statement, so that other statements run in between. */
const ROOMS_AT_ONCE = 100;

/** The unread count of a cursor `p`, which reads at most the rows that it counts. */
const UNREAD = sql`(select count(*)::int from (
  select from ${messages} m
  where m.room_id = p.room_id and m.seq > p.last_read
    and m.user_id <> p.user_id and m.deleted_at is null
  limit ${MOST_UNREAD}) counted)`;

interface Pair {
  userId: number;
  roomId: number;
}

const [userIds, roomIds] = [sql.placeholder('userIds'), sql.placeholder('roomIds')];
const ASKED = sql`unnest(${userIds}::int[], ${roomIds}::int[]) as a (user_id, room_id)`;

/** The cursors of users in rooms, as far as they have any. */
const SELECT = sql`
  select p.user_id as "userId", p.room_id as "roomId", p.last_read::float8 as "lastRead", ${UNREAD} as unread
  from (select distinct * from ${ASKED}) a
    join ${readCursors} p on p.user_id = a.user_id and p.room_id = a.room_id`;

/** Stores cursors at the newest message, for pairs without one. */
const INSERT = sql`
  insert into ${readCursors} (user_id, room_id, last_read)
    select distinct a.user_id, a.room_id,
      coalesce((select max(seq) from ${messages} m where m.room_id = a.room_id), 0)
    from ${ASKED} order by 1, 2
    on conflict do nothing`;

/** The read cursors of all users. */
export class ReadCursors {
  readonly #entering: Batcher<Pair, ReadCursor>;
  readonly #select: Prepared<Pair & ReadCursor>;
  readonly #insert: Prepared<never>;

  constructor(
    private readonly parts: { db: Database; messages: MessageReader; bus: Bus; clock: Clock },
  ) {
    this.#select = prepare(parts.db, SELECT);
    this.#insert = prepare(parts.db, INSERT);
    this.#entering = new Batcher({ run: (pairs) => this.#enter(pairs), clock: parts.clock });
  }

  /** The read cursor of a user in a room; on the first join, behind all messages. */
  getOrCreate(user: Person, room: Room): Promise<ReadCursor> {
    return this.#entering.add({ userId: user.id, roomId: room.id });
  }

  /**
   * Marks a room as read up to a `seq`, or to the newest message if that is less. A change is shown to the user's
   * own connections, and to the partner of a direct room.
   */
  async read({ id, username }: Person, room: Room, seq: number): Promise<void> {
    const [moved] = await rows<{ lastRead: number }>(
      this.parts.db,
      sql`
        with newest as (
          select coalesce(max(seq), 0) as seq from ${messages} where room_id = ${room.id}
        ), forgotten as (
          ${deleteNotifications(sql`user_id = ${id} and room_id = ${room.id} and seq <= ${seq}`)}
        )
        insert into ${readCursors} as p (user_id, room_id, last_read)
          select ${id}::int, ${room.id}::int, least(${seq}::bigint, newest.seq) from newest
          on conflict (user_id, room_id) do update set last_read = excluded.last_read
            where p.last_read < excluded.last_read
          returning last_read::float8 as "lastRead"`,
    );
    if (!moved) return;
    const userIds = [...new Set([id, ...(room.direct ?? []).map((person) => person.id)])];
    const frame = { type: 'read' as const, room: room.name, username, seq: moved.lastRead };
    this.parts.bus.publish({ kind: 'personal', userIds, frame });
  }

  /**
   * A page of the rooms that a user has ever joined and may read, direct ones included, sorted by name.
   *
   * @param page `after` is the name of a room
   * @param reader of {@link readerOf}; concurrent reads take turns by it
   * @returns at most `limit`, and about {@link MAX_PAGE_BYTES} of last messages; `more`: whether there are others
   * @throws {ChatError} `overloaded`
   */
  async rooms(
    person: Person,
    { after, limit }: { after?: string | undefined; limit: number },
    scope: Scope,
    reader: Keys,
  ): Promise<{ rooms: OwnRoom[]; more: boolean }> {
    const found: OwnRoom[] = [];
    let bytesLeft = MAX_PAGE_BYTES;
    for (;;) {
      const from = found.at(-1)?.room.name ?? after;
      const most = Math.min(ROOMS_AT_ONCE, limit - found.length);
      const next = await this.parts.messages.turns.run(reader, () =>
        this.#roomsAfter(person, from, most, bytesLeft, scope),
      );
      found.push(...next.rooms);
      bytesLeft -= next.bytes;
      const isFull = next.isCut || found.length >= limit || bytesLeft <= 0;
      if (isFull || !next.more) return { rooms: found, more: next.more };
    }
  }

  async #roomsAfter(
    { id }: Person,
    after: string | undefined,
    limit: number,
    mostBytes: number,
    scope: Scope,
  ): Promise<{ rooms: OwnRoom[]; bytes: number; isCut: boolean; more: boolean }> {
    const p = alias(readCursors, 'p');
    const newest = sql<number | null>`(
      select m.id::float8 from ${messages} m
      where m.room_id = p.room_id and m.deleted_at is null order by m.seq desc limit 1)`;
    const found = await this.parts.db
      .select({
        room: roomColumns,
        rev: rooms.rev,
        lastRead: p.lastRead,
        unread: UNREAD.mapWith(Number),
        newest,
      })
      .from(p)
      .innerJoin(rooms, eq(rooms.id, p.roomId))
      .where(
        and(
          eq(p.userId, id),
          mayRead(id),
          inScope(scope),
          after === undefined ? undefined : gt(rooms.name, after),
        ),
      )
      .orderBy(asc(rooms.name))
      .limit(limit + 1);
    const page = found.slice(0, limit);
    const ids = page.flatMap(({ newest }) => newest ?? []);
    const {
      messages: last,
      covered,
      bytes,
    } = await this.parts.messages.firstByIds(
      new Map(page.map(({ room }) => [room.id, room])),
      ids,
      mostBytes,
    );
    const isCut = covered < ids.length;
    const end = isCut ? page.findIndex(({ newest }) => newest === ids[covered]) : page.length;
    const own = page.slice(0, end).map(({ newest, ...rest }) => ({
      ...rest,
      lastMessage: last.get(newest ?? 0) ?? null,
    }));
    return { rooms: own, bytes, isCut, more: isCut || found.length > limit };
  }

  async #enter(pairs: Pair[]): Promise<ReadCursor[]> {
    const known = await this.#find(pairs);
    const isNew = (pair: Pair) => !known.has(keyOf(pair));
    const missing = pairs.filter(isNew);
    if (missing.length > 0) {
      await this.#insert(valuesOf(missing));
      for (const [key, cursor] of await this.#find(missing)) known.set(key, cursor);
    }
    return pairs.map((pair) => known.get(keyOf(pair)) ?? { lastRead: 0, unread: 0 });
  }

  async #find(pairs: Pair[]): Promise<Map<string, ReadCursor>> {
    const found = await this.#select(valuesOf(pairs));
    return new Map(
      found.map(({ lastRead, unread, ...pair }) => [keyOf(pair), { lastRead, unread }]),
    );
  }
}

function keyOf({ userId, roomId }: Pair): string {
  return `${userId} ${roomId}`;
}

function valuesOf(pairs: Pair[]) {
  return {
    userIds: array(pairs.map(({ userId }) => userId)),
    roomIds: array(pairs.map(({ roomId }) => roomId)),
  };
}
