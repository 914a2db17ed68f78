import { type SQL, sql } from 'drizzle-orm';
import { messages, notifications, readCursors, rooms } from '../db/schema/index.ts';
import { array, type LockMode, lockedRooms } from '../db/statements.ts';
import type { QueuedPost } from './entries.ts';
import { mentionsJson } from './mentions.ts';

/** A post as a row of the statement. */
type Row = Pick<
  QueuedPost,
  'room' | 'user' | 'content' | 'clientId' | 'replyTo' | 'json' | 'mentioned' | 'notices'
>;

/** The row that {@link insertBatch} returns for each stored post. */
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

/** How {@link insertBatch} gets the locks of rooms. */
interface Locking {
  lock: LockMode;
  /**
   * The statement leaves out rooms whose lock it gets after this time of the database's clock, in milliseconds
   * since 1970; their senders have been answered by then.
   */
  fence: number;
}

/**
 * One statement for a whole batch. The rooms are locked in the order of their ids, so that two
 * servers never wait for each other; the counters rise under the lock, and ids and times are drawn
 * after it, so that they rise with `seq`. A post also moves its author's read cursor. Nothing is stored for rooms that
 * do not exist, and for those whose lock the statement does not get.
 */
export function insertBatch(batch: Row[], how: Locking): SQL {
  const counts = new Map<number, number>();
  const places = batch.map(({ room }) => {
    const place = (counts.get(room.id) ?? 0) + 1;
    counts.set(room.id, place);
    return place;
  });
  const [roomId, posts] = [...counts][0] as [number, number];
  const isOne = counts.size === 1;
  const posted = sql`
    ${array(batch.map(({ user }) => user.id))}::int[],
    ${array(batch.map(({ clientId }) => clientId))}::text[],
    ${array(batch.map(({ content }) => content))}::text[],
    ${array(batch.map(({ json }) => json))}::text[],
    ${array(batch.map(({ replyTo }) => replyTo))}::bigint[],
    ${array(batch.map(({ mentioned }) => mentionsJson(mentioned)))}::text[]`;
  const columns = sql`user_id, client_id, content, data, reply_to, mentions`;
  // Most batches are of one room, and the statement for it takes a sixth less of Postgres' time.
  const numbered = isOne
    ? sql`select ${roomId}::int as room_id, ord as place, b.* from unnest(${posted}) with ordinality as b (${columns}, ord)`
    : sql`select * from unnest(
        ${array(batch.map(({ room }) => room.id))}::int[], ${array(places)}::int[], ${posted}
      ) with ordinality as b (room_id, place, ${columns}, ord)`;
  return sql`
    with counted as (${isOne ? countOne(roomId, posts, how) : countEach(counts, how)}), batch as (
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
    )${notify(batch)}
    select id::float8, room_id as "roomId", seq::float8,
      (extract(epoch from created_at) * 1000)::float8 as at
    from inserted`;
}

/** Raises the counter of a room by the number of its posts. */
function countOne(roomId: number, posts: number, { lock, fence }: Locking): SQL {
  return sql`
    update ${rooms} set rev = rev + ${posts}::int
      where id = (${lockedRooms(sql`${roomId}::int`, lock)}) and ${isBefore(fence)}
      returning id, rev - ${posts}::int as base, clock_timestamp() as at`;
}

/** The same for several rooms. */
function countEach(counts: Map<number, number>, { lock, fence }: Locking): SQL {
  const ids = sql`${array([...counts.keys()])}::int[]`;
  return sql`
    update ${rooms} set rev = rev + posts
      from unnest(${ids}, ${array([...counts.values()])}::int[]) as c (room_id, posts),
        (${lockedRooms(sql`select unnest(${ids})`, lock)}) locked
      where ${rooms.id} = locked.id and c.room_id = locked.id and ${isBefore(fence)}
      returning ${rooms.id}, rev - posts as base, clock_timestamp() as at`;
}

/** Volatile, so that it is judged once the lock is there. */
function isBefore(fence: number): SQL {
  return sql`extract(epoch from clock_timestamp()) * 1000 < ${fence}::float8`;
}

/** The part that stores notifications; empty without any. */
function notify(batch: Row[]): SQL {
  const told = batch.flatMap(({ notices }, n) =>
    notices.map((notice) => ({ ...notice, ord: n + 1 })),
  );
  if (told.length === 0) return sql``;
  return sql`, told as (
      insert into ${notifications} (user_id, kind, message_id, room_id, seq)
        select n.user_id, n.kind, i.id, i.room_id, i.seq
        from unnest(
            ${array(told.map(({ ord }) => ord))}::int[],
            ${array(told.map(({ userId }) => userId))}::int[],
            ${array(told.map(({ kind }) => kind))}::text[]
          ) as n (ord, user_id, kind)
          join batch b on b.ord = n.ord
          join counted c on c.id = b.room_id
          join inserted i on i.room_id = b.room_id and i.seq = c.base + b.place
        order by i.id
    )`;
}

/** The messages that already have the client ids of a batch; no more of them is read than was sent. */
export function findDuplicates(
  batch: Pick<QueuedPost, 'room' | 'user' | 'clientId' | 'waiting'>[],
): SQL {
  const named = batch.filter(({ clientId }) => clientId !== undefined);
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
        ${array(named.map(({ clientId }) => clientId))}::text[],
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

/** The existing ones of some rooms. */
export function existing(roomIds: number[]): SQL {
  return sql`select id from ${rooms} where id = any(${array(roomIds)}::int[])`;
}
