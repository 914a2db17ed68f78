import {
  isAboutARow,
  isOutcomeUnknown,
  rootMessage,
  sqlState,
  toChatError,
} from '../db/failures.ts';
import { type Database, rows } from '../db/index.ts';
import { ChatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Person } from '../types/identity.ts';
import type { StoredMessage } from '../types/rest.ts';
import type { Room } from '../types/room.ts';
import { findRepeats, type Inserted, insertBatch, type Repeat } from './message-statements.ts';

/** A message on its way to the database. */
export interface Post {
  room: Room;
  user: Person;
  content: string;
  /** Unique per room and user, for ever. */
  clientId?: string | undefined;
  /** Any JSON value, for programs. */
  data?: unknown;
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
  /** `data` as JSON. */
  json: string | undefined;
  waiting: { said: string; done(posted: Posted): void; failed(error: ChatError): void }[];
}

const MAX_BATCH_POSTS = 1000;
/** UTF-16 units of content and data in one statement; larger ones gain nothing and hold up the queries behind. */
const MAX_BATCH_COST = 1024 * 1024;
/** What may wait, in the same measure: two to three seconds of work for a small Postgres. */
const MAX_QUEUE_COST = 16 * 1024 * 1024;
/** What a post costs beside these, in the same measure. */
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
      const entry = toEntry(post, done, failed);
      if (this.#closed) {
        failed(new ChatError('unavailable', 'The server is stopping; send this again soon.', 1));
      } else if (this.#queueCost + entry.cost > MAX_QUEUE_COST) {
        failed(new ChatError('overloaded', 'Too much is being said at once; try again.', 1));
      } else {
        this.#queueCost += entry.cost;
        this.#queue.push(entry);
        this.#running ??= this.#run();
      }
    });
  }

  /**
   * What an earlier post with the same client id has stored; undefined when there was none.
   *
   * @throws {ChatError} `conflict` when the client id stands for other content
   */
  recall(post: Post): Promise<Posted | undefined> {
    return new Promise((done, failed) => {
      this.#settleRepeats([toEntry(post, done, failed)])
        .then((rest) => rest.length > 0 && done(undefined))
        .catch((error) => failed(toChatError(error)));
    });
  }

  /** Takes nothing more, and returns when all that was taken is settled. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    // What arrives in the same turn of the event loop goes into the first batch too.
    await new Promise(setImmediate);
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
    if (sqlState(error) === UNIQUE_VIOLATION) {
      let rest: Entry[];
      try {
        rest = await this.#settleRepeats(batch);
      } catch (failure) {
        return this.#giveUp(batch, failure);
      }
      if (rest.length < batch.length) return this.#commit(rest);
    }
    return isAboutARow(error) ? this.#isolate(batch, error) : this.#giveUp(batch, error);
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
    if (isOutcomeUnknown(error)) {
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
    // The messages of a room share one moment, which is worth not writing out for each.
    const times = new Map<number, string>();
    for (const { roomId, at } of inserted) {
      if (!times.has(roomId)) times.set(roomId, new Date(at).toISOString());
    }
    const messages = inserted.map(({ id, seq, roomId }, index): StoredMessage => {
      const { room, user, content, data, clientId } = stored[index] as Entry;
      return {
        id,
        room: room.name,
        seq,
        rev: seq,
        userId: user.id,
        username: user.username,
        content,
        createdAt: times.get(roomId) as string,
        ...(data != null && { data }),
        ...(clientId !== undefined && { clientId }),
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
    for (const { roomId, at, data, ...row } of await rows<Repeat>(this.db, findRepeats(batch))) {
      known.set(clientKey(roomId, row.userId, row.clientId), {
        ...row,
        createdAt: new Date(at).toISOString(),
        ...(data !== null && { data: JSON.parse(data) }),
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

function toEntry(post: Post, done: (posted: Posted) => void, failed: (error: ChatError) => void) {
  const json = post.data == null ? undefined : JSON.stringify(post.data);
  const cost = post.content.length + (json?.length ?? 0) + POST_COST;
  return { ...post, cost, json, waiting: [{ said: said(post.content, json), done, failed }] };
}

function clientKey(roomId: number, userId: number, clientId: string | undefined) {
  return clientId === undefined ? undefined : `${roomId} ${userId} ${clientId}`;
}

/** What makes two posts the same. */
function said(content: string, json: string | undefined): string {
  return json === undefined ? content : `${content}\0${json}`;
}

/** The first to wait is the one whose post was stored, unless it was stored before. */
function answer(entry: Entry, message: StoredMessage, repeated: boolean): void {
  const stored = repeated
    ? said(message.content, 'data' in message ? JSON.stringify(message.data) : undefined)
    : said(entry.content, entry.json);
  for (const [index, { said, done, failed }] of entry.waiting.entries()) {
    if (said === stored) done({ message, repeated: repeated || index > 0 });
    else failed(new ChatError('conflict', 'This id stands for a message with other content.'));
  }
}

function fail(batch: Entry[], error: ChatError): void {
  for (const { failed } of batch.flatMap(({ waiting }) => waiting)) failed(error);
}

function partition<T>(items: T[], test: (item: T) => boolean): [yes: T[], no: T[]] {
  const yes: T[] = [];
  const no: T[] = [];
  for (const item of items) (test(item) ? yes : no).push(item);
  return [yes, no];
}
