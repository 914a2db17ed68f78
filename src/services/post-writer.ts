import { isAboutARow, sqlState } from '../db/failures.ts';
import { type Database, rows } from '../db/index.ts';
import { ChatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Person } from '../types/identity.ts';
import type { StoredMessage } from '../types/rest.ts';
import type { Room } from '../types/room.ts';
import { giveUp, type WriterEvents } from './batches.ts';
import { findRepeats, type Inserted, insertBatch, type Repeat } from './post-statements.ts';

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

/** A post and all who wait for it: more than one when the same client id came again. */
export interface PostEntry extends Post {
  cost: number;
  /** `data` as JSON. */
  json: string | undefined;
  waiting: { said: string; done(posted: Posted): void; failed(error: ChatError): void }[];
}

/** What a post costs beside its content and data, in the same measure: UTF-16 units. */
const POST_COST = 200;

const UNIQUE_VIOLATION = '23505';

export function toEntry(
  post: Post,
  done: (posted: Posted) => void,
  failed: (error: ChatError) => void,
): PostEntry {
  const json = post.data == null ? undefined : JSON.stringify(post.data);
  const cost = post.content.length + (json?.length ?? 0) + POST_COST;
  return { ...post, cost, json, waiting: [{ said: said(post.content, json), done, failed }] };
}

/** What makes a post one that may have come before; undefined for one without a client id. */
export function clientKey(roomId: number, userId: number, clientId: string | undefined) {
  return clientId === undefined ? undefined : `${roomId} ${userId} ${clientId}`;
}

/** Commits batches of posts, each in one statement as long as nothing is wrong with any. */
export class PostWriter {
  constructor(
    private readonly db: Database,
    private readonly events: WriterEvents,
    private readonly log: Logger,
  ) {}

  /** Settles every entry of a batch, in which each client id stands once; never throws. */
  async commit(batch: PostEntry[]): Promise<void> {
    if (batch.length === 0) return;
    let inserted: Inserted[];
    try {
      inserted = await rows<Inserted>(this.db, insertBatch(batch));
    } catch (error) {
      return this.#recover(batch, error);
    }
    this.#settle(batch, inserted);
  }

  /** Answers what an earlier post had stored with that post's result, and returns the others. */
  async settleRepeats(batch: PostEntry[]): Promise<PostEntry[]> {
    const known = new Map<string | undefined, StoredMessage>();
    for (const { roomId, at, data, ...row } of await rows<Repeat>(this.db, findRepeats(batch))) {
      known.set(clientKey(roomId, row.userId, row.clientId), {
        ...row,
        createdAt: new Date(at).toISOString(),
        ...(data !== null && { data: JSON.parse(data) }),
      });
    }
    const first = ({ room, user, clientId }: PostEntry) =>
      known.get(clientKey(room.id, user.id, clientId));
    const [repeats, rest] = partition(batch, (entry) => first(entry) !== undefined);
    for (const entry of repeats) answer(entry, first(entry) as StoredMessage, true);
    return rest;
  }

  async #recover(batch: PostEntry[], error: unknown): Promise<void> {
    if (sqlState(error) === UNIQUE_VIOLATION) {
      let rest: PostEntry[];
      try {
        rest = await this.settleRepeats(batch);
      } catch (failure) {
        return this.#giveUp(batch, failure);
      }
      if (rest.length < batch.length) return this.commit(rest);
    }
    return isAboutARow(error) ? this.#isolate(batch, error) : this.#giveUp(batch, error);
  }

  #giveUp(batch: PostEntry[], error: unknown): void {
    fail(batch, giveUp(batch, error, this.events, this.log));
  }

  /** One bad row must not fail the others: halves the batch until it stands alone. */
  async #isolate(batch: PostEntry[], error: unknown): Promise<void> {
    if (batch.length === 1) {
      // Without the reason: Postgres may quote the content in it.
      this.log.error({ state: sqlState(error) }, 'a post was refused');
      fail(batch, new ChatError('internal', 'The database refused this message.'));
      return;
    }
    const half = batch.length >> 1;
    await this.commit(batch.slice(0, half));
    await this.commit(batch.slice(half));
  }

  #settle(batch: PostEntry[], inserted: Inserted[]): void {
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
      const { room, user, content, data, clientId } = stored[index] as PostEntry;
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
    this.events.onCommit(messages.map((message, n) => [(stored[n] as PostEntry).room, message]));
    for (const [index, message] of messages.entries()) {
      answer(stored[index] as PostEntry, message, false);
    }
    fail(roomless, new ChatError('not_found', 'This room is gone.'));
  }
}

/** What makes two posts the same. */
function said(content: string, json: string | undefined): string {
  return json === undefined ? content : `${content}\0${json}`;
}

/** The first to wait is the one whose post was stored, unless it was stored before. */
function answer(entry: PostEntry, message: StoredMessage, repeated: boolean): void {
  const stored = repeated
    ? said(message.content, 'data' in message ? JSON.stringify(message.data) : undefined)
    : said(entry.content, entry.json);
  for (const [index, { said, done, failed }] of entry.waiting.entries()) {
    if (said === stored) done({ message, repeated: repeated || index > 0 });
    else failed(new ChatError('conflict', 'This id stands for a message with other content.'));
  }
}

function fail(batch: PostEntry[], error: ChatError): void {
  for (const { failed } of batch.flatMap(({ waiting }) => waiting)) failed(error);
}

function partition<T>(items: T[], test: (item: T) => boolean): [yes: T[], no: T[]] {
  const yes: T[] = [];
  const no: T[] = [];
  for (const item of items) (test(item) ? yes : no).push(item);
  return [yes, no];
}
