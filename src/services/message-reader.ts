import { and, asc, desc, eq, gt, inArray, isNull, lt, ne, type SQL, sql } from 'drizzle-orm';
import type { Database } from '../db/index.ts';
import { messages, reactions, users } from '../db/schema/index.ts';
import { MAX_REACTIONS, type Reaction, type StoredMessage } from '../types/rest.ts';
import type { Room } from '../types/room.ts';

/** What has been reacted with, the oldest first, and who did, the first ones; only changed messages have any. */
const reacted = sql<string | null>`case when ${messages.rev} <> ${messages.seq} then (
  select json_agg(json_build_object('emoji', e.emoji, 'count', e.count, 'usernames', (
      select json_agg(n.username order by n.id) from (
        select r.id, u.username from ${reactions} r join ${users} u on u.id = r.user_id
        where r.message_id = ${messages.id} and r.emoji = e.emoji order by r.id limit ${MAX_REACTIONS}
      ) n
    )) order by e.first)::text
  from (
    select r.emoji, count(*) as count, min(r.id) as first from ${reactions} r
    where r.message_id = ${messages.id} group by r.emoji
  ) e) end`;

const columns = {
  id: messages.id,
  roomId: messages.roomId,
  seq: messages.seq,
  rev: messages.rev,
  userId: messages.userId,
  username: users.username,
  content: messages.content,
  createdAt: messages.createdAt,
  replyTo: messages.replyTo,
  data: messages.data,
  mentions: messages.mentions,
  reactions: reacted,
  editedAt: messages.editedAt,
  deletedAt: messages.deletedAt,
  clientId: messages.clientId,
};

function select(db: Database, which: SQL | undefined) {
  return db
    .select(columns)
    .from(messages)
    .innerJoin(users, eq(users.id, messages.userId))
    .where(which);
}

type Row = Awaited<ReturnType<typeof select>>[number];

/** Reads what was said, as it now is. */
export class MessageReader {
  constructor(private readonly db: Database) {}

  /**
   * A page of a room's messages, oldest first: the newest that match, or, with `after`, the oldest.
   *
   * @param page `before` and `after` are `seq`s, exclusive
   */
  async page(
    room: Room,
    page: { before?: number | undefined; after?: number | undefined; limit: number },
  ): Promise<StoredMessage[]> {
    const isForward = page.after !== undefined;
    const found = await select(
      this.db,
      and(
        eq(messages.roomId, room.id),
        page.before === undefined ? undefined : lt(messages.seq, page.before),
        page.after === undefined ? undefined : gt(messages.seq, page.after),
      ),
    )
      .orderBy(isForward ? asc(messages.seq) : desc(messages.seq))
      .limit(page.limit);
    return stored(room, isForward ? found : found.reverse());
  }

  /**
   * What is new or changed in a room, each message once, by rising `rev`: what comes next after a `rev`,
   * or the latest up to one.
   *
   * @param page `after` is exclusive, `upTo` inclusive
   */
  async changes(
    room: Room,
    { after, upTo, limit }: { after?: number; upTo?: number; limit: number },
  ): Promise<StoredMessage[]> {
    const order = after === undefined ? desc : asc;
    const some = (column: typeof messages.seq | typeof messages.rev, which: SQL) =>
      this.db
        .select({ id: messages.id })
        .from(messages)
        .where(
          and(
            eq(messages.roomId, room.id),
            which,
            after === undefined ? undefined : gt(column, after),
            upTo === undefined ? undefined : lt(column, upTo + 1),
          ),
        )
        .orderBy(order(column))
        .limit(limit);
    // Each of the two has an index in its order.
    const unchanged = some(messages.seq, eq(messages.rev, messages.seq));
    const changed = some(messages.rev, ne(messages.rev, messages.seq));
    const found = await select(this.db, sql`${messages.id} in (${unchanged} union all ${changed})`)
      .orderBy(order(messages.rev))
      .limit(limit);
    return stored(room, after === undefined ? found.reverse() : found);
  }

  /** The newest messages of a room that are not deleted, oldest first. */
  async recent(room: Room, limit: number): Promise<StoredMessage[]> {
    const found = await select(
      this.db,
      and(eq(messages.roomId, room.id), isNull(messages.deletedAt)),
    )
      .orderBy(desc(messages.seq))
      .limit(limit);
    return stored(room, found.reverse());
  }

  /** Messages by their ids, as far as they are in one of the rooms. */
  async byIds(rooms: Map<number, Room>, ids: number[]): Promise<Map<number, StoredMessage>> {
    const found = ids.length > 0 ? await select(this.db, inArray(messages.id, ids)) : [];
    return new Map(
      found.flatMap((row) => {
        const room = rooms.get(row.roomId);
        return room ? [[row.id, toStored(room, row)]] : [];
      }),
    );
  }

  /** The id of the user who wrote a message; undefined when there is none of this id. */
  async authorOf(id: number): Promise<number | undefined> {
    const { userId } = messages;
    const [found] = await this.db.select({ userId }).from(messages).where(eq(messages.id, id));
    return found?.userId;
  }
}

function stored(room: Room, found: Row[]): StoredMessage[] {
  return found.map((row) => toStored(room, row));
}

function toStored(
  room: Room,
  { roomId: _, createdAt, data, clientId, ...row }: Row,
): StoredMessage {
  const { replyTo, mentions, reactions, editedAt, deletedAt, ...always } = row;
  return {
    ...always,
    room: room.name,
    createdAt: createdAt.toISOString(),
    ...recipient(room, row.userId),
    ...(replyTo !== null && { replyTo }),
    ...(data !== null && { data: JSON.parse(data) }),
    ...(mentions !== null && { mentions: JSON.parse(mentions) as string[] }),
    ...(reactions !== null && { reactions: JSON.parse(reactions) as Reaction[] }),
    ...(editedAt !== null && { editedAt: editedAt.toISOString() }),
    ...(deletedAt !== null && { deletedAt: deletedAt.toISOString() }),
    ...(clientId !== null && { clientId }),
  };
}

/** To whom someone speaks in a direct room; nothing in any other. */
export function recipient({ direct }: Room, userId: number): { to?: string } {
  if (!direct) return {};
  const other = direct.find(({ id }) => id !== userId) ?? direct[0];
  return other ? { to: other.username } : {};
}
