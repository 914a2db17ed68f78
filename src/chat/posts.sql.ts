import { type SQL, sql } from 'drizzle-orm';
import { messages, notifications, readCursors, rooms } from '../db/schema/index.ts';
import {
  array,
  type Database,
  type LockMode,
  lockedRooms,
  type Prepared,
  prepare,
} from '../db/statements.ts';
import type { QueuedPost } from './entries.ts';
import { mentionsJson } from './mentions.ts';

/** The row that {@link PostInserts.run} returns for each stored post. */
export interface Inserted {
  id: number;
  roomId: number;
  seq: number;
  /** By the database's clock, in milliseconds since 1970. */
  at: number;
}

/** The row that {@link findDuplicates} returns for each client id that is known already. */
export interface Duplicate {
  id: number;
  roomId: number;
  userId: number;
  clientId: string;
  /** Null when it is longer than any that was sent with this client id now. */
  content: string | null;
  data: string | null;
  hasLongerData: boolean;
  replyTo: number | null;
  /** SHA-256 of the original content, when the message was edited since. */
  postedDigest: string | null;
  isDeleted: boolean;
}

/** How the statement gets the locks of rooms. */
interface Locking {
  lock: LockMode;
  /**
   * The statement leaves out rooms whose lock it gets after this time of the database's clock, in milliseconds
   * since 1970; their senders have been answered by then.
   */
  fence: number;
}

/** The variants of the statement. */
interface Shape {
  lock: LockMode;
  /** Whether all posts are of one room, as in most batches: this takes a sixth less of Postgres' time. */
  isOne: boolean;
  isNotifying: boolean;
}

/** The statements that store batches of posts. */
export class PostInserts {
  readonly #statements = new Map<string, Prepared<Inserted>>();

  constructor(private readonly db: Database) {}

  /**
   * Stores a batch in one statement.
   *
   * @returns a row for each stored post, with ids that rise in the order of the batch
   */
  run(batch: QueuedPost[], { lock, fence }: Locking): Promise<Inserted[]> {
    const counts = new Map<number, number>();
    const places: number[] = [];
    const told: { ord: number; userId: number; kind: string }[] = [];
    for (const [n, { room, notices }] of batch.entries()) {
      const place = (counts.get(room.id) ?? 0) + 1;
      counts.set(room.id, place);
      places.push(place);
      for (const notice of notices) told.push({ ...notice, ord: n + 1 });
    }
    const shape = { lock, isOne: counts.size === 1, isNotifying: told.length > 0 };
    const ofRooms = shape.isOne
      ? { roomId: batch[0]?.room.id, posts: batch.length }
      : {
          rooms: array([...counts.keys()]),
          counts: array([...counts.values()]),
          places: array(places),
          roomIds: array(batch.map(({ room }) => room.id)),
        };
    return this.#prepared(shape)({
      fence,
      ...ofRooms,
      userIds: array(batch.map(({ user }) => user.id)),
      clientIds: array(batch.map(({ draft }) => draft.clientId)),
      contents: array(batch.map(({ content }) => content)),
      data: array(batch.map(({ json }) => json)),
      replies: array(batch.map(({ replyTo }) => replyTo)),
      mentions: array(batch.map(({ mentioned }) => mentionsJson(mentioned))),
      ...(shape.isNotifying && {
        toldPosts: array(told.map(({ ord }) => ord)),
        toldUsers: array(told.map(({ userId }) => userId)),
        kinds: array(told.map(({ kind }) => kind)),
      }),
    });
  }

  #prepared(shape: Shape): Prepared<Inserted> {
    const key = Object.values(shape).join();
    const known = this.#statements.get(key) ?? prepare<Inserted>(this.db, insertPosts(shape));
    this.#statements.set(key, known);
    return known;
  }
}

const value = (name: string) => sql`${sql.placeholder(name)}`;

/**
 * One statement for a whole batch. The rooms are locked in the order of their ids, so that two
 * servers never wait for each other; the counters rise under the lock, and ids and times are drawn
 * after it, so that they rise with `seq`. A post also moves its author's read cursor. Nothing is stored for rooms that
 * do not exist, and for those whose lock the statement does not get.
 */
function insertPosts({ lock, isOne, isNotifying }: Shape): SQL {
  const posted = sql`
    ${value('userIds')}::int[], ${value('clientIds')}::text[], ${value('contents')}::text[], ${value('data')}::text[],
    ${value('replies')}::bigint[], ${value('mentions')}::text[]`;
  const columns = sql`user_id, client_id, content, data, reply_to, mentions`;
  const numbered = isOne
    ? sql`select ${value('roomId')}::int as room_id, ord as place, b.*
        from unnest(${posted}) with ordinality as b (${columns}, ord)`
    : sql`select * from unnest(
        ${value('roomIds')}::int[], ${value('places')}::int[], ${posted}
      ) with ordinality as b (room_id, place, ${columns}, ord)`;
  return sql`
    with counted as (${isOne ? countOne(lock) : countEach(lock)}), batch as (
      ${numbered}
    ), inserted as (
      insert into ${messages} (room_id, seq, rev, ${columns}, created_at)
        select room_id, base + place, base + place, ${columns}, at
        from batch join counted on counted.id = batch.room_id order by ord
        returning id, room_id, user_id, seq, created_at
    ), been as (
      insert into ${readCursors} (user_id, room_id, last_read)
        select user_id, room_id, max(seq) from inserted group by user_id, room_id order by user_id, room_id
        on conflict (user_id, room_id) do update
          set last_read = greatest(${readCursors.lastRead}, excluded.last_read)
    )${isNotifying ? notify : sql``}
    select id::float8, room_id as "roomId", seq::float8,
      (extract(epoch from created_at) * 1000)::float8 as at
    from inserted`;
}

/** Raises the counter of a room by the number of its posts. */
function countOne(lock: LockMode): SQL {
  return sql`
    update ${rooms} set rev = rev + ${value('posts')}::int
      where id = (${lockedRooms(sql`${value('roomId')}::int`, lock)}) and ${isInTime}
      returning id, rev - ${value('posts')}::int as base, clock_timestamp() as at`;
}

/** The same for several rooms. */
function countEach(lock: LockMode): SQL {
  const ids = sql`${value('rooms')}::int[]`;
  return sql`
    update ${rooms} set rev = rev + posts
      from unnest(${ids}, ${value('counts')}::int[]) as c (room_id, posts),
        (${lockedRooms(sql`select unnest(${ids})`, lock)}) locked
      where ${rooms.id} = locked.id and c.room_id = locked.id and ${isInTime}
      returning ${rooms.id}, rev - posts as base, clock_timestamp() as at`;
}

/** Volatile, so that it is judged once the lock is there. */
const isInTime = sql`extract(epoch from clock_timestamp()) * 1000 < ${value('fence')}::float8`;

/** The part that stores notifications. */
const notify = sql`, told as (
    insert into ${notifications} (user_id, kind, message_id, room_id, seq)
      select n.user_id, n.kind, i.id, i.room_id, i.seq
      from unnest(${value('toldPosts')}::int[], ${value('toldUsers')}::int[], ${value('kinds')}::text[])
        as n (ord, user_id, kind)
        join batch b on b.ord = n.ord
        join counted c on c.id = b.room_id
        join inserted i on i.room_id = b.room_id and i.seq = c.base + b.place
      order by i.id
  )`;

/** The messages that already have the client ids of a batch; no more of them is read than was sent. */
export function findDuplicates(
  batch: Pick<QueuedPost, 'room' | 'user' | 'draft' | 'waiting'>[],
): SQL {
  const named = batch.filter(({ draft }) => draft.clientId !== undefined);
  const longest = (field: 'content' | 'json') =>
    named.map(({ waiting }) =>
      Math.max(...waiting.map(({ fingerprint }) => Buffer.byteLength(fingerprint[field] ?? ''))),
    );
  return sql`
    select
      m.id::float8 as id, m.room_id as "roomId", m.user_id as "userId", m.client_id as "clientId",
      case when octet_length(m.content) <= k.content then m.content end as content,
      case when octet_length(m.data) <= k.data then m.data end as data,
      coalesce(octet_length(m.data) > k.data, false) as "hasLongerData",
      m.reply_to::float8 as "replyTo", m.posted_digest as "postedDigest",
      m.deleted_at is not null as "isDeleted"
    from unnest(
        ${array(named.map(({ room }) => room.id))}::int[],
        ${array(named.map(({ user }) => user.id))}::int[],
        ${array(named.map(({ draft }) => draft.clientId))}::text[],
        ${array(longest('content'))}::int[],
        ${array(longest('json'))}::int[]
      ) as k (room_id, user_id, client_id, content, data)
      join ${messages} m on m.room_id = k.room_id and m.user_id = k.user_id and m.client_id = k.client_id`;
}

/** The existing ones of some messages, with their rooms. */
export function findRooms(ids: number[]): SQL {
  return sql`
    select id::float8 as id, room_id as "roomId" from ${messages}
    where id = any(${array(ids)}::bigint[])`;
}

/** The existing ones of some rooms, and the database's time, in milliseconds since 1970. */
export function existing(roomIds: number[]): SQL {
  return sql`
    select id, (extract(epoch from clock_timestamp()) * 1000)::float8 as at
    from ${rooms} where id = any(${array(roomIds)}::int[])`;
}
