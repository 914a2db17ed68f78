import { type SQL, sql } from 'drizzle-orm';
import { messages, messageWords, rooms, wordCursors } from '../db/schema/index.ts';
import { array } from '../db/statements.ts';

/** A row of {@link readChanges}: a message in its state after its last change, or a room without any in the range. */
export interface ChangedMessage {
  roomId: number;
  /** The cursor of the room … */
  after: number;
  /** … and where the range that was read ends. */
  upTo: number;
  /** Whether the room has further changes. */
  isBehind: boolean;
  seq: number | null;
  rev: number | null;
  /** Null when the message is deleted. */
  content: string | null;
  /** The bytes of all contents up to this one. */
  reached: number;
}

/** The words of a message, separated by spaces; empty when it has none. */
export interface Words {
  roomId: number;
  seq: number;
  words: string;
}

/** A room's cursor, as it was read, and where it is to be. */
export interface Move {
  roomId: number;
  after: number;
  upTo: number;
}

/** The rooms behind whose changes the words are, by id. */
export function findBehind({ from, limit }: { from: number; limit: number }): SQL {
  return sql`
    select r.id from ${rooms} r left join ${wordCursors} c on c.room_id = r.id
    where r.id >= ${from}::int and r.rev > coalesce(c.rev, 0) order by r.id limit ${limit}`;
}

/**
 * The next changes of some rooms after their cursors, room by room in the order of the ids.
 *
 * @param most `each`: `rev`s of a room; `bytes`: of contents in all, beside the last one
 */
export function readChanges(roomIds: number[], most: { each: number; bytes: number }): SQL {
  // Changed and unchanged messages each have an index for such a range.
  return sql`
    with asked as (
      select r.id as room_id, coalesce(c.rev, 0) as after, r.rev as newest,
        least(r.rev, coalesce(c.rev, 0) + ${most.each}::int) as up_to
      from ${rooms} r left join ${wordCursors} c on c.room_id = r.id
      where r.id = any(${array(roomIds)}::int[]) and r.rev > coalesce(c.rev, 0)
    ), found as (
      select a.*, m.*,
        sum(coalesce(octet_length(m.content), 0)) over (order by a.room_id, m.rev rows unbounded preceding) as reached
      from asked a left join lateral (
        select seq, rev, case when deleted_at is null then content end as content from ${messages}
          where room_id = a.room_id and seq > a.after and seq <= a.up_to and rev = seq
        union all
        select seq, rev, case when deleted_at is null then content end from ${messages}
          where room_id = a.room_id and rev > a.after and rev <= a.up_to and rev <> seq
      ) m on true
    )
    select room_id as "roomId", after::float8 as after, up_to::float8 as "upTo", newest > up_to as "isBehind",
      seq::float8 as seq, rev::float8 as rev, content, reached::float8 as reached
    from found where reached - coalesce(octet_length(content), 0) < ${most.bytes}::int
    order by room_id, rev`;
}

/** Makes the cursors of rooms that have none, unless the rooms are deleted: then nothing is stored for them any more. */
export function createCursors(roomIds: number[]): SQL {
  return sql`
    insert into ${wordCursors} (room_id, rev)
      select id, 0 from ${rooms} where id = any(${array(roomIds)}::int[]) order by id for key share
      on conflict do nothing`;
}

/**
 * Stores words and moves the cursors of their rooms, except of rooms whose cursor is, or was, moved by another
 * server. Returns the ids of the others.
 */
export function storeWords(moves: Move[], words: Words[]): SQL {
  return sql`
    with turn as (
      select c.room_id, m.up_to
      from ${wordCursors} c
        join unnest(
          ${array(moves.map(({ roomId }) => roomId))}::int[],
          ${array(moves.map(({ after }) => after))}::bigint[],
          ${array(moves.map(({ upTo }) => upTo))}::bigint[]
        ) as m (room_id, after, up_to) on m.room_id = c.room_id and m.after = c.rev
      order by c.room_id for update of c skip locked
    ), moved as (
      update ${wordCursors} c set rev = turn.up_to from turn where c.room_id = turn.room_id
    ), batch as (
      select b.* from unnest(
        ${array(words.map(({ roomId }) => roomId))}::int[],
        ${array(words.map(({ seq }) => seq))}::bigint[],
        ${array(words.map((message) => message.words))}::text[]
      ) as b (room_id, seq, words) join turn on turn.room_id = b.room_id
    ), removed as (
      delete from ${messageWords} w using batch b where w.room_id = b.room_id and w.seq = b.seq returning 1
    ), stored as (
      insert into ${messageWords} (room_id, seq, words)
        select room_id, seq, array_to_tsvector(string_to_array(words, ' ')) from batch
        -- After the deletion of earlier words.
        where words <> '' and (select count(*) from removed) >= 0
    )
    select room_id as "roomId" from turn`;
}
