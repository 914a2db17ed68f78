import { and, asc, desc, eq, gt, isNull, lt, lte, ne, type SQL, sql } from 'drizzle-orm';
import type { Database } from '../db/index.ts';
import { messages } from '../db/schema/index.ts';
import { array } from '../db/statements.ts';
import { ChatError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { FairQueue, type Keys } from '../lib/fair-queue.ts';
import { MAX_PAGE_BYTES } from '../protocol/frames.ts';
import type { Reaction, StoredMessage } from '../protocol/message.ts';
import type { Room } from '../protocol/room.ts';
import {
  bytes,
  bytesOf,
  type FirstMessages,
  parameters,
  place,
  type Row,
  select,
  selectByIds,
  selectFirst,
} from './reader.sql.ts';
import { toStoredMessage } from './stored-message.ts';

/** Some messages, and whether there are more. */
export interface Slice {
  messages: StoredMessage[];
  more: boolean;
}

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
  readonly #statements = new Map<string, FirstMessages>();

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
    const { before, after, limit } = page;
    const isForward = after !== undefined;
    const isBounded = before !== undefined;
    const order = isForward ? asc : desc;
    const weighed = () => sql`
      select ${messages.id}, ${place(messages.seq, isForward)} as place, ${bytes} as bytes
      from ${messages} where ${and(
        eq(messages.roomId, parameters.roomId),
        isBounded ? lt(messages.seq, parameters.before) : undefined,
        isForward ? gt(messages.seq, parameters.after) : undefined,
      )} order by ${order(messages.seq)} limit ${parameters.most}`;
    const statement = this.#statement(`page ${isForward} ${isBounded}`, weighed);
    const values = { roomId: room.id, before, after };
    const { found, more } = await this.turns.run(reader, () =>
      this.#read(statement, values, limit),
    );
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
    const isBounded = upTo !== undefined;
    const order = isForward ? asc : desc;
    const some = (column: typeof messages.seq | typeof messages.rev, which: SQL) => sql`(
      select ${messages.id}, ${place(column, isForward)} as place, ${bytes} as bytes
      from ${messages} where ${and(
        eq(messages.roomId, parameters.roomId),
        which,
        isForward ? gt(column, parameters.after) : undefined,
        isBounded ? lte(column, parameters.upTo) : undefined,
      )} order by ${order(column)} limit ${parameters.most})`;
    const weighed = () => {
      // Changed and unchanged messages each have an index in this order.
      const unchanged = some(messages.seq, eq(messages.rev, messages.seq));
      const changed = some(messages.rev, ne(messages.rev, messages.seq));
      return sql`${unchanged} union all ${changed} order by place limit ${parameters.most}`;
    };
    const statement = this.#statement(`changes ${isForward} ${isBounded}`, weighed);
    const values = { roomId: room.id, after, upTo };
    const { found, more } = await this.turns.run(reader, () =>
      this.#read(statement, values, limit),
    );
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
    const weighed = () => sql`
      select ${messages.id}, asked.place, ${bytes} as bytes
      from unnest(${parameters.ids}::bigint[]) with ordinality as asked (id, place)
      join ${messages} on ${messages.id} = asked.id`;
    const {
      found,
      bytes: read,
      more,
    } = await this.#read(
      this.#statement('by ids', weighed),
      { ids: array(ids) },
      ids.length,
      mostBytes,
    );
    const covered = more ? ids.indexOf(found.at(-1)?.id ?? 0) + 1 : ids.length;
    return { messages: byId(rooms, found), covered, bytes: read };
  }

  /**
   * The statement of a shape. Its text is kept, since making it takes as long as running it.
   *
   * @param weighed as in {@link selectFirst}
   */
  #statement(shape: string, weighed: () => SQL): FirstMessages {
    const statement = this.#statements.get(shape) ?? selectFirst(this.parts.db, weighed());
    this.#statements.set(shape, statement);
    return statement;
  }

  /** Reads the messages of {@link selectFirst}; their size is estimated before, and measured after they are read. */
  async #read(
    statement: FirstMessages,
    values: Record<string, unknown>,
    limit: number,
    mostBytes = MAX_PAGE_BYTES,
  ) {
    const read = await statement.execute({ ...values, limit, most: limit + 1, mostBytes });
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
