import { createHash } from 'node:crypto';
import { isAboutARow, sqlState } from '../db/failures.ts';
import { type Database, rows } from '../db/index.ts';
import { ChatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Person } from '../types/identity.ts';
import type { StoredMessage } from '../types/rest.ts';
import type { Room } from '../types/room.ts';
import { giveUp, mentionsJson, type WriterEvents } from './batches.ts';
import { findMentioned } from './mentions.ts';
import { type MessageReader, recipient } from './message-reader.ts';
import {
  findRepeats,
  findRooms,
  type Inserted,
  insertBatch,
  type Repeat,
} from './post-statements.ts';
import { lexemes } from './words.ts';

/** A message on its way to the database. */
export interface Post {
  room: Room;
  user: Person;
  content: string;
  /** Unique per room and user, for ever. */
  clientId?: string | undefined;
  /** Any JSON value, for programs. */
  data?: unknown;
  /** The id of an earlier message of the room. */
  replyTo?: number | undefined;
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
  waiting: { said: Said; done(posted: Posted): void; failed(error: ChatError): void }[];
}

/** What makes two posts the same. */
interface Said {
  content: string;
  json: string | undefined;
  replyTo: number | undefined;
}

/** A post that is ready to be written. */
type Row = Parameters<typeof insertBatch>[0][number];
type ReadyEntry = PostEntry & Row & { mentioned: Person[] };

/** What a post costs beside its content and data, in the same measure: UTF-16 units. */
const POST_COST = 200;

const UNIQUE_VIOLATION = '23505';

export function toEntry(
  post: Post,
  done: (posted: Posted) => void,
  failed: (error: ChatError) => void,
): PostEntry {
  const { content, data, replyTo } = post;
  const json = data == null ? undefined : JSON.stringify(data);
  const cost = content.length + (json?.length ?? 0) + POST_COST;
  return { ...post, cost, json, waiting: [{ said: { content, json, replyTo }, done, failed }] };
}

/** What makes a post one that may have come before; undefined for one without a client id. */
export function clientKey(roomId: number, userId: number, clientId: string | undefined) {
  return clientId === undefined ? undefined : `${roomId} ${userId} ${clientId}`;
}

interface Replied {
  id: number;
  roomId: number;
}

/** Commits batches of posts, each in one statement as long as nothing is wrong with any. */
export class PostWriter {
  constructor(
    private readonly db: Database,
    private readonly messages: MessageReader,
    private readonly events: WriterEvents,
    private readonly log: Logger,
  ) {}

  /** Settles every entry of a batch, in which each client id stands once; never throws. */
  async commit(batch: PostEntry[]): Promise<void> {
    let ready: ReadyEntry[];
    try {
      ready = await this.#prepare(batch);
    } catch (error) {
      return this.#giveUp(batch, error);
    }
    await this.#write(ready);
  }

  /** Finds out whom they mention, and refuses replies to what is not there. */
  async #prepare(batch: PostEntry[]): Promise<ReadyEntry[]> {
    const [mentioned, isThere] = await Promise.all([
      findMentioned(this.db, batch),
      this.#findReplied(batch),
    ]);
    const ready = batch.map((entry, n) => toReady(entry, mentioned[n] ?? []));
    const [good, bad] = partition(ready, isThere);
    fail(
      bad,
      new ChatError('not_found', 'There is no message of this id to reply to in this room.'),
    );
    return good;
  }

  async #findReplied(batch: PostEntry[]): Promise<(entry: PostEntry) => boolean> {
    const ids = batch.flatMap(({ replyTo }) => replyTo ?? []);
    const found = ids.length > 0 ? await rows<Replied>(this.db, findRooms(ids)) : [];
    const roomOf = new Map(found.map(({ id, roomId }) => [id, roomId]));
    return ({ replyTo, room }) => replyTo === undefined || roomOf.get(replyTo) === room.id;
  }

  async #write(batch: ReadyEntry[]): Promise<void> {
    if (batch.length === 0) return;
    let inserted: Inserted[];
    try {
      inserted = await rows<Inserted>(this.db, insertBatch(batch));
    } catch (error) {
      return this.#recover(batch, error);
    }
    this.#settle(batch, inserted);
  }

  /** Answers what an earlier post had stored with what came of it, and returns the others. */
  async settleRepeats<Entry extends PostEntry>(batch: Entry[]): Promise<Entry[]> {
    const found = await rows<Repeat>(this.db, findRepeats(batch));
    const rooms = new Map(batch.map(({ room }) => [room.id, room]));
    const messages = await this.messages.byIds(
      rooms,
      found.map(({ id }) => id),
    );
    const known = new Map(
      found.map((row) => [clientKey(row.roomId, row.userId, row.clientId), row]),
    );
    const first = ({ room, user, clientId }: PostEntry) =>
      known.get(clientKey(room.id, user.id, clientId));
    const [repeats, rest] = partition(batch, (entry) => first(entry) !== undefined);
    for (const entry of repeats) {
      const repeat = first(entry) as Repeat;
      const message = messages.get(repeat.id) as StoredMessage;
      for (const { said, done, failed } of entry.waiting) {
        if (isRepeated(repeat, said)) done({ message, repeated: true });
        else failed(otherContent());
      }
    }
    return rest;
  }

  async #recover(batch: ReadyEntry[], error: unknown): Promise<void> {
    if (sqlState(error) === UNIQUE_VIOLATION) {
      let rest: ReadyEntry[];
      try {
        rest = await this.settleRepeats(batch);
      } catch (failure) {
        return this.#giveUp(batch, failure);
      }
      if (rest.length < batch.length) return this.#write(rest);
    }
    return isAboutARow(error) ? this.#isolate(batch, error) : this.#giveUp(batch, error);
  }

  #giveUp(batch: PostEntry[], error: unknown): void {
    fail(batch, giveUp(batch, error, this.events, this.log));
  }

  /** One bad row must not fail the others: halves the batch until it stands alone. */
  async #isolate(batch: ReadyEntry[], error: unknown): Promise<void> {
    if (batch.length === 1) {
      // Without the reason: Postgres may quote the content in it.
      this.log.error({ state: sqlState(error) }, 'a post was refused');
      fail(batch, new ChatError('internal', 'The database refused this message.'));
      return;
    }
    const half = batch.length >> 1;
    await this.#write(batch.slice(0, half));
    await this.#write(batch.slice(half));
  }

  #settle(batch: ReadyEntry[], inserted: Inserted[]): void {
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
      const entry = stored[index] as ReadyEntry;
      const { room, user, content, data, clientId, replyTo, mentioned } = entry;
      return {
        id,
        room: room.name,
        seq,
        rev: seq,
        userId: user.id,
        username: user.username,
        content,
        createdAt: times.get(roomId) as string,
        ...recipient(room, user.id),
        ...(replyTo !== undefined && { replyTo }),
        ...(data != null && { data }),
        ...(mentioned.length > 0 && { mentions: mentioned.map(({ username }) => username) }),
        ...(clientId !== undefined && { clientId }),
      };
    });
    this.events.onCommit(messages.map((message, n) => [(stored[n] as ReadyEntry).room, message]));
    this.#tellOf(stored, messages);
    for (const [index, message] of messages.entries()) {
      const { waiting, content, json, replyTo } = stored[index] as ReadyEntry;
      for (const [n, { said, done, failed }] of waiting.entries()) {
        if (isSame(said, { content, json, replyTo })) done({ message, repeated: n > 0 });
        else failed(otherContent());
      }
    }
    fail(roomless, new ChatError('not_found', 'This room is gone.'));
  }

  #tellOf(batch: ReadyEntry[], messages: StoredMessage[]): void {
    const told = messages.filter((_, n) => (batch[n] as ReadyEntry).notices.length > 0);
    if (told.length === 0) return;
    const userIds = batch.flatMap(({ notices }) => notices.map(({ userId }) => userId));
    this.events.onNotify({ userIds, messageIds: told.map(({ id }) => id) });
  }
}

function toReady(entry: PostEntry, mentioned: Person[]): ReadyEntry {
  const { room, user, content } = entry;
  const partners = room.direct?.filter(({ id }) => id !== user.id);
  const told = partners ?? mentioned.filter(({ id }) => id !== user.id);
  const kind = partners ? 'direct' : 'mention';
  return {
    ...entry,
    mentioned,
    words: lexemes(room.id, content).join(' '),
    mentions: mentionsJson(mentioned),
    notices: told.map(({ id: userId }) => ({ userId, kind })),
  };
}

function isSame(one: Said, other: Said): boolean {
  const isSameAnswer = one.replyTo === other.replyTo && one.json === other.json;
  return isSameAnswer && one.content === other.content;
}

/** Whether this is what was posted then, whatever has become of it; what was deleted cannot be compared. */
function isRepeated({ data, replyTo, content, postedDigest, isDeleted }: Repeat, said: Said) {
  if (isDeleted) return true;
  const json = data ?? undefined;
  const then = { ...said, content, json, replyTo: replyTo ?? undefined };
  if (postedDigest === null) return isSame(said, then);
  const digest = createHash('sha256').update(said.content).digest('hex');
  return isSame(said, { ...then, content: said.content }) && digest === postedDigest;
}

function otherContent(): ChatError {
  return new ChatError('conflict', 'This id stands for a message with other content.');
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
