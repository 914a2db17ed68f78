import { type SQL, sql } from 'drizzle-orm';
import { messages, rooms } from '../db/schema/index.ts';
import type { StoredMessage } from '../types/rest.ts';

/** What a statement needs of a post. */
interface Row {
  room: { id: number };
  user: { id: number };
  content: string;
  clientId?: string | undefined;
  json: string | undefined;
}

/** What {@link insertBatch} returns for each post whose room is there. */
export interface Inserted {
  id: number;
  roomId: number;
  seq: number;
  /** Milliseconds since 1970. */
  at: number;
}

/** What {@link findRepeats} returns for each client id that is known already. */
export type Repeat = Omit<StoredMessage, 'createdAt' | 'data' | 'clientId'> & {
  roomId: number;
  clientId: string;
  data: string | null;
  /** Milliseconds since 1970. */
  at: number;
};

/**
 * One statement for a whole batch. The rooms are locked in the order of their ids, so that two
 * servers never wait for each other; the counters rise under the lock, and ids and times are drawn
 * after it, so that they rise with `seq`.
 */
export function insertBatch(batch: Row[]): SQL {
  const counts = new Map<number, number>();
  const offsets = batch.map(({ room }) => {
    const offset = (counts.get(room.id) ?? 0) + 1;
    counts.set(room.id, offset);
    return offset;
  });
  return sql`
    with batch as (
      select * from unnest(
        ${array(batch.map(({ room }) => room.id))}::int[],
        ${array(offsets)}::int[],
        ${array(batch.map(({ user }) => user.id))}::int[],
        ${array(batch.map(({ clientId }) => clientId))}::text[],
        ${array(batch.map(({ content }) => content))}::text[],
        ${array(batch.map(({ json }) => json))}::text[]
      ) with ordinality as b (room_id, place, user_id, client_id, content, data, ord)
    ), counts as (
      select * from unnest(${array([...counts.keys()])}::int[], ${array([...counts.values()])}::int[])
        as c (room_id, posts)
    ), locked as (
      select id from ${rooms} where id in (select room_id from counts) order by id for update
    ), counted as (
      update ${rooms} set rev = rev + posts from counts, locked
        where ${rooms.id} = locked.id and counts.room_id = locked.id
        returning ${rooms.id}, rev - posts as base, clock_timestamp() as at
    )
    insert into ${messages} (room_id, seq, rev, user_id, client_id, content, data, created_at)
      select room_id, base + place, base + place, user_id, client_id, content, data, at
      from batch join counted on counted.id = batch.room_id order by ord
      returning id::float8, room_id as "roomId", seq::float8,
        (extract(epoch from created_at) * 1000)::float8 as at`;
}

/** The messages that already have the client ids of a batch. */
export function findRepeats(batch: Row[]): SQL {
  const named = batch.filter(({ clientId }) => clientId !== undefined);
  return sql`
    select
      m.id::float8 as id, r.name as room, m.room_id as "roomId", m.seq::float8 as seq,
      m.rev::float8 as rev, m.user_id as "userId", u.username, m.client_id as "clientId", m.content, m.data,
      (extract(epoch from m.created_at) * 1000)::float8 as at
    from unnest(
        ${array(named.map(({ room }) => room.id))}::int[],
        ${array(named.map(({ user }) => user.id))}::int[],
        ${array(named.map(({ clientId }) => clientId))}::text[]
      ) as k (room_id, user_id, client_id)
      join ${messages} m on m.room_id = k.room_id and m.user_id = k.user_id and m.client_id = k.client_id
      join rooms r on r.id = m.room_id
      join users u on u.id = m.user_id`;
}

/**
 * An array as Postgres reads it from text, which every driver passes on untouched.
 *
 * @see https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
function array(values: (number | string | undefined)[]): string {
  const items = values.map((value) => {
    if (value === undefined) return 'NULL';
    return typeof value === 'number' ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;
  });
  return `{${items.join(',')}}`;
}
