import type { MessageReader } from '../chat/reader.ts';
import { Batcher } from '../lib/batcher.ts';
import type { Cancel, Clock } from '../lib/clock.ts';
import { RetryLoop } from '../lib/retry.ts';
import type { Logger } from '../log.ts';
import type { StoredMessage } from '../protocol/message.ts';
import type { Room } from '../protocol/room.ts';
import {
  basicMessage,
  batchesOf,
  type EncodedChange,
  encodeBatch,
  encodeChange,
} from './encode.ts';
import { type Personal, type Publish, topics } from './publisher.ts';
import { Newest, ReplayBuffer } from './replay-buffer.ts';

/** The parts that the feeds of all rooms share. */
export interface FeedParts {
  messages: MessageReader;
  publish: Publish;
  personal: Personal;
  clock: Clock;
  log: Logger;
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
  /** The look-up of the latest changes, while it lasts; rejects when the database did not answer. */
  loading: Promise<void> | undefined;

  /** The latest changes. */
  readonly replay: ReplayBuffer;
  /** The newest messages. */
  readonly newest = new Newest();
  readonly #room: Room;
  readonly #basic = new ShownMessages();
  #rev: number | undefined;
  /** Changes that arrived ahead of their turn, by `rev`. */
  readonly #reorderBuffer = new Map<number, StoredMessage>();
  /** The changes of this synchronous step, for {@link Feed.#publishTogether}. */
  #shown: EncodedChange[] | undefined;
  #listeners: Set<() => void> | undefined;
  /** Concurrent requests share one backfill, which starts after them. */
  #backfills: Batcher<undefined, number> | undefined;
  #backfillLoop: RetryLoop | undefined;
  #cancelHole: Cancel | undefined;
  #isClosed = false;

  /** @param from the `rev` up to which the room was shown here; undefined when it was not shown */
  constructor(
    private readonly parts: FeedParts,
    room: Room,
    from?: number,
  ) {
    this.#room = room;
    this.#rev = from;
    this.replay = new ReplayBuffer(from ?? 0);
    if (from === undefined) this.loading = this.#load();
  }

  /** Closes the feed: later answers of the database are not published any more. */
  close(): void {
    this.#isClosed = true;
    this.#backfillLoop?.close();
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

  /** Whether changes may be missing, which are being read. */
  get isBehind(): boolean {
    return this.#reorderBuffer.size > 0 || this.#backfillLoop?.isRunning === true;
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
      // The usual case, without the detour.
      if (this.#rev === message.rev - 1) {
        this.#show(message);
      } else if (this.#rev === undefined || message.rev > this.#rev) {
        this.#reorderBuffer.set(message.rev, message);
      } else if (isOfThisHistory !== false) {
        const isKnown = this.replay.has(message);
        if (!isKnown) isOfThisHistory = isKnown;
      }
    }
    this.#release();
    return isOfThisHistory;
  }

  /** Reads missing changes from the database, and tries again until it answers. */
  requestBackfill(): void {
    if (this.#isClosed) return;
    this.#backfillLoop ??= new RetryLoop({
      ...this.parts,
      name: 'reading missed changes',
      work: () => this.#runBackfill(),
    });
    this.#backfillLoop.trigger();
  }

  /** Returns when all stored changes up to a `rev` are published, or lost. */
  async reach(rev: number): Promise<void> {
    while (this.rev < rev && (await this.#shareBackfill()) > 0);
  }

  /** Reads changes as a reader of its own, so that readers of other rooms do not delay the feed. */
  read(page: { after?: number; upTo?: number; limit: number }) {
    return this.parts.messages.changes(this.#room, page, [`room ${this.#room.id}`]);
  }

  /** Calls the listener after each change. @returns the function that stops the calls */
  onChange(listener: () => void): () => void {
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
    return () => this.#listeners?.delete(listener);
  }

  async #load(): Promise<void> {
    const { messages: latest, more } = await this.read({ limit: LOADED });
    if (this.#isClosed) return;
    const isAll = !more;
    const changes = latest.map(encodeChange);
    this.replay.fill(changes, isAll ? 0 : (latest[0]?.rev ?? 1) - 1);
    // Without changes to messages, the latest changes are the newest messages.
    if (isAll || latest.every(({ rev, seq }) => rev === seq)) {
      const bySeq = changes.filter(({ message }) => !message.deletedAt);
      this.newest.fill(
        bySeq.sort((a, b) => a.message.seq - b.message.seq),
        isAll,
      );
    }
    this.#rev = latest.at(-1)?.rev ?? 0;
    this.loading = undefined;
    // Changes of the meantime have no subscribers yet, except in a direct room.
    for (const [rev, message] of [...this.#reorderBuffer].sort(([a], [b]) => a - b)) {
      if (rev > this.#rev) continue;
      this.#reorderBuffer.delete(rev);
      if (this.#room.direct) {
        this.parts.personal.toRoom(this.#room, () => encodeChange(message).text);
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
    this.replay.push(change);
    this.newest.apply(change);
    if (this.#basic.take(message, before)) {
      this.parts.publish(topics.basic(this.#room.id), () => basicMessage(message));
    }
    if (this.#room.direct) this.parts.personal.toRoom(this.#room, () => change.text);
    else this.parts.publish(topics.full(this.#room.id), () => change.text);
    this.#shown ??= [];
    this.#shown.push(change);
    for (const listener of this.#listeners ?? []) listener();
  }

  /** Publishes the changes of this synchronous step to subscribers of batches. */
  #publishTogether(): void {
    const shown = this.#shown;
    this.#shown = undefined;
    if (!shown || this.#room.direct) return;
    for (const batch of batchesOf(shown)) {
      this.parts.publish(topics.batched(this.#room.id), () => encodeBatch(this.#room.name, batch));
    }
  }

  /** @returns the number of changes read */
  #shareBackfill(): Promise<number> {
    const run = async (asked: undefined[]) => {
      const { read } = await this.#backfill();
      return asked.map(() => read);
    };
    this.#backfills ??= new Batcher({ run, clock: this.parts.clock });
    return this.#backfills.add(undefined);
  }

  /** Publishes the next stored changes. @returns the number of changes read, and whether there are more */
  async #backfill(): Promise<{ read: number; more: boolean }> {
    const { messages, more } = await this.read({ after: this.rev, limit: READ_AT_ONCE });
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
    await this.loading;
    if ((await this.#backfill()).more) this.requestBackfill();
  }
}

/**
 * The messages of a room that were shown to its clients of protocol 0, which see each once, without changes. When
 * a room catches up, a message may come in the state of a later change, behind newer messages.
 */
export class ShownMessages {
  /** The ranges of `rev`s that were skipped, since later changes of the same messages had replaced them. */
  #skipped: { from: number; to: number }[] | undefined;
  /** The `seq`s in these ranges whose messages have been shown since. */
  #shown: Set<number> | undefined;

  /**
   * Handles the next change of the room.
   *
   * @param before the `rev` of the previous change
   * @returns whether to show the message: it is new in protocol 0, and not deleted
   */
  take({ seq, rev, deletedAt }: StoredMessage, before: number): boolean {
    if (rev > before + 1) {
      this.#skipped ??= [];
      this.#skipped.push({ from: before + 1, to: rev - 1 });
    }
    const isSkipped = this.#skipped?.some(({ from, to }) => from <= seq && seq <= to) === true;
    const isNew = seq === rev || (isSkipped && !this.#shown?.has(seq));
    if (isSkipped) this.#shown = (this.#shown ?? new Set()).add(seq);
    return isNew && !deletedAt;
  }

  /** Forgets skipped ranges, of which no message can come any more. */
  settle(): void {
    this.#skipped = undefined;
    this.#shown = undefined;
  }
}
