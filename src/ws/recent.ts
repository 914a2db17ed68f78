import type { Change } from './ring.ts';

/** What a newcomer is shown. */
const SHOWN = 10;
/** What is kept, so that a few may be deleted before the database is asked for older ones. */
export const KEPT = 20;

/** The newest messages of a room that are not deleted, as they now are, by `seq`. */
export class Recent {
  #changes: Change[] = [];
  /** There are no older ones. */
  #isAll = false;

  /** Not enough to show. */
  get isShort(): boolean {
    return !this.#isAll && this.#changes.length < SHOWN;
  }

  newest(): Change[] {
    return this.#changes.slice(-SHOWN);
  }

  /** A message is new, or has been changed. */
  take(change: Change): void {
    const { id, seq, deletedAt } = change.message;
    const index = this.#changes.findIndex(({ message }) => message.id === id);
    if (index !== -1) {
      this.#changes.splice(index, 1, ...(deletedAt ? [] : [change]));
      return;
    }
    if (deletedAt || !this.#isAmongThem(change)) return;
    const next = this.#changes.findIndex(({ message }) => message.seq > seq);
    this.#changes.splice(next === -1 ? this.#changes.length : next, 0, change);
    if (this.#changes.length > KEPT) {
      this.#changes.shift();
      this.#isAll = false;
    }
  }

  /** Whether there can be none between it and the oldest of these. */
  #isAmongThem({ rev, message: { seq } }: Change): boolean {
    const [oldest] = this.#changes;
    return this.#isAll || (oldest ? seq > oldest.message.seq : rev === seq);
  }

  /**
   * Begins anew.
   *
   * @param found the newest ones, by `seq`
   * @param isAll there are no others
   */
  fill(found: Change[], isAll: boolean): void {
    this.#changes = found;
    this.#isAll = isAll;
  }
}
