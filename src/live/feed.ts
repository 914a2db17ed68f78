import type { MessageReader } from '../chat/reader.ts';
import { Batcher } from '../lib/batcher.ts';
import type { Cancel, Clock } from '../lib/clock.ts';
import { RetryLoop } from '../lib/retry.ts';
import type { Logger } from '../log.ts';
import { MAX_PAGE_CHANGES } from '../protocol/frames.ts';
import type { StoredMessage } from '../protocol/message.ts';
import type { Room } from '../protocol/room.ts';
import { basicMessage } from './encode.ts';
import { KEPT, Newest } from './newest.ts';
import type { Personal } from './personal.ts';
import { type Publish, topics } from './publisher.ts';
import {
  batchesOf,
  type EncodedChange,
  encodeBatch,
  encodeChange,
  ReplayBuffer,
  withinLimits,
} from './replay-buffer.ts';
import { ShownMessages } from './shown.ts';

export interface FeedParts {
  messages: MessageReader;
  publish: Publish;
  personal: Personal;
  clock: Clock;
  log: Logger;
}

/** The position of a client, as a `join` has it: a `rev` of an epoch, the end, or none yet. */
export interface Cursor {
  since?: number | '$';
  epoch?: string;
}

/** The changes that a client gets at its cursor. */
export interface Page {
  changes: EncodedChange[];
  /** The cursor after this page. */
  rev: number;
  /** Whether the next published change follows this page without a gap. */
  complete: boolean;
  /** Whether the client was in another history, and gets the newest messages of this one. */
  reset: boolean;
}

/** How many of the latest changes are read when a room is opened: a newcomer's messages, if none was changed. */
const LOADED = 10;
/** How many changes a backfill reads at once. */
const READ_AT_ONCE = 100;
/** How long a change may be missing before it is read, in milliseconds: most often it is on its way from another server. */
const HOLE_MS = 50;

/**
 * The changes of a room with subscribers on this server: the latest ones in a replay buffer, and the one place
 * from which changes are published, strictly by `rev`.
 */
export class Feed {
  /** Rejects when the database did not answer. */
  readonly loaded: Promise<void>;

  #replay: ReplayBuffer;
  readonly #newest = new Newest();
  readonly #basic = new ShownMessages();
  #rev: number | undefined;
  /** Changes that arrived ahead of their turn, by `rev`. */
  readonly #reorderBuffer = new Map<number, StoredMessage>();
  /** The changes of this synchronous step, for {@link Feed.#publishTogether}. */
  readonly #shown: EncodedChange[] = [];
  readonly #listeners = new Set<() => void>();
  /** Concurrent requests share one backfill, which starts after them. */
  readonly #backfills: Batcher<undefined, number>;
  readonly #backfillLoop: RetryLoop;
  #extending: Promise<void> | undefined;
  #filling: Promise<void> | undefined;
  #cancelHole: Cancel | undefined;
  #isClosed = false;

  /** @param from the `rev` up to which the room was shown here; undefined when it was not shown */
  constructor(
    private readonly room: Room,
    private readonly parts: FeedParts,
    from?: number,
  ) {
    this.#rev = from;
    this.#replay = new ReplayBuffer([], from ?? 0);
    this.loaded = from === undefined ? this.#load() : Promise.resolve();
    this.#backfills = new Batcher(async (asked) => {
      const { read } = await this.#backfill();
      return asked.map(() => read);
    }, parts.clock);
    this.#backfillLoop = new RetryLoop(parts, 'reading missed changes', () => this.#runBackfill());
  }

  /** Closes the feed: later answers of the database are not published any more. */
  close(): void {
    this.#isClosed = true;
    this.#backfillLoop.close();
    this.#cancelHole?.();
  }

  /** The number of the last published change; 0 until the feed is loaded. */
  get rev(): number {
    return this.#rev ?? 0;
  }

  /** Whether the latest changes have been read. */
  get isLoaded(): boolean {
    return this.#rev !== undefined;
  }

  /** Whether a cursor is in this history, at a `rev` that this server has reached. */
  isInHistory(cursor: Cursor): cursor is Cursor & { since: number } {
    return typeof cursor.since === 'number' && !this.#isOtherHistory(cursor);
  }

  /**
   * Reads changes that the replay buffer lacks from the database, for {@link page}; undefined when it lacks none.
   *
   * @param reader as in {@link MessageReader.page}
   */
  async fetch(cursor: Cursor, reader?: string): Promise<StoredMessage[] | undefined> {
    // The client may come from another server, which is ahead of this one.
    if (typeof cursor.since === 'number' && (cursor.epoch ?? this.room.epoch) === this.room.epoch) {
      await this.#reach(cursor.since);
    }
    if (cursor.since === '$' && !this.#isOtherHistory(cursor)) return undefined;
    const since = this.#since(cursor);
    // After a restart thousands of clients resume at the same `rev`, which is read once for all of them.
    if (since === undefined) {
      if (!this.#newest.isShort) return undefined;
      this.#filling ??= this.#fill().finally(() => {
        this.#filling = undefined;
      });
      await this.#filling;
      return undefined;
    }
    if (since >= this.#replay.startsAfter) return undefined;
    if (this.rev - since <= MAX_PAGE_CHANGES && !this.#replay.isFull) {
      this.#extending ??= this.#extend().finally(() => {
        this.#extending = undefined;
      });
      await this.#extending;
      if (since >= this.#replay.startsAfter) return undefined;
    }
    const next = { after: since, limit: MAX_PAGE_CHANGES };
    return (await this.parts.messages.changes(this.room, next, reader)).messages;
  }

  /**
   * Returns the changes for a cursor. After a complete page, a reader that subscribes in the same synchronous
   * step misses nothing and gets nothing twice; so this is no promise, whose value would be outdated when it
   * arrives.
   *
   * @param fetched the result of {@link fetch}
   */
  page(cursor: Cursor, fetched: StoredMessage[] = []): Page {
    const reset = this.#isOtherHistory(cursor);
    if (cursor.since === '$' && !reset)
      return { changes: [], rev: this.rev, complete: true, reset };
    const since = this.#since(cursor);
    if (since === undefined)
      return { changes: this.#newest.newest(), rev: this.rev, complete: true, reset };
    // Changes that are stored but not published yet will come live.
    const stored = fetched.filter(({ rev }) => rev <= this.rev).map(encodeChange);
    const reached = stored.at(-1)?.rev ?? since;
    const rest = reached >= this.#replay.startsAfter ? this.#replay.after(reached) : [];
    // Messages that were changed since the fetch are in the buffer in their new state.
    const newer = new Set(rest.map(({ message }) => message.id));
    const all = [...stored.filter(({ message }) => !newer.has(message.id)), ...rest];
    const changes = withinLimits(all);
    const rev = changes.at(-1)?.rev ?? reached;
    return { changes, rev, complete: rev === this.rev, reset };
  }

  /**
   * A page of messages, oldest first: those nearest to the bound, as many as fit.
   *
   * @param page `before` and `after` are `seq`s, exclusive; `limit` is 50 by default
   * @param reader as in {@link MessageReader.page}
   */
  async history(
    { before, after, limit = 50 }: { before?: number; after?: number; limit?: number },
    reader?: string,
  ) {
    const page = { before, after, limit };
    const { messages, more } = await this.parts.messages.page(this.room, page, reader);
    const nearest = after === undefined ? messages.toReversed() : messages;
    const texts = withinLimits(nearest.map(encodeChange));
    if (after === undefined) texts.reverse();
    return { texts, more: more || texts.length < messages.length };
  }

  /**
   * Takes in committed messages, in any order and any number of times.
   *
   * @returns whether they belong to this history: false when another change had the `rev` of one, undefined
   *   when one is too old to tell
   */
  push(...messages: StoredMessage[]): boolean | undefined {
    let isOfThisHistory: boolean | undefined = true;
    for (const message of messages) {
      if (this.#rev === undefined || message.rev > this.#rev) {
        this.#reorderBuffer.set(message.rev, message);
      } else if (isOfThisHistory !== false) {
        const isKnown = this.#replay.has(message);
        if (!isKnown) isOfThisHistory = isKnown;
      }
    }
    this.#release();
    return isOfThisHistory;
  }

  /** Reads missing changes from the database, and tries again until it answers. */
  requestBackfill(): void {
    this.#backfillLoop.trigger();
  }

  /** Calls the listener after each change. @returns the function that stops the calls */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether a cursor belongs to another history, or lies beyond this one. */
  #isOtherHistory({ since, epoch }: Cursor): boolean {
    const isOtherEpoch = epoch !== undefined && epoch !== this.room.epoch;
    return isOtherEpoch || (typeof since === 'number' && since > this.rev);
  }

  /** The `rev` after which a client reads on; undefined for a start with the newest messages. */
  #since(cursor: Cursor): number | undefined {
    return this.isInHistory(cursor) ? cursor.since : undefined;
  }

  async #load(): Promise<void> {
    const { messages: latest, more } = await this.#changes({ limit: LOADED });
    if (this.#isClosed) return;
    const isAll = !more;
    const changes = latest.map(encodeChange);
    this.#replay = new ReplayBuffer(changes, isAll ? 0 : (latest[0]?.rev ?? 1) - 1);
    // Without changes to messages, the latest changes are the newest messages.
    if (isAll || latest.every(({ rev, seq }) => rev === seq)) {
      const bySeq = changes.filter(({ message }) => !message.deletedAt);
      this.#newest.fill(
        bySeq.sort((a, b) => a.message.seq - b.message.seq),
        isAll,
      );
    }
    this.#rev = latest.at(-1)?.rev ?? 0;
    // Changes of the meantime have no subscribers yet, except in a direct room.
    for (const [rev, message] of [...this.#reorderBuffer].sort(([a], [b]) => a - b)) {
      if (rev > this.#rev) continue;
      this.#reorderBuffer.delete(rev);
      if (this.room.direct) {
        this.parts.personal.toRoom(this.room, () => encodeChange(message).text);
      }
    }
    this.#release();
  }

  #release(): void {
    if (this.#rev === undefined) return;
    for (;;) {
      const next = this.#reorderBuffer.get(this.#rev + 1);
      if (!next) break;
      this.#show(next);
    }
    this.#publishTogether();
    if (this.#reorderBuffer.size === 0) return;
    this.#cancelHole ??= this.parts.clock.timer(HOLE_MS, () => {
      this.#cancelHole = undefined;
      if (this.#reorderBuffer.size > 0) this.requestBackfill();
    });
  }

  /** Makes a change the latest one of the room, and publishes it. */
  #show(message: StoredMessage): void {
    const before = this.rev;
    this.#reorderBuffer.delete(message.rev);
    this.#rev = message.rev;
    const change = encodeChange(message);
    this.#replay.push(change);
    this.#newest.apply(change);
    if (this.#basic.take(message, before)) {
      this.parts.publish(topics.basic(this.room.id), () => basicMessage(message));
    }
    if (this.room.direct) this.parts.personal.toRoom(this.room, () => change.text);
    else this.parts.publish(topics.full(this.room.id), () => change.text);
    this.#shown.push(change);
    for (const listener of this.#listeners) listener();
  }

  /** Publishes the changes of this synchronous step to subscribers of batches. */
  #publishTogether(): void {
    const shown = this.#shown.splice(0);
    if (this.room.direct) return;
    for (const batch of batchesOf(shown)) {
      this.parts.publish(topics.batched(this.room.id), () => encodeBatch(this.room.name, batch));
    }
  }

  /** Fills the replay buffer backwards, up to its size. */
  async #extend(): Promise<void> {
    const { startsAfter: upTo, space: limit } = this.#replay;
    const { messages: older, more } = await this.#changes({ upTo, limit });
    // The buffer may have moved on meanwhile; then there would be a gap.
    if (this.#replay.startsAfter !== upTo) return;
    const [oldest] = older;
    this.#replay.extend(older.map(encodeChange), oldest && more ? oldest.rev - 1 : 0);
  }

  /** Reads the newest messages, after too many of the known ones were deleted. */
  async #fill(): Promise<void> {
    for (;;) {
      const from = this.rev;
      const found = await this.parts.messages.newest(this.room, KEPT);
      await this.#reach(Math.max(0, ...found.map(({ rev }) => rev)));
      if (from < this.#replay.startsAfter) continue;
      this.#newest.fill(found.map(encodeChange), found.length < KEPT);
      // Messages with changes published since may have been read in their earlier state.
      for (const change of this.#replay.after(from)) this.#newest.apply(change);
      return;
    }
  }

  /** Returns when all stored changes up to a `rev` are published, or lost. */
  async #reach(rev: number): Promise<void> {
    while (this.rev < rev && (await this.#backfills.add(undefined)) > 0);
  }

  /** Reads changes as a reader of its own, so that readers of other rooms do not delay the feed. */
  #changes(page: { after?: number; upTo?: number; limit: number }) {
    return this.parts.messages.changes(this.room, page, `room ${this.room.id}`);
  }

  /** Publishes the next stored changes. @returns the number of changes read, and whether there are more */
  async #backfill(): Promise<{ read: number; more: boolean }> {
    const { messages, more } = await this.#changes({ after: this.rev, limit: READ_AT_ONCE });
    if (this.#isClosed) return { read: 0, more: false };
    // A missing number between them is a change that a later one has replaced.
    for (const message of messages) if (message.rev > this.rev) this.#show(message);
    if (!more) this.#basic.settle();
    for (const rev of this.#reorderBuffer.keys())
      if (rev <= this.rev) this.#reorderBuffer.delete(rev);
    this.#release();
    return { read: messages.length, more };
  }

  async #runBackfill(): Promise<void> {
    await this.loaded;
    if ((await this.#backfill()).more) this.requestBackfill();
  }
}
