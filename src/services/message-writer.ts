import { type SQL, sql } from 'drizzle-orm';
import { type Database, rootMessage, rows, sqlState } from '../db/index.ts';
import { messages, rooms } from '../db/schema/index.ts';
import { ChatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { StoredMessage, User } from '../types/rest.ts';
import type { Room } from './room.service.ts';

/** A message on its way to the database. */
export interface Post {
  room: Room;
  user: Pick<User, 'id' | 'username'>;
  content: string;
  /** Unique per room and user, for ever. */
  clientId?: string | undefined;
}

/** The message as it is stored, and whether an earlier post had stored it already. */
export interface Posted {
  message: StoredMessage;
  repeated: boolean;
}

export interface WriterEvents {
  /** Committed just now, in order; called before any of their senders hears of it. */
  onCommit(messages: StoredMessage[]): void;
  /** No answer came from the database: these rooms may hold more than was announced. */
  onDoubt(rooms: string[]): void;
}

/** A post and all who wait for it: more than one when the same client id came again. */
interface Entry extends Post {
  cost: number;
  waiting: { content: string; done(posted: Posted): void; failed(error: ChatError): void }[];
}

interface Inserted {
  id: number;
  roomId: number;
  seq: number;
  /** Milliseconds since 1970. */
  at: number;
}

type Repeat = Omit<StoredMessage, 'createdAt'> & { roomId: number; clientId: string; at: number };

const MAX_BATCH_POSTS = 1000;
/** UTF-16 units of content in one statement; larger ones gain nothing and hold up the queries behind. */
const MAX_BATCH_COST = 1024 * 1024;
/** What may wait, in the same measure: two to three seconds of work for a small Postgres. */
const MAX_QUEUE_COST = 16 * 1024 * 1024;
/** What a post costs beside its content, in the same measure. */
const POST_COST = 200;

/**
 * Commits changes in groups: while one statement runs, what arrives waits and goes into the next.
 * There is no timer, so an idle server writes at once and a busy one hundreds per statement.
 */
export class MessageWriter {
  #queue: Entry[] = [];
  #queueCost = 0;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(
    private readonly db: Database,
    private readonly events: WriterEvents,
    private readonly log: Logger,
  ) {}

  /**
   * Takes a post; posts of one room are stored in the order in which they were taken.
   *
   * @returns once the database has committed it
   * @throws {ChatError} `overloaded` past the bound of the queue, `conflict` when the client id
   *   stands for other content, `not_found` when the room is gone, `unavailable` when the database
   *   gave no answer (send again with the same id)
   */
  write(post: Post): Promise<Posted> {
    return new Promise((done, failed) => {
      const cost = post.content.length + POST_COST;
      if (this.#closed) {
        failed(new ChatError('unavailable', 'The server is stopping; send this again soon.', 1));
      } else if (this.#queueCost + cost > MAX_QUEUE_COST) {
        failed(new ChatError('overloaded', 'Too much is being said at once; try again.', 1));
      } else {
        this.#queueCost += cost;
        this.#queue.push({ ...post, cost, waiting: [{ content: post.content, done, failed }] });
        this.#running ??= this.#run();
      }
    });
  }

  /** Takes nothing more, and returns when all that was taken is settled. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    // What arrives in the same turn of the event loop goes into the first batch too.
    await Promise.resolve();
    while (this.#queue.length > 0) await this.#commit(this.#nextBatch());
    this.#running = undefined;
  }

  #nextBatch(): Entry[] {
    const batch: Entry[] = [];
    const byClientId = new Map<string, Entry>();
    let taken = 0;
    let cost = 0;
    for (const entry of this.#queue) {
      if (batch.length === MAX_BATCH_POSTS || (cost > 0 && cost + entry.cost > MAX_BATCH_COST))
        break;
      taken += 1;
      cost += entry.cost;
      const key = clientKey(entry.room.id, entry.user.id, entry.clientId);
      const first = key && byClientId.get(key);
      if (first) {
        first.waiting.push(...entry.waiting);
      } else {
        batch.push(entry);
        if (key) byClientId.set(key, entry);
      }
    }
    this.#queue.splice(0, taken);
    this.#queueCost -= cost;
    return batch;
  }

  /** Settles every entry of a batch; never throws. */
  async #commit(batch: Entry[]): Promise<void> {
    if (batch.length === 0) return;
    let inserted: Inserted[];
    try {
      inserted = await rows<Inserted>(this.db, insertBatch(batch));
    } catch (error) {
      return this.#recover(batch, error);
    }
    this.#settle(batch, inserted);
  }

  async #recover(batch: Entry[], error: unknown): Promise<void> {
    const state = sqlState(error);
    if (state === UNIQUE_VIOLATION) {
      let rest: Entry[];
      try {
        rest = await this.#settleRepeats(batch);
      } catch (failure) {
        return this.#giveUp(batch, failure);
      }
      if (rest.length < batch.length) return this.#commit(rest);
    }
    const isAboutARow = state?.startsWith('22') || state?.startsWith('23');
    return isAboutARow ? this.#isolate(batch, error) : this.#giveUp(batch, error);
  }

  #giveUp(batch: Entry[], error: unknown): void {
    const state = sqlState(error);
    this.log.error({ state, reason: rootMessage(error), posts: batch.length }, 'a batch failed');
    fail(
      batch,
      new ChatError(
        'unavailable',
        'The database gives no answer; send this again with the same id.',
        1,
      ),
    );
    // Without an answer, or with one that ended the connection, it may have been committed.
    if (!state || state.startsWith('08') || state.startsWith('57')) {
      this.events.onDoubt([...new Set(batch.map(({ room }) => room.name))]);
    }
  }

  /** One bad row must not fail the others: halves the batch until it stands alone. */
  async #isolate(batch: Entry[], error: unknown): Promise<void> {
    if (batch.length === 1) {
      // Without the reason: Postgres may quote the content in it.
      this.log.error({ state: sqlState(error) }, 'a post was refused');
      fail(batch, new ChatError('internal', 'The database refused this message.'));
      return;
    }
    const half = batch.length >> 1;
    await this.#commit(batch.slice(0, half));
    await this.#commit(batch.slice(half));
  }

  #settle(batch: Entry[], inserted: Inserted[]): void {
    const roomIds = new Set(inserted.map(({ roomId }) => roomId));
    const [stored, roomless] = partition(batch, ({ room }) => roomIds.has(room.id));
    // Ids are drawn in the order of the batch.
    inserted.sort((a, b) => a.id - b.id);
    const messages = inserted.map(({ id, seq, at }, index): StoredMessage => {
      const { room, user, content } = stored[index] as Entry;
      return {
        id,
        room: room.name,
        seq,
        rev: seq,
        userId: user.id,
        username: user.username,
        content,
        createdAt: new Date(at).toISOString(),
      };
    });
    this.events.onCommit(messages);
    for (const [index, message] of messages.entries())
      answer(stored[index] as Entry, message, false);
    fail(roomless, new ChatError('not_found', 'This room is gone.'));
  }

  /** Answers what an earlier post had stored with that post's result, and returns the others. */
  async #settleRepeats(batch: Entry[]): Promise<Entry[]> {
    const known = new Map<string | undefined, StoredMessage>();
    for (const row of await rows<Repeat>(this.db, findRepeats(batch))) {
      const { roomId, clientId, at, ...message } = row;
      known.set(clientKey(roomId, message.userId, clientId), {
        ...message,
        createdAt: new Date(at).toISOString(),
      });
    }
    const first = ({ room, user, clientId }: Entry) =>
      known.get(clientKey(room.id, user.id, clientId));
    const [repeats, rest] = partition(batch, (entry) => first(entry) !== undefined);
    for (const entry of repeats) answer(entry, first(entry) as StoredMessage, true);
    return rest;
  }
}

const UNIQUE_VIOLATION = '23505';

function clientKey(roomId: number, userId: number, clientId: string | undefined) {
  return clientId === undefined ? undefined : `${roomId} ${userId} ${clientId}`;
}

/** The first to wait is the one whose post was stored, unless it was stored before. */
function answer(entry: Entry, message: StoredMessage, repeated: boolean): void {
  for (const [index, { content, done, failed }] of entry.waiting.entries()) {
    if (content === message.content) done({ message, repeated: repeated || index > 0 });
    else failed(new ChatError('conflict', 'This id stands for a message with other content.'));
  }
}

function fail(batch: Entry[], error: ChatError): void {
  for (const { failed } of batch.flatMap(({ waiting }) => waiting)) failed(error);
}

/**
 * One statement for a whole batch. The rooms are locked in the order of their ids, so that two
 * servers never wait for each other; the counters rise under the lock, and ids and times are drawn
 * after it, so that they rise with `seq`.
 */
function insertBatch(batch: Entry[]): SQL {
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
        ${array(batch.map(({ content }) => content))}::text[]
      ) with ordinality as b (room_id, place, user_id, client_id, content, ord)
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
    insert into ${messages} (room_id, seq, rev, user_id, client_id, content, created_at)
      select room_id, base + place, base + place, user_id, client_id, content, at
      from batch join counted on counted.id = batch.room_id order by ord
      returning id::float8, room_id as "roomId", seq::float8,
        (extract(epoch from created_at) * 1000)::float8 as at`;
}

function findRepeats(batch: Entry[]): SQL {
  const named = batch.filter(({ clientId }) => clientId !== undefined);
  return sql`
    select
      m.id::float8 as id, r.name as room, m.room_id as "roomId", m.seq::float8 as seq,
      m.rev::float8 as rev, m.user_id as "userId", u.username, m.client_id as "clientId", m.content,
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

function partition<T>(items: T[], test: (item: T) => boolean): [yes: T[], no: T[]] {
  const yes: T[] = [];
  const no: T[] = [];
  for (const item of items) (test(item) ? yes : no).push(item);
  return [yes, no];
}
