import type { EncodedChange } from './replay-buffer.ts';

/** How many messages a newcomer gets. */
const SHOWN = 10;
/** How many are kept, so that a few may be deleted before older ones must be read from the database. */
export const KEPT = 20;

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
