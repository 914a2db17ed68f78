import { type SQL, sql } from 'drizzle-orm';
import { messages, reactionCounts, reactions, rooms } from '../db/schema/index.ts';
import { array, deleteNotifications, type LockMode, lockedRooms } from '../db/statements.ts';
import { MAX_REACTIONS } from '../protocol/message.ts';

/** A change as a row of the statement. */
interface Row {
  room: { id: number };
  messageId: number;
  /** The user that reacts. */
  userId: number;
  kind: 'edit' | 'delete' | 'react' | 'unreact';
  /** The new content, or the emoji. */
  text: string;
  mentions: string | undefined;
}

/** The row that {@link changeBatch} returns for each change, in no order. */
export interface Changed {
  /** Its position in the batch, from 1. */
  ord: number;
  /** Null when the message is not in this room. */
  rev: number | null;
  isChanged: boolean;
  isDeleted: boolean;
  /** The message has the most different reactions that a message may have, and not this one. */
  isFull: boolean;
}

/** The row that {@link lockRooms} returns for each existing room. */
export interface RoomState {
  id: number;
  /** Another session holds the lock. */
  isHeld: boolean;
}

/** Locks rooms for the rest of the transaction. */
export function lockRooms(ids: number[], lock: LockMode): SQL {
  const asked = sql`select unnest(${array([...new Set(ids)])}::int[])`;
  return sql`
    select r.id, l.id is null as "isHeld"
    from ${rooms} r left join (${lockedRooms(asked, lock)}) l on l.id = r.id
    where r.id in (${asked})`;
}

/**
 * One statement for a batch of changes, in which a message has either one edit or deletion, or any number
 * of different reactions of one kind. The transaction must hold the locks of the rooms; a change without
 * effect takes no `rev`.
 */
export function changeBatch(batch: Row[]): SQL {
  return sql`
    with batch as (
      select * from unnest(
        ${array(batch.map(({ room }) => room.id))}::int[],
        ${array(batch.map(({ messageId }) => messageId))}::bigint[],
        ${array(batch.map(({ userId }) => userId))}::int[],
        ${array(batch.map(({ kind }) => kind))}::text[],
        ${array(batch.map(({ text }) => text))}::text[],
        ${array(batch.map(({ mentions }) => mentions))}::text[]
      ) with ordinality as b (room_id, message_id, user_id, kind, text, mentions, ord)
    ), found as (
      select b.*, m.rev, m.content, m.deleted_at is not null as is_deleted
      from batch b
        join ${rooms} r on r.id = b.room_id
        join ${messages} m on m.id = b.message_id and m.room_id = b.room_id
    ), fresh as (
      select message_id, text, row_number() over (partition by message_id order by min(ord)) as nth
      from found f
      where kind = 'react' and not exists (
        select from ${reactionCounts} c where c.message_id = f.message_id and c.emoji = f.text
      )
      group by message_id, text
    ), judged as (
      select f.*, coalesce(${MAX_REACTIONS} < fresh.nth + (
          select count(*) from ${reactionCounts} c where c.message_id = f.message_id
        ), false) as is_full
      from found f
        left join fresh on f.kind = 'react' and fresh.message_id = f.message_id and fresh.text = f.text
    ), added as (
      insert into ${reactions} (message_id, emoji, user_id)
        select message_id, text, user_id from judged
        where kind = 'react' and not is_deleted and not is_full order by ord
        on conflict do nothing returning message_id, emoji, user_id
    ), removed as (
      delete from ${reactions} r using found f
        where r.message_id = f.message_id
          and (f.kind = 'delete' or (f.kind = 'unreact' and r.emoji = f.text and r.user_id = f.user_id))
        returning r.message_id, r.emoji, r.user_id
    ), tallied as (
      insert into ${reactionCounts} as c (message_id, emoji, count)
        select message_id, emoji, count(*) from added group by message_id, emoji
        on conflict (message_id, emoji) do update set count = c.count + excluded.count
    ), fewer as (
      select message_id, emoji, count(*) as count from removed group by message_id, emoji
    ), none_left as (
      delete from ${reactionCounts} c using fewer f
        where c.message_id = f.message_id and c.emoji = f.emoji and c.count <= f.count
    ), some_left as (
      update ${reactionCounts} c set count = c.count - f.count from fewer f
        where c.message_id = f.message_id and c.emoji = f.emoji and c.count > f.count
    ), effective as (
      select j.*, row_number() over (partition by room_id order by ord) as place
      from judged j
      where case kind
        when 'edit' then not is_deleted and content <> text
        when 'delete' then not is_deleted
        when 'react' then (message_id, text, user_id) in (select * from added)
        else (message_id, text, user_id) in (select * from removed)
      end
    ), counted as (
      update ${rooms} set rev = rev + changes
        from (select room_id, count(*) as changes from effective group by room_id) c
        where ${rooms.id} = c.room_id
        returning ${rooms.id}, rev - changes as base, clock_timestamp() as at
    ), numbered as (
      select e.*, base + place as next_rev, at from effective e join counted on counted.id = e.room_id
    ), changed as (
      update ${messages} m set
          rev = n.next_rev,
          content = case n.kind when 'edit' then n.text when 'delete' then '' else m.content end,
          data = case n.kind when 'delete' then null else m.data end,
          mentions = case n.kind when 'edit' then n.mentions when 'delete' then null else m.mentions end,
          edited_at = case n.kind when 'edit' then n.at else m.edited_at end,
          deleted_at = case n.kind when 'delete' then n.at else m.deleted_at end,
          posted_digest = case n.kind
            when 'edit' then coalesce(m.posted_digest, encode(sha256(convert_to(m.content, 'UTF8')), 'hex'))
            when 'delete' then null else m.posted_digest end
        from (select distinct on (message_id) * from numbered order by message_id, ord desc) n
        where m.id = n.message_id
    ), forgotten as (
      ${deleteNotifications(sql`message_id in (select message_id from effective where kind = 'delete')`)}
    )
    select b.ord::int as ord, coalesce(n.next_rev, j.rev)::float8 as rev,
      n.ord is not null as "isChanged", coalesce(j.is_deleted, false) as "isDeleted",
      coalesce(j.is_full, false) as "isFull"
    from batch b left join judged j on j.ord = b.ord left join numbered n on n.ord = b.ord`;
}
