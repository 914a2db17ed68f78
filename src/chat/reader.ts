import {
  and,
  asc,
  desc,
  eq,
  getTableColumns,
  gt,
  isNull,
  lt,
  ne,
  type SQL,
  sql,
} from 'drizzle-orm';
import type { Database } from '../db/index.ts';
import { messages, reactionCounts, reactions, users } from '../db/schema/index.ts';
import { array } from '../db/statements.ts';
import { ChatError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { FairQueue, type Keys } from '../lib/fair-queue.ts';
import { MAX_PAGE_BYTES } from '../protocol/frames.ts';
import { MAX_REACTIONS, type Reaction, type StoredMessage } from '../protocol/message.ts';
import type { Room } from '../protocol/room.ts';
import { toStoredMessage } from './stored-message.ts';

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

function select(db: Database, which: SQL | undefined) {
  return db
    .select(columns)
    .from(messages)
    .innerJoin(users, eq(users.id, messages.userId))
    .where(which);
}

/** After every change of a message: its text is made once. */
function selectByIds(db: Database) {
  return select(db, sql`${messages.id} = any(${sql.placeholder('ids')}::bigint[])`).prepare('');
}

type Row = Awaited<ReturnType<typeof select>>[number];

/** Some messages, and whether there are more. */
export interface Slice {
  messages: StoredMessage[];
  more: boolean;
}

/** The bytes of a message as JSON beside its texts. */
const MESSAGE_BYTES = 300;

/**
 * Estimates the bytes of a message as JSON. Postgres knows the length of a text without reading it; the names
 * of reactions are not looked up, but most are shorter than this.
 */
const bytes = sql`(${MESSAGE_BYTES}::int + octet_length(${messages.content}) + coalesce(octet_length(${messages.data}), 0)
  + coalesce(octet_length(${messages.mentions}), 0)
  + case when ${messages.rev} <> ${messages.seq} then coalesce((
      select sum(60 + 50 * least(c.count, ${MAX_REACTIONS}))
      from ${reactionCounts} c where c.message_id = ${messages.id}), 0) else 0 end)`;

/** The same, once it is read. */
function bytesOf({ content, data, mentions, reactions }: Row): number {
  const texts = [content, data ?? '', mentions ?? '', reactions ?? ''];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), MESSAGE_BYTES);
}

/** The position of a message among those that are read, for sorting. */
const place = (column: SQL | typeof messages.seq | typeof messages.rev, isForward: boolean) =>
  isForward ? sql`${column}` : sql`-${column}`;

const overloaded = () =>
  new ChatError('overloaded', 'Too many pages are being read at once; try again.', 1);

/** A database that hangs fails the running reads in time, and the waiting ones with them. */
const TURNS = {
  atOnce: 4,
  atOncePerKey: 2,
  waiting: 20_000,
  patience: 4000,
  isSharedFate: true,
};

/** Readers that are not told apart. */
const NOBODY: Keys = [''];

/** Reads stored messages in their present state. */
export class MessageReader {
  /**
   * Limits the pages that are read at once, which leaves the database to writers.
   */
  readonly turns: FairQueue;
  readonly #selectByIds: ReturnType<typeof selectByIds>;

  constructor(private readonly parts: { db: Database; clock?: Clock }) {
    this.#selectByIds = selectByIds(parts.db);
    this.turns = new FairQueue({ ...TURNS, tooMany: overloaded, clock: parts.clock });
  }

  /**
   * A page of a room's messages, oldest first: the newest ones of the range or, with `after`, its oldest ones.
   *
   * @param page `before` and `after` are `seq`s, exclusive
   * @param reader of {@link readerOf}; concurrent reads take turns by it
   * @returns at most `limit`, and at most {@link MAX_PAGE_BYTES} or a single one
   * @throws {ChatError} `overloaded`
   */
  async page(
    room: Room,
    page: { before?: number | undefined; after?: number | undefined; limit: number },
    reader: Keys = NOBODY,
  ): Promise<Slice> {
    const isForward = page.after !== undefined;
    const which = and(
      eq(messages.roomId, room.id),
      page.before === undefined ? undefined : lt(messages.seq, page.before),
      page.after === undefined ? undefined : gt(messages.seq, page.after),
    );
    const order = isForward ? asc : desc;
    const weighed = sql`
      select ${messages.id}, ${place(messages.seq, isForward)} as place, ${bytes} as bytes
      from ${messages} where ${which} order by ${order(messages.seq)} limit ${page.limit + 1}`;
    const { found, more } = await this.turns.run(reader, () => this.#read(weighed, page.limit));
    return { messages: stored(room, isForward ? found : found.reverse()), more };
  }

  /**
   * The new and changed messages of a room, each once, by rising `rev`: the next ones after a `rev`, or the latest
   * ones up to one.
   *
   * @param page `after` is exclusive, `upTo` inclusive
   * @param reader as in {@link page}
   * @returns at most `limit`, and at most {@link MAX_PAGE_BYTES} or a single one
   * @throws {ChatError} `overloaded`
   */
  async changes(
    room: Room,
    { after, upTo, limit }: { after?: number; upTo?: number; limit: number },
    reader: Keys = NOBODY,
  ): Promise<Slice> {
    const isForward = after !== undefined;
    const order = isForward ? asc : desc;
    const some = (column: typeof messages.seq | typeof messages.rev, which: SQL) => sql`(
      select ${messages.id}, ${place(column, isForward)} as place, ${bytes} as bytes
      from ${messages} where ${and(
        eq(messages.roomId, room.id),
        which,
        after === undefined ? undefined : gt(column, after),
        upTo === undefined ? undefined : lt(column, upTo + 1),
      )} order by ${order(column)} limit ${limit + 1})`;
    // Changed and unchanged messages each have an index in this order.
    const unchanged = some(messages.seq, eq(messages.rev, messages.seq));
    const changed = some(messages.rev, ne(messages.rev, messages.seq));
    const weighed = sql`${unchanged} union all ${changed} order by place limit ${limit + 1}`;
    const { found, more } = await this.turns.run(reader, () => this.#read(weighed, limit));
    return { messages: stored(room, isForward ? found : found.reverse()), more };
  }

  /** The newest messages of a room that are not deleted, oldest first. */
  async newest(room: Room, limit: number): Promise<StoredMessage[]> {
    const found = await this.turns.run(NOBODY, () =>
      select(this.parts.db, and(eq(messages.roomId, room.id), isNull(messages.deletedAt)))
        .orderBy(desc(messages.seq))
        .limit(limit),
    );
    return stored(room, found.reverse());
  }

  /** Messages by their ids; those outside the rooms are left out. */
  async byIds(rooms: Map<number, Room>, ids: number[]): Promise<Map<number, StoredMessage>> {
    const found = ids.length > 0 ? await this.#selectByIds.execute({ ids: array(ids) }) : [];
    return byId(rooms, found);
  }

  /**
   * The same, in the order of the ids, up to a size in bytes.
   *
   * @returns `covered`: the number of ids that were read; `bytes`: about those of their JSON
   */
  async firstByIds(
    rooms: Map<number, Room>,
    ids: number[],
    mostBytes = MAX_PAGE_BYTES,
  ): Promise<{ messages: Map<number, StoredMessage>; covered: number; bytes: number }> {
    if (ids.length === 0) return { messages: new Map(), covered: 0, bytes: 0 };
    const weighed = sql`
      select ${messages.id}, asked.place, ${bytes} as bytes
      from unnest(${array(ids)}::bigint[]) with ordinality as asked (id, place)
      join ${messages} on ${messages.id} = asked.id`;
    const { found, bytes: read, more } = await this.#read(weighed, ids.length, mostBytes);
    const covered = more ? ids.indexOf(found.at(-1)?.id ?? 0) + 1 : ids.length;
    return { messages: byId(rooms, found), covered, bytes: read };
  }

  /**
   * Reads the first messages by `place`: at most `limit`, and as many as fit into `mostBytes`, which is estimated
   * before they are read; at least one.
   *
   * @param weighed gives `id`, `place` and `bytes` of each
   */
  async #read(weighed: SQL, limit: number, mostBytes = MAX_PAGE_BYTES) {
    const picked = sql`(
      select id, place, row_number() over places as nth, count(*) over () as there,
        sum(bytes) over (places rows unbounded preceding) as reached
      from (${weighed}) weighed window places as (order by place)
    ) picked`;
    const read = await this.parts.db
      .select({ ...columns, there: sql<number>`picked.there`.mapWith(Number) })
      .from(messages)
      .innerJoin(picked, sql`picked.id = ${messages.id}`)
      .innerJoin(users, eq(users.id, messages.userId))
      .where(sql`picked.nth <= ${limit} and (picked.nth = 1 or picked.reached <= ${mostBytes})`)
      .orderBy(sql`picked.place`);
    let bytes = 0;
    const found: typeof read = [];
    for (const row of read) {
      const next = bytes + bytesOf(row);
      if (found.length > 0 && next > mostBytes) break;
      found.push(row);
      bytes = next;
    }
    return { found, bytes, more: found.length < (read[0]?.there ?? 0) };
  }

  /** The id of the author of a message; undefined when there is no message of this id. */
  async authorOf(id: number): Promise<number | undefined> {
    const { userId } = messages;
    const [found] = await this.parts.db
      .select({ userId })
      .from(messages)
      .where(eq(messages.id, id));
    return found?.userId;
  }
}

function byId(rooms: Map<number, Room>, found: Row[]): Map<number, StoredMessage> {
  return new Map(
    found.flatMap((row) => {
      const room = rooms.get(row.roomId);
      return room ? [[row.id, toStored(room, row)]] : [];
    }),
  );
}

function stored(room: Room, found: Row[]): StoredMessage[] {
  return found.map((row) => toStored(room, row));
}

function toStored(room: Room, row: Row): StoredMessage {
  const { data, mentions, reactions, editedAt, deletedAt } = row;
  const fields = { ...row, createdAt: row.createdAt.toISOString() };
  return toStoredMessage(room, fields, {
    ...row,
    data: data === null ? null : JSON.parse(data),
    mentions: mentions === null ? null : (JSON.parse(mentions) as string[]),
    reactions: reactions === null ? null : (JSON.parse(reactions) as Reaction[]),
    editedAt: editedAt?.toISOString(),
    deletedAt: deletedAt?.toISOString(),
  });
}
