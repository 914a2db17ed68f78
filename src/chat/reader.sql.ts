import { eq, getTableColumns, type SQL, sql } from 'drizzle-orm';
import { messages, reactionCounts, reactions, users } from '../db/schema/index.ts';
import type { Database } from '../db/statements.ts';
import { MAX_REACTIONS } from '../protocol/message.ts';

/** The reactions to a message, oldest first, with their first users; only changed messages have any. */
const reacted = sql<string | null>`case when ${messages.rev} <> ${messages.seq} then (
  select json_agg(json_build_object('emoji', e.emoji, 'count', e.count, 'usernames', (
      select json_agg(n.username order by n.id) from (
        select r.id, u.username from ${reactions} r join ${users} u on u.id = r.user_id
        where r.message_id = ${messages.id} and r.emoji = e.emoji order by r.id limit ${MAX_REACTIONS}
      ) n
    )) order by e.first)::text
  from (
    select c.emoji, c.count, (
      select min(r.id) from ${reactions} r where r.message_id = c.message_id and r.emoji = c.emoji
    ) as first
    from ${reactionCounts} c where c.message_id = ${messages.id}
  ) e) end`;

/** The columns of a stored message: all but the one that only the writer needs. */
const { postedDigest, ...own } = getTableColumns(messages);
const columns = { ...own, username: users.username, reactions: reacted };

/** Selects messages, in no order. */
export function select(db: Database, which: SQL | undefined) {
  return db
    .select(columns)
    .from(messages)
    .innerJoin(users, eq(users.id, messages.userId))
    .where(which);
}

/** Selects messages by their `ids`, an array as Postgres reads it from text. */
export function selectByIds(db: Database) {
  return select(db, sql`${messages.id} = any(${parameters.ids}::bigint[])`).prepare('');
}

/** A message as {@link select} returns it. */
export type Row = Awaited<ReturnType<typeof select>>[number];

/** The placeholders of the statements. */
export const parameters = {
  roomId: sql.placeholder('roomId'),
  before: sql.placeholder('before'),
  after: sql.placeholder('after'),
  upTo: sql.placeholder('upTo'),
  ids: sql.placeholder('ids'),
  limit: sql.placeholder('limit'),
  /** One more than the limit, which tells whether there are more. */
  most: sql.placeholder('most'),
  mostBytes: sql.placeholder('mostBytes'),
};

/** The statement of {@link selectFirst}. */
export type FirstMessages = ReturnType<typeof selectFirst>;

/**
 * Selects the first messages by `place`: at most `limit`, and as many as fit into `mostBytes`, at least one.
 *
 * @param weighed selects `id`, `place` and `bytes` of each message
 */
export function selectFirst(db: Database, weighed: SQL) {
  const picked = sql`(
    select id, place, row_number() over places as nth, count(*) over () as there,
      sum(bytes) over (places rows unbounded preceding) as reached
    from (${weighed}) weighed window places as (order by place)
  ) picked`;
  return db
    .select({ ...columns, there: sql<number>`picked.there`.mapWith(Number) })
    .from(messages)
    .innerJoin(picked, sql`picked.id = ${messages.id}`)
    .innerJoin(users, eq(users.id, messages.userId))
    .where(
      sql`picked.nth <= ${parameters.limit} and (picked.nth = 1 or picked.reached <= ${parameters.mostBytes})`,
    )
    .orderBy(sql`picked.place`)
    .prepare('');
}

/** The bytes of a message as JSON beside its texts. */
const MESSAGE_BYTES = 300;

/**
 * Estimates the bytes of a message as JSON. Postgres knows the length of a text without reading it; the names
 * of reactions are not looked up, but most are shorter than this.
 */
export const bytes = sql`(${MESSAGE_BYTES}::int + octet_length(${messages.content}) + coalesce(octet_length(${messages.data}), 0)
  + coalesce(octet_length(${messages.mentions}), 0)
  + case when ${messages.rev} <> ${messages.seq} then coalesce((
      select sum(60 + 50 * least(c.count, ${MAX_REACTIONS}))
      from ${reactionCounts} c where c.message_id = ${messages.id}), 0) else 0 end)`;

/** The same, once it is read. */
export function bytesOf({ content, data, mentions, reactions }: Row): number {
  const texts = [content, data ?? '', mentions ?? '', reactions ?? ''];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), MESSAGE_BYTES);
}

/** The position of a message among those that are read, for sorting. */
export const place = (
  column: SQL | typeof messages.seq | typeof messages.rev,
  isForward: boolean,
) => (isForward ? sql`${column}` : sql`-${column}`);
