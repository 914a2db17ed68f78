import { toChatError } from '../db/failures.ts';
import type { Database } from '../db/index.ts';
import { ChatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { StoredMessage } from '../types/rest.ts';
import type { WriterEvents } from './batches.ts';
import { type ChangeEntry, ChangeWriter, type MessageChange } from './change-writer.ts';
import type { MessageReader } from './message-reader.ts';
import {
  clientKey,
  type Post,
  type PostEntry,
  type Posted,
  PostWriter,
  toEntry,
} from './post-writer.ts';

const MAX_BATCH_SIZE = 1000;
/** UTF-16 units of content and data in one statement; larger ones gain nothing and hold up the queries behind. */
const MAX_BATCH_COST = 1024 * 1024;
/** What a change costs beside its new content, in the same measure. */
const CHANGE_COST = 200;
/** What may wait, in the same measure: two to three seconds of work for a small Postgres. */
const MAX_QUEUE_COST = 16 * 1024 * 1024;

/**
 * Commits changes in groups: while one statement runs, what arrives waits and goes into the next.
 * There is no timer, so an idle server writes at once and a busy one hundreds per statement.
 */
export class MessageWriter {
  #posts: PostEntry[] = [];
  #changes: ChangeEntry[] = [];
  #queueCost = 0;
  #running: Promise<void> | undefined;
  #closed = false;
  readonly #postWriter: PostWriter;
  readonly #changeWriter: ChangeWriter;

  constructor(db: Database, messages: MessageReader, events: WriterEvents, log: Logger) {
    this.#postWriter = new PostWriter(db, messages, events, log);
    this.#changeWriter = new ChangeWriter(db, messages, events, log);
  }

  /**
   * Takes a post; posts of one room are stored in the order in which they were taken.
   *
   * @returns once the database has committed it
   * @throws {ChatError} `overloaded` past the bound of the queue, `conflict` when the client id
   *   stands for other content, `not_found` when the room or the message replied to is not there,
   *   `unavailable` when the database gave no answer (send again with the same id)
   */
  write(post: Post): Promise<Posted> {
    return new Promise((done, failed) => {
      const entry = toEntry(post, done, failed);
      this.#take(entry.cost);
      this.#posts.push(entry);
    });
  }

  /**
   * Takes a change to a message; the changes of one message take effect in the order in which they were
   * taken, but posts that wait go first.
   *
   * @returns the message as it now is, once the database has committed it or found that it changes nothing;
   *   its `rev` is that of this change or, when it changed nothing, as it was
   * @throws {ChatError} `not_found` when the message is not there or, but for deleting it, is deleted;
   *   `conflict` for one reaction too many; `overloaded`, `unavailable`
   */
  change(change: MessageChange): Promise<StoredMessage> {
    return new Promise((done, failed) => {
      const length = 'content' in change.action ? change.action.content.length : 0;
      const cost = length + CHANGE_COST;
      this.#take(cost);
      this.#changes.push({ ...change, cost, done, failed });
    });
  }

  /**
   * What an earlier post with the same client id has stored; undefined when there was none.
   *
   * @throws {ChatError} `conflict` when the client id stands for other content
   */
  recall(post: Post): Promise<Posted | undefined> {
    return new Promise((done, failed) => {
      this.#postWriter
        .settleRepeats([toEntry(post, done, failed)])
        .then((rest) => rest.length > 0 && done(undefined))
        .catch((error) => failed(toChatError(error)));
    });
  }

  /** Takes nothing more, and returns when all that was taken is settled. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  /** @throws {ChatError} when there is no place for an entry of this cost */
  #take(cost: number): void {
    if (this.#closed) {
      throw new ChatError('unavailable', 'The server is stopping; send this again soon.', 1);
    }
    if (this.#queueCost + cost > MAX_QUEUE_COST) {
      throw new ChatError('overloaded', 'Too much is being said at once; try again.', 1);
    }
    this.#queueCost += cost;
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // What arrives in the same turn of the event loop goes into the first batch too.
    await new Promise(setImmediate);
    while (this.#posts.length > 0 || this.#changes.length > 0) {
      if (this.#posts.length > 0) await this.#postWriter.commit(this.#nextPosts());
      if (this.#changes.length > 0) await this.#changeWriter.commit(this.#nextChanges());
    }
    this.#running = undefined;
  }

  #nextPosts(): PostEntry[] {
    const batch: PostEntry[] = [];
    const byClientId = new Map<string, PostEntry>();
    let taken = 0;
    let cost = 0;
    for (const entry of this.#posts) {
      if (isWhole(batch, cost + entry.cost)) break;
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
    this.#posts.splice(0, taken);
    this.#queueCost -= cost;
    return batch;
  }

  /** One edit or deletion of a message, or different reactions to it: what one statement can do. */
  #nextChanges(): ChangeEntry[] {
    const batch: ChangeEntry[] = [];
    const rewritten = new Set<number>();
    const reacted = new Map<number, Set<string>>();
    let cost = 0;
    for (const entry of this.#changes) {
      const { messageId, userId, action } = entry;
      if (isWhole(batch, cost + entry.cost) || rewritten.has(messageId)) break;
      const reactions = reacted.get(messageId);
      if ('emoji' in action) {
        const reaction = `${userId} ${action.emoji}`;
        if (reactions?.has(reaction)) break;
        reacted.set(messageId, (reactions ?? new Set()).add(reaction));
      } else {
        if (reactions) break;
        rewritten.add(messageId);
      }
      batch.push(entry);
      cost += entry.cost;
    }
    this.#changes.splice(0, batch.length);
    this.#queueCost -= cost;
    return batch;
  }
}

function isWhole(batch: unknown[], nextCost: number): boolean {
  return batch.length === MAX_BATCH_SIZE || (batch.length > 0 && nextCost > MAX_BATCH_COST);
}
