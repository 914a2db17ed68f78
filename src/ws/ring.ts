import type { StoredMessage } from '../types/rest.ts';
import { MAX_PAGE_BYTES, MAX_PAGE_CHANGES } from '../types/websocket.ts';
import { fullMessage } from './frames.ts';

/** A message as one change of the room has left it, and how it looks in protocol 1. */
export interface Change {
  rev: number;
  message: StoredMessage;
  text: string;
  /** Of the text, and the comma behind it. */
  bytes: number;
}

export function toChange(message: StoredMessage): Change {
  const text = fullMessage(message);
  return { rev: message.rev, message, text, bytes: Buffer.byteLength(text) + 1 };
}

/** As many of the changes as one page may hold; one at least. */
export function withinLimits(changes: Change[]): Change[] {
  let total = 0;
  const tooMany = changes.findIndex(({ bytes }, index) => {
    total += bytes;
    return index === MAX_PAGE_CHANGES || (index > 0 && total > MAX_PAGE_BYTES);
  });
  return tooMany === -1 ? changes : changes.slice(0, tooMany);
}

/** The latest changes of a room, as many as one page holds: each message once, as it now is, by `rev`. */
export class Ring {
  readonly #changes: Change[] = [];
  #bytes = 0;

  /** @param start the `rev` from which on it knows every change */
  constructor(
    changes: Change[],
    private start: number,
  ) {
    for (const change of changes) this.push(change);
  }

  /** It holds all that was changed after this `rev`. */
  get reachesTo(): number {
    return this.start;
  }

  get isFull(): boolean {
    return this.#changes.length >= MAX_PAGE_CHANGES || this.#bytes >= MAX_PAGE_BYTES;
  }

  /** How many changes it has room for. */
  get space(): number {
    return MAX_PAGE_CHANGES - this.#changes.length;
  }

  /** What was changed after a `rev`, which it must reach to. */
  after(rev: number): Change[] {
    const first = this.#changes.findIndex((change) => change.rev > rev);
    return first === -1 ? [] : this.#changes.slice(first);
  }

  /** The next change; the message's state before it is forgotten, as are the oldest changes. */
  push(change: Change): void {
    if (change.rev !== change.message.seq) this.#forget(change.message.id);
    this.#changes.push(change);
    this.#bytes += change.bytes;
    while (this.isFull && this.#changes.length > 1) {
      const oldest = this.#changes.shift() as Change;
      this.#bytes -= oldest.bytes;
      this.start = oldest.rev;
    }
  }

  /**
   * Puts older changes in front, as far as there is room.
   *
   * @param older all up to where it reaches, from some `rev` on
   * @param start it knows every change after this one then
   */
  extend(older: Change[], start: number): void {
    const known = new Set(this.#changes.map(({ message }) => message.id));
    for (const change of older.toReversed()) {
      if (this.isFull) {
        this.start = change.rev;
        return;
      }
      // It was changed again meanwhile.
      if (known.has(change.message.id)) continue;
      this.#changes.unshift(change);
      this.#bytes += change.bytes;
    }
    this.start = start;
  }

  #forget(id: number): void {
    const index = this.#changes.findIndex(({ message }) => message.id === id);
    if (index !== -1) this.#bytes -= this.#changes.splice(index, 1)[0]?.bytes ?? 0;
  }
}
