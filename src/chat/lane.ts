import type { LockMode } from '../db/statements.ts';
import type { ChangeCommitter } from './changes.ts';
import { clientKey, isOver, partition, type QueuedChange, type QueuedPost } from './entries.ts';
import type { PostCommitter } from './posts.ts';

const MAX_BATCH_SIZE = 1000;
/** UTF-16 units of content and data in one statement; larger statements gain nothing and delay the queries behind them. */
const MAX_BATCH_COST = 1024 * 1024;

export interface LaneParts {
  posts: PostCommitter;
  changes: ChangeCommitter;
  /** Waits for a turn to run a statement, where not all lanes may run one at the same time. */
  turn?: <T>(statement: () => Promise<T>) => Promise<T>;
  lock: LockMode;
  /** Other sessions hold the rooms of these entries. */
  onBlocked(posts: QueuedPost[], changes: QueuedChange[]): void;
  /** The lane is empty; called in the same turn in which that was found. */
  onIdle?(): void;
}

/**
 * Commits entries in groups: while one statement runs, new entries wait and go into the next.
 * There is no timer, so an idle server writes at once and a busy one hundreds per statement.
 */
export class Lane {
  #posts: QueuedPost[] = [];
  #changes: QueuedChange[] = [];
  #running: Promise<void> | undefined;

  constructor(private readonly parts: LaneParts) {}

  addPost(entry: QueuedPost): void {
    this.#posts.push(entry);
    this.#running ??= this.#run();
  }

  addChange(entry: QueuedChange): void {
    this.#changes.push(entry);
    this.#running ??= this.#run();
  }

  /** Puts entries that were taken out back to the front. */
  putBack(posts: QueuedPost[], changes: QueuedChange[]): void {
    this.#posts.unshift(...posts);
    this.#changes.unshift(...changes);
    this.#running ??= this.#run();
  }

  /** Takes out the entries of a room. */
  takeOut(roomId: number): [posts: QueuedPost[], changes: QueuedChange[]] {
    const [posts, otherPosts] = partition(this.#posts, ({ room }) => room.id === roomId);
    const [changes, otherChanges] = partition(this.#changes, ({ room }) => room.id === roomId);
    this.#posts = otherPosts;
    this.#changes = otherChanges;
    return [posts, changes];
  }

  /** Returns when the lane is empty. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // Entries of the same turn of the event loop go into the first batch too.
    await nextTurn();
    while (this.#posts.length > 0 || this.#changes.length > 0) {
      await this.#commitPosts();
      await this.#commitChanges();
    }
    this.#running = undefined;
    this.parts.onIdle?.();
  }

  /** Commits posts until there are none, or changes wait. */
  async #commitPosts(): Promise<void> {
    const { posts, lock, onBlocked } = this.parts;
    let settle = () => {};
    for (let batch = this.#nextPosts(); batch.length > 0; batch = this.#nextPosts()) {
      const committing = this.#inTurn(() => posts.commit(batch, lock));
      // The posts of the last batch are shown and answered while this one's statement is under way.
      await nextTurn();
      settle();
      const committed = await committing;
      settle = committed.settle;
      if (committed.blocked.length > 0) {
        settle();
        settle = () => {};
        onBlocked(committed.blocked, []);
      }
      if (this.#changes.length > 0) break;
    }
    settle();
  }

  async #commitChanges(): Promise<void> {
    const { changes, lock, onBlocked } = this.parts;
    const batch = this.#nextChanges();
    if (batch.length === 0) return;
    const blocked = await this.#inTurn(() => changes.commit(batch, lock));
    if (blocked.length > 0) onBlocked([], blocked);
  }

  #inTurn<T>(statement: () => Promise<T>): Promise<T> {
    return this.parts.turn ? this.parts.turn(statement) : statement();
  }

  /** Leaves out posts whose waiters have all been answered. */
  #nextPosts(): QueuedPost[] {
    const batch: QueuedPost[] = [];
    const byClientId = new Map<string, QueuedPost>();
    let taken = 0;
    let cost = 0;
    for (const entry of this.#posts) {
      if (isWhole(batch, cost + entry.cost)) break;
      taken += 1;
      if (isOver(entry)) continue;
      cost += entry.cost;
      const key = clientKey(entry.room.id, entry.user.id, entry.draft.clientId);
      const first = key && byClientId.get(key);
      if (first) {
        first.waiting.push(...entry.waiting);
      } else {
        batch.push(entry);
        if (key) byClientId.set(key, entry);
      }
    }
    this.#posts.splice(0, taken);
    return batch;
  }

  /** As much as one statement can do: one edit or deletion of a message, or different reactions of one kind to it. */
  #nextChanges(): QueuedChange[] {
    const batch: QueuedChange[] = [];
    const kinds = new Map<number, string>();
    const reactions = new Set<string>();
    let taken = 0;
    let cost = 0;
    for (const entry of this.#changes) {
      if (isWhole(batch, cost + entry.cost)) break;
      const { messageId, userId, action } = entry;
      if (!entry.waiter.isSettled) {
        const kind = kinds.get(messageId);
        const reaction = 'emoji' in action && `${messageId} ${userId} ${action.emoji}`;
        const isFirst = kind === undefined;
        if (!isFirst && (!reaction || kind !== action.kind || reactions.has(reaction))) break;
        kinds.set(messageId, action.kind);
        if (reaction) reactions.add(reaction);
        batch.push(entry);
        cost += entry.cost;
      }
      taken += 1;
    }
    this.#changes.splice(0, taken);
    return batch;
  }
}

function isWhole(batch: unknown[], nextCost: number): boolean {
  return batch.length === MAX_BATCH_SIZE || (batch.length > 0 && nextCost > MAX_BATCH_COST);
}

function nextTurn(): Promise<void> {
  return new Promise(setImmediate);
}
