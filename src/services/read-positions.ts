import { and, asc, eq, gt, type SQL, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Bus } from '../bus/bus.ts';
import { type Database, rows } from '../db/index.ts';
import { messages, notifications, readPositions, rooms } from '../db/schema/index.ts';
import type { Person } from '../types/identity.ts';
import type { StoredMessage } from '../types/rest.ts';
import type { Room } from '../types/room.ts';
import { array } from './arrays.ts';
import { Grouped } from './grouped.ts';
import type { MessageReader } from './message-reader.ts';
import { mayRead, roomColumns } from './room-columns.ts';

/** How far a user has read in a room. */
export interface Position {
  /** A `seq`. */
  lastRead: number;
  /** The others' messages above it that are not deleted, counted to {@link MOST_UNREAD}. */
  unread: number;
}

/** A room of a user's, and what there is to know of it before entering. */
export interface OwnRoom extends Position {
  room: Room;
  rev: number;
  lastMessage: StoredMessage | null;
}

/** From here on it is just many. */
const MOST_UNREAD = 100;

/** Of a position `p`. No more are looked at than are counted, however many there are. */
const UNREAD = sql`(select count(*)::int from (
  select from ${messages} m
  where m.room_id = p.room_id and m.seq > p.last_read
    and m.user_id <> p.user_id and m.deleted_at is null
  limit ${MOST_UNREAD}) counted)`;

interface Pair {
  userId: number;
  roomId: number;
}

/** How far everyone has read. */
export class ReadPositions {
  readonly #entering = new Grouped((pairs: Pair[]) => this.#enter(pairs));

  constructor(
    private readonly db: Database,
    private readonly messages: MessageReader,
    private readonly bus: Bus,
  ) {}

  /** Where a user is in a room; on the first visit, behind all that was said there. */
  enter(user: Person, room: Room): Promise<Position> {
    return this.#entering.do({ userId: user.id, roomId: room.id });
  }

  /**
   * A user has read a room up to a `seq`, or to the newest message if that is less. It tells the user's own
   * connections, and the other one of a direct room; what changes nothing shows nothing.
   */
  async read({ id, username }: Person, room: Room, seq: number): Promise<void> {
    const [moved] = await rows<{ lastRead: number }>(
      this.db,
      sql`
        with newest as (
          select coalesce(max(seq), 0) as seq from ${messages} where room_id = ${room.id}
        ), forgotten as (
          delete from ${notifications} where user_id = ${id} and room_id = ${room.id} and seq <= ${seq}
        )
        insert into ${readPositions} as p (user_id, room_id, last_read)
          select ${id}::int, ${room.id}::int, least(${seq}::bigint, newest.seq) from newest
          on conflict (user_id, room_id) do update set last_read = excluded.last_read
            where p.last_read < excluded.last_read
          returning last_read::float8 as "lastRead"`,
    );
    if (!moved) return;
    const userIds = [...new Set([id, ...(room.direct ?? []).map((person) => person.id)])];
    const frame = { type: 'read' as const, room: room.name, username, seq: moved.lastRead };
    this.bus.publish({ kind: 'personal', userIds, frame });
  }

  /**
   * A page of the rooms where a user has ever been, direct ones too, as far as the user may read them, in
   * the order of their names.
   *
   * @param page `after` is the name of a room
   */
  async rooms(
    { id }: Person,
    { after, limit }: { after?: string | undefined; limit: number },
  ): Promise<OwnRoom[]> {
    const p = alias(readPositions, 'p');
    const newest = sql<number | null>`(
      select m.id::float8 from ${messages} m
      where m.room_id = p.room_id and m.deleted_at is null order by m.seq desc limit 1)`;
    const found = await this.db
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
        and(eq(p.userId, id), mayRead(id), after === undefined ? undefined : gt(rooms.name, after)),
      )
      .orderBy(asc(rooms.name))
      .limit(limit);
    const last = await this.messages.byIds(
      new Map(found.map(({ room }) => [room.id, room])),
      found.flatMap(({ newest }) => newest ?? []),
    );
    return found.map(({ newest, ...own }) => ({
      ...own,
      lastMessage: last.get(newest ?? 0) ?? null,
    }));
  }

  async #enter(pairs: Pair[]): Promise<Position[]> {
    const known = await this.#find(pairs);
    const isNew = (pair: Pair) => !known.has(keyOf(pair));
    const missing = pairs.filter(isNew);
    if (missing.length > 0) {
      await this.db.execute(sql`
        insert into ${readPositions} (user_id, room_id, last_read)
          select distinct a.user_id, a.room_id,
            coalesce((select max(seq) from ${messages} m where m.room_id = a.room_id), 0)
          from ${asked(missing)} order by 1, 2
          on conflict do nothing`);
      for (const [key, position] of await this.#find(missing)) known.set(key, position);
    }
    return pairs.map((pair) => known.get(keyOf(pair)) ?? { lastRead: 0, unread: 0 });
  }

  async #find(pairs: Pair[]): Promise<Map<string, Position>> {
    const found = await rows<Pair & Position>(
      this.db,
      sql`
        select p.user_id as "userId", p.room_id as "roomId", p.last_read::float8 as "lastRead",
          ${UNREAD} as unread
        from (select distinct * from ${asked(pairs)}) a
          join ${readPositions} p on p.user_id = a.user_id and p.room_id = a.room_id`,
    );
    return new Map(
      found.map(({ lastRead, unread, ...pair }) => [keyOf(pair), { lastRead, unread }]),
    );
  }
}

function keyOf({ userId, roomId }: Pair): string {
  return `${userId} ${roomId}`;
}

function asked(pairs: Pair[]): SQL {
  return sql`unnest(
    ${array(pairs.map(({ userId }) => userId))}::int[], ${array(pairs.map(({ roomId }) => roomId))}::int[]
  ) as a (user_id, room_id)`;
}
