import { sql } from 'drizzle-orm';
import { isAboutARow, isBlocked, sqlState } from '../db/failures.ts';
import { type Database, type LockMode, rows } from '../db/statements.ts';
import { ChatError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Person } from '../protocol/identity.ts';
import type { StoredMessage } from '../protocol/message.ts';
import { settleDuplicates } from './duplicates.ts';
import { idConflict, isSame, partition, type QueuedPost } from './entries.ts';
import type { CommitterParts } from './lost-commits.ts';
import { findMentioned, namesOf } from './mentions.ts';
import { existing, findRooms, type Inserted, PostInserts } from './posts.sql.ts';
import { toStoredMessage } from './stored-message.ts';

const UNIQUE_VIOLATION = '23505';

interface Replied {
  id: number;
  roomId: number;
}

/** Commits batches of posts, each in one statement as long as every post of it is valid. */
export class PostCommitter {
  readonly #inserts: PostInserts;
  readonly #databaseClock: DatabaseClock;

  /** @param parts `timeout`: seconds that a statement may take */
  constructor(private readonly parts: CommitterParts & { clock: Clock; timeout: number }) {
    this.#inserts = new PostInserts(parts.writes);
    this.#databaseClock = new DatabaseClock(parts);
    // Started early, so that the first post need not wait; if it fails, that post tries again.
    this.#databaseClock.start().catch(() => {});
  }

  /**
   * Commits a batch, in which each client id stands once; never throws.
   *
   * @returns `settle` publishes and answers what was committed, and is to be called before that of any later batch;
   *   `blocked` are the other entries, in their order: other sessions hold the rows of their rooms
   */
  async commit(
    batch: QueuedPost[],
    lock: LockMode,
  ): Promise<{ settle(): void; blocked: QueuedPost[] }> {
    let ready: QueuedPost[];
    try {
      ready = await this.#prepare(batch);
      await this.#databaseClock.start();
    } catch (error) {
      fail(batch, this.parts.lost.giveUp(batch, error));
      return { settle: () => {}, blocked: [] };
    }
    const blocked: QueuedPost[] = [];
    const settle = await this.#write(ready, lock, blocked);
    return { settle, blocked };
  }

  /** Finds the mentioned users, and refuses replies to missing messages. */
  async #prepare(batch: QueuedPost[]): Promise<QueuedPost[]> {
    const [mentioned, repliesToNone] = await Promise.all([
      findMentioned(this.parts.db, batch),
      this.#findRepliesToNone(batch),
    ]);
    for (const [n, entry] of batch.entries()) address(entry, mentioned[n] ?? entry.mentioned);
    if (repliesToNone.size === 0) return batch;
    const missing = 'There is no message with the id of "replyTo" in this room.';
    fail([...repliesToNone], new ChatError('not_found', missing));
    return batch.filter((entry) => !repliesToNone.has(entry));
  }

  async #findRepliesToNone(batch: QueuedPost[]): Promise<Set<QueuedPost>> {
    const replies = batch.filter(({ replyTo }) => replyTo !== undefined);
    if (replies.length === 0) return new Set();
    const ids = replies.map(({ replyTo }) => replyTo as number);
    const found = await rows<Replied>(this.parts.db, findRooms(ids));
    const roomOf = new Map(found.map(({ id, roomId }) => [id, roomId]));
    return new Set(
      replies.filter(({ replyTo, room }) => roomOf.get(replyTo as number) !== room.id),
    );
  }

  /**
   * @param blocked gets the entries that are not settled
   * @returns the function that settles the committed entries
   */
  async #write(batch: QueuedPost[], lock: LockMode, blocked: QueuedPost[]): Promise<() => void> {
    const free = blocked.length === 0 ? batch : notBehind(blocked, batch);
    if (free.length === 0) return () => {};
    const fence = this.#databaseClock.fence();
    let inserted: Inserted[];
    try {
      inserted = await this.#inserts.run(free, { lock, fence });
    } catch (error) {
      await this.#recover(free, lock, blocked, error, fence);
      return () => {};
    }
    const [first] = inserted;
    if (first) this.#databaseClock.set(first.at);
    if (inserted.length === free.length) return () => this.#settle(free, inserted);
    const roomIds = new Set(inserted.map(({ roomId }) => roomId));
    const [stored, others] = partition(free, ({ room }) => roomIds.has(room.id));
    this.#settle(stored, inserted);
    await this.#leaveOut(others, blocked);
    return () => {};
  }

  /**
   * Sorts out the posts of rooms that the statement has left out: these are held by other sessions, or deleted; or the
   * statement came after its fence, which is right from now on.
   */
  async #leaveOut(batch: QueuedPost[], blocked: QueuedPost[]): Promise<void> {
    try {
      const ids = [...new Set(batch.map(({ room }) => room.id))];
      const found = await rows<{ id: number; at: number }>(this.parts.db, existing(ids));
      const [first] = found;
      if (first) this.#databaseClock.set(first.at);
      const isThere = new Set(found.map(({ id }) => id));
      const [waiting, roomless] = partition(batch, ({ room }) => isThere.has(room.id));
      fail(roomless, new ChatError('not_found', 'This room was deleted.'));
      blocked.push(...waiting);
    } catch (error) {
      fail(batch, this.parts.lost.giveUp(batch, error));
    }
  }

  async #recover(
    batch: QueuedPost[],
    lock: LockMode,
    blocked: QueuedPost[],
    error: unknown,
    fence: number,
  ): Promise<void> {
    if (isBlocked(error)) {
      blocked.push(...batch);
      return;
    }
    if (sqlState(error) === UNIQUE_VIOLATION) {
      let rest: QueuedPost[];
      try {
        rest = await settleDuplicates(batch, this.parts);
      } catch (failure) {
        fail(batch, this.parts.lost.giveUp(batch, failure));
        return;
      }
      if (rest.length < batch.length) return (await this.#write(rest, lock, blocked))();
    }
    if (isAboutARow(error)) return this.#isolate(batch, lock, blocked, error);
    const userIds = batch.flatMap(({ notices }) => notices.map(({ userId }) => userId));
    fail(batch, this.parts.lost.giveUp(batch, error, { fence, userIds }));
  }

  /** Halves the batch until a bad row is alone, so that it does not fail the others. */
  async #isolate(
    batch: QueuedPost[],
    lock: LockMode,
    blocked: QueuedPost[],
    error: unknown,
  ): Promise<void> {
    if (batch.length === 1) {
      // Without the reason, in which Postgres may quote the content.
      this.parts.log.error({ state: sqlState(error) }, 'a post was refused');
      fail(batch, new ChatError('internal', 'The database refused this message.'));
      return;
    }
    const half = batch.length >> 1;
    for (const part of [batch.slice(0, half), batch.slice(half)]) {
      (await this.#write(part, lock, blocked))();
    }
  }

  /** @param batch the inserted entries */
  #settle(batch: QueuedPost[], inserted: Inserted[]): void {
    // Ids are drawn in the order of the batch.
    inserted.sort((a, b) => a.id - b.id);
    // The messages of a room share one time, which is formatted once.
    const times = new Map<number, string>();
    const messages = inserted.map(({ id, seq, at }, index): StoredMessage => {
      const { room, user, content, draft, mentioned } = batch[index] as QueuedPost;
      const createdAt = times.get(at) ?? new Date(at).toISOString();
      times.set(at, createdAt);
      const { id: userId, username } = user;
      const fields = { id, seq, rev: seq, userId, username, content, createdAt };
      const extra = mentioned.length === 0 ? draft : { ...draft, mentions: namesOf(mentioned) };
      return toStoredMessage(room, fields, extra);
    });
    this.parts.events.onCommit(
      messages.map((message, n) => [(batch[n] as QueuedPost).room, message]),
    );
    this.#notify(batch, messages);
    for (const [index, message] of messages.entries()) {
      const entry = batch[index] as QueuedPost;
      for (const [n, { fingerprint, waiter }] of entry.waiting.entries()) {
        if (isSame(fingerprint, entry)) waiter.done({ message, duplicate: n > 0 });
        else waiter.failed(idConflict());
      }
    }
  }

  #notify(batch: QueuedPost[], messages: StoredMessage[]): void {
    const told = messages.filter((_, n) => (batch[n] as QueuedPost).notices.length > 0);
    if (told.length === 0) return;
    const userIds = batch.flatMap(({ notices }) => notices.map(({ userId }) => userId));
    this.parts.events.onNotify({ userIds, messageIds: told.map(({ id }) => id) });
  }
}

/** The posts of rooms without blocked ones; the others wait behind these. */
function notBehind(blocked: QueuedPost[], batch: QueuedPost[]): QueuedPost[] {
  const roomIds = new Set(blocked.map(({ room }) => room.id));
  const [late, free] = partition(batch, ({ room }) => roomIds.has(room.id));
  blocked.push(...late);
  return free;
}

/** Sets the mentioned users of a post, and its recipients of notifications. */
function address(entry: QueuedPost, mentioned: Person[]): void {
  const { room, user } = entry;
  if (mentioned.length === 0 && !room.direct) return;
  const told = (room.direct ?? mentioned).filter(({ id }) => id !== user.id);
  const kind = room.direct ? 'direct' : 'mention';
  entry.mentioned = mentioned;
  entry.notices = told.map(({ id: userId }) => ({ userId, kind }));
}

function fail(batch: QueuedPost[], error: ChatError): void {
  for (const { waiter } of batch.flatMap(({ waiting }) => waiting)) waiter.failed(error);
}

/**
 * The time of the database's clock, estimated from its last answer. The estimate is too low when this process was
 * paused before it read the answer, and when the database's clock was set forward.
 */
class DatabaseClock {
  /** How far the database's clock is ahead of ours, in milliseconds. */
  #ahead: number | undefined;

  constructor(private readonly parts: { db: Database; clock: Clock; timeout: number }) {}

  /** Returns once the database's time is known. */
  async start(): Promise<void> {
    if (this.#ahead !== undefined) return;
    const now = sql`select (extract(epoch from clock_timestamp()) * 1000)::float8 as at`;
    const [found] = await rows<{ at: number }>(this.parts.db, now);
    if (found) this.set(found.at);
  }

  /** @param at the database's time just now, in milliseconds since 1970 */
  set(at: number): void {
    this.#ahead = at - this.parts.clock.now();
  }

  /** The time by which a statement that is sent now must have the locks of its rooms, or write nothing. */
  fence(): number {
    return this.parts.clock.now() + (this.#ahead ?? 0) + this.parts.timeout * 1000;
  }
}
