import { MAX_PAGE_BYTES, MAX_PAGE_CHANGES } from '../protocol/frames.ts';
import type { StoredMessage } from '../protocol/message.ts';
import type { EncodedChange } from './encode.ts';

/** How many messages a newcomer gets. */
const SHOWN = 10;
/** How many are kept, so that a few may be deleted before older ones must be read from the database. */
export const KEPT = 20;

/** The latest changes of a room, as many as one page may have: each message once, in its latest state, by `rev`. */
export class ReplayBuffer {
  readonly #changes: EncodedChange[] = [];
  #bytes = 0;

  /** @param start the `rev` after which the buffer has every change */
  constructor(private start: number) {}

  /** Fills the empty buffer. @param start the `rev` after which it then has every change */
  fill(changes: EncodedChange[], start: number): void {
    this.start = start;
    for (const change of changes) this.push(change);
  }

  /** The `rev` after which the buffer has every change. */
  get startsAfter(): number {
    return this.start;
  }

  get isFull(): boolean {
    return this.#changes.length >= MAX_PAGE_CHANGES || this.#bytes >= MAX_PAGE_BYTES;
  }

  /** The number of changes that it has room for. */
  get space(): number {
    return MAX_PAGE_CHANGES - this.#changes.length;
  }

  /** The changes after a `rev`, which must not be before {@link startsAfter}. */
  after(rev: number): EncodedChange[] {
    const first = this.#changes.findIndex((change) => change.rev > rev);
    return first === -1 ? [] : this.#changes.slice(first);
  }

  /** Adds the next change, in place of the message's earlier one, and drops the oldest changes past the limit. */
  push(change: EncodedChange): void {
    if (change.rev !== change.message.seq) this.#forget(change.message.id);
    this.#changes.push(change);
    this.#bytes += change.bytes;
    while (this.isFull && this.#changes.length > 1) {
      const oldest = this.#changes.shift() as EncodedChange;
      this.#bytes -= oldest.bytes;
      this.start = oldest.rev;
    }
  }

  /**
   * Puts older changes in front, as far as there is room.
   *
   * @param older all changes between some `rev` and {@link startsAfter}
   * @param start the `rev` after which it then has every change
   */
  extend(older: EncodedChange[], start: number): void {
    const known = new Set(this.#changes.map(({ message }) => message.id));
    for (const change of older.toReversed()) {
      if (this.isFull) {
        this.start = change.rev;
        return;
      }
      // The message was changed again meanwhile.
      if (known.has(change.message.id)) continue;
      this.#changes.unshift(change);
      this.#bytes += change.bytes;
    }
    this.start = start;
  }

  /**
   * Whether an earlier change is in the buffer, or was replaced by one that is.
   *
   * @returns undefined when that is unknown: the change is older, or of another history
   */
  has({ id, rev, createdAt }: StoredMessage): boolean | undefined {
    const isSame = ({ message }: EncodedChange) =>
      message.id === id && message.createdAt === createdAt;
    const there = this.#changes.find((change) => change.rev === rev);
    if (there) return isSame(there);
    return this.#changes.some((change) => change.rev > rev && isSame(change)) || undefined;
  }

  #forget(id: number): void {
    const index = this.#changes.findIndex(({ message }) => message.id === id);
    if (index !== -1) this.#bytes -= this.#changes.splice(index, 1)[0]?.bytes ?? 0;
  }
}

/** The newest messages of a room that are not deleted, in their latest state, by `seq`. */
export class Newest {
  #changes: EncodedChange[] = [];
  /** The room has no older messages. */
  #isAll = false;

  /** Fewer than a newcomer gets are known, and the room may have more. */
  get isShort(): boolean {
    return !this.#isAll && this.#changes.length < SHOWN;
  }

  newest(): EncodedChange[] {
    return this.#changes.slice(-SHOWN);
  }

  /** Takes in a new or changed message. */
  apply(change: EncodedChange): void {
    const { id, seq, deletedAt } = change.message;
    const index = this.#changes.findIndex(({ message }) => message.id === id);
    if (index !== -1) {
      this.#changes.splice(index, 1, ...(deletedAt ? [] : [change]));
      return;
    }
    if (deletedAt || !this.#isAmongNewest(change)) return;
    const next = this.#changes.findIndex(({ message }) => message.seq > seq);
    this.#changes.splice(next === -1 ? this.#changes.length : next, 0, change);
    if (this.#changes.length > KEPT) {
      this.#changes.shift();
      this.#isAll = false;
    }
  }

  /** Whether no unknown message can lie between this one and the oldest that is kept. */
  #isAmongNewest({ rev, message: { seq } }: EncodedChange): boolean {
    const [oldest] = this.#changes;
    return this.#isAll || (oldest ? seq > oldest.message.seq : rev === seq);
  }

  /**
   * Replaces all that is kept.
   *
   * @param found the newest messages, by `seq`
   * @param isAll whether the room has no others
   */
  fill(found: EncodedChange[], isAll: boolean): void {
    this.#changes = found;
    this.#isAll = isAll;
  }
}
