import type { StoredMessage } from '../protocol/message.ts';

/**
 * The messages of a room that were shown to its clients of protocol 0, which see each once, without changes. When
 * a room catches up, a message may come in the state of a later change, behind newer messages.
 */
export class ShownMessages {
  /** The ranges of `rev`s that were skipped, since later changes of the same messages had replaced them. */
  #skipped: { from: number; to: number }[] = [];
  /** The `seq`s in these ranges whose messages have been shown since. */
  readonly #shown = new Set<number>();

  /**
   * Handles the next change of the room.
   *
   * @param before the `rev` of the previous change
   * @returns whether to show the message: it is new in protocol 0, and not deleted
   */
  take({ seq, rev, deletedAt }: StoredMessage, before: number): boolean {
    if (rev > before + 1) this.#skipped.push({ from: before + 1, to: rev - 1 });
    const isSkipped = this.#skipped.some(({ from, to }) => from <= seq && seq <= to);
    const isNew = seq === rev || (isSkipped && !this.#shown.has(seq));
    if (isSkipped) this.#shown.add(seq);
    return isNew && !deletedAt;
  }

  /** Forgets skipped ranges, of which no message can come any more. */
  settle(): void {
    this.#skipped = [];
    this.#shown.clear();
  }
}
