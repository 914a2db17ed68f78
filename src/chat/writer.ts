import { toChatError } from '../db/failures.ts';
import type { OpenDatabase } from '../db/index.ts';
import { ChatError } from '../errors.ts';
import { Batcher } from '../lib/batcher.ts';
import type { Cancel, Clock } from '../lib/clock.ts';
import { Semaphore } from '../lib/semaphore.ts';
import type { Logger } from '../log.ts';
import type { StoredMessage } from '../protocol/message.ts';
import { ChangeCommitter } from './changes.ts';
import { settleDuplicates } from './duplicates.ts';
import {
  type MessageChange,
  noAnswer,
  type Post,
  type Posted,
  type QueuedChange,
  type QueuedPost,
  toEntry,
  Waiter,
} from './entries.ts';
import { Lane } from './lane.ts';
import { LostCommits, type WriterEvents } from './lost-commits.ts';
import { PostCommitter } from './posts.ts';
import type { MessageReader } from './reader.ts';

/** The cost of a change beside its new content, in UTF-16 units. */
const CHANGE_COST = 200;
/** The most cost in all lanes, in the same unit: two to three seconds of work for a small Postgres. */
const MAX_QUEUE_COST = 16 * 1024 * 1024;
/** The most look-ups of one statement, and the most that may wait. */
const LOOK_UPS_AT_ONCE = 100;
const MAX_LOOK_UPS = 200;
/** How often the deadlines of waiting entries are checked, in milliseconds. */
const LOOK_EVERY_MS = 250;

/** The parts of a database that the writer needs. */
export type WriterDatabase = Pick<
  OpenDatabase,
  'db' | 'writes' | 'lanes' | 'blockedLanes' | 'timeout'
>;

/**
 * Writes every change of every room. Each room belongs to one of a few lanes, each with a statement of its own
 * under way. A room whose row another session holds gets a lane of its own until that is empty, so that it
 * delays no other room.
 */
export class MessageWriter {
  readonly #lanes: Lane[];
  /** The lanes of rooms that other sessions hold, by room id. */
  readonly #blocked = new Map<number, Lane>();
  readonly #turns: Semaphore;
  readonly #waiting = new Set<Waiter<never>>();
  #expiry: Cancel | undefined;
  #cost = 0;
  #closed = false;
  readonly #lost: LostCommits;
  readonly #posts: PostCommitter;
  readonly #changes: ChangeCommitter;
  readonly #lookUps: Batcher<QueuedPost, boolean>;

  constructor(
    private readonly parts: {
      database: WriterDatabase;
      messages: MessageReader;
      events: WriterEvents;
      clock: Clock;
      log: Logger;
    },
  ) {
    const { database, messages, events, clock, log } = parts;
    const { db, writes, timeout, lanes, blockedLanes } = database;
    this.#turns = new Semaphore(blockedLanes);
    this.#lost = new LostCommits({ db, events, clock, log }, timeout);
    const shared = { db, writes, messages, events, lost: this.#lost, log };
    this.#posts = new PostCommitter({ ...shared, clock, timeout });
    this.#changes = new ChangeCommitter(shared);
    const lookUp = async (entries: QueuedPost[]) => {
      const rest = new Set(await settleDuplicates(entries, shared));
      return entries.map((entry) => rest.has(entry));
    };
    this.#lookUps = new Batcher({ run: lookUp, clock, most: LOOK_UPS_AT_ONCE });
    this.#lanes = Array.from({ length: lanes }, () => this.#lane());
  }

  /**
   * Stores a post; posts of one room are stored in the order of the calls.
   *
   * @param until the monotonic time at which it is given up at the latest, in milliseconds
   * @returns once the database has committed it
   * @throws {ChatError} `overloaded` past the bound of the queue, `conflict` when the client id was used
   *   for other content, `not_found` when the room or the message replied to does not exist, `unavailable` when
   *   the database did not answer in time (send again with the same id)
   */
  write(post: Post, until?: number): Promise<Posted> {
    return new Promise((done, failed) => {
      const entry = toEntry(post, (cost) => this.#wait(cost, done, failed, until));
      this.#laneOf(post.room.id).addPost(entry);
    });
  }

  /**
   * Stores a change to a message; changes of one message take effect in the order of the calls, but after posts
   * that wait.
   *
   * @param until as in {@link write}
   * @returns the message in its new state, once the change is committed or found to have no effect; `rev` is that
   *   of this change or, without effect, the earlier one
   * @throws {ChatError} `not_found` when the message does not exist or, unless it is to be deleted, is
   *   deleted; `conflict` past the most different reactions; `overloaded`, `unavailable`
   */
  change(change: MessageChange, until?: number): Promise<StoredMessage> {
    return new Promise((done, failed) => {
      const length = 'content' in change.action ? change.action.content.length : 0;
      const cost = length + CHANGE_COST;
      const waiter = this.#wait(cost, done, failed, until);
      this.#laneOf(change.room.id).addChange({ ...change, cost, waiter });
    });
  }

  /**
   * Returns the message that an earlier post with the same client id has stored; undefined without one.
   *
   * @throws {ChatError} `conflict` when the client id was used for other content
   */
  findDuplicate(post: Post): Promise<Posted | undefined> {
    return new Promise((done, failed) => {
      this.#lookUps
        .add(toEntry(post, (cost) => new Waiter({ resolve: done, reject: failed, cost })))
        .then((isNew) => isNew && done(undefined))
        .catch((error) => failed(toChatError(error)));
    });
  }

  /** Whether so many look-ups wait that more would delay others. */
  get isLookingUpMuch(): boolean {
    return this.#lookUps.waiting >= MAX_LOOK_UPS;
  }

  /** Refuses further entries, and returns when accepted ones are settled. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const lane of this.#lanes) await lane.settled();
    for (const lane of [...this.#blocked.values()]) await lane.settled();
    this.#lost.close();
    this.#expiry?.();
  }

  /** @throws {ChatError} when the queue has no room for an entry of this cost */
  #wait<Answer>(
    cost: number,
    done: (answer: Answer) => void,
    failed: (error: ChatError) => void,
    latest = Number.POSITIVE_INFINITY,
  ): Waiter<Answer> {
    if (this.#closed) {
      throw new ChatError('unavailable', 'The server is stopping; send this again soon.', 1);
    }
    if (this.#cost + cost > MAX_QUEUE_COST) {
      throw new ChatError(
        'overloaded',
        'Too many messages are being written at once; try again.',
        1,
      );
    }
    this.#cost += cost;
    const { clock, database } = this.parts;
    const until = Math.min(latest, clock.monotonic() + database.timeout * 1000);
    const onSettled = this.#onSettled;
    const waiter = new Waiter({ resolve: done, reject: failed, cost, until, onSettled });
    this.#waiting.add(waiter);
    this.#expiry ??= this.parts.clock.every(LOOK_EVERY_MS, () => this.#expire());
    return waiter;
  }

  readonly #onSettled = (waiter: Waiter<never>) => {
    this.#cost -= waiter.cost;
    this.#waiting.delete(waiter);
  };

  /** Answers senders whose deadline has passed; their entries are not written any more. */
  #expire(): void {
    const now = this.parts.clock.monotonic();
    for (const waiter of this.#waiting) if (waiter.until < now) waiter.failed(noAnswer());
    if (this.#waiting.size > 0) return;
    this.#expiry?.();
    this.#expiry = undefined;
  }

  #laneOf(roomId: number): Lane {
    return this.#blocked.get(roomId) ?? (this.#lanes[roomId % this.#lanes.length] as Lane);
  }

  #lane(): Lane {
    const lane: Lane = new Lane({
      posts: this.#posts,
      changes: this.#changes,
      lock: 'skip',
      onBlocked: (posts, changes) => {
        for (const roomId of new Set([...posts, ...changes].map(({ room }) => room.id))) {
          this.#separate(lane, roomId, posts, changes);
        }
      },
    });
    return lane;
  }

  /** Gives a room a lane of its own, with all of its entries. */
  #separate(from: Lane, roomId: number, posts: QueuedPost[], changes: QueuedChange[]): void {
    const lane: Lane = new Lane({
      posts: this.#posts,
      changes: this.#changes,
      turn: (statement) => this.#turns.run(statement),
      lock: 'wait',
      onBlocked: (posts, changes) => lane.putBack(posts, changes),
      onIdle: () => this.#blocked.delete(roomId),
    });
    this.#blocked.set(roomId, lane);
    const isIts = ({ room }: { room: { id: number } }) => room.id === roomId;
    lane.putBack(...from.takeOut(roomId));
    lane.putBack(posts.filter(isIts), changes.filter(isIts));
  }
}
