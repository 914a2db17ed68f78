import { MAX_PAGE_BYTES, MAX_PAGE_CHANGES } from '../protocol/frames.ts';
import type { StoredMessage } from '../protocol/message.ts';
import { fullMessage } from './encode.ts';

/** A message in its state after a change of the room, and its text in protocol 1. */
export interface EncodedChange {
  rev: number;
  message: StoredMessage;
  text: string;
  /** The bytes of the text and a comma. */
  bytes: number;
}

export function encodeChange(message: StoredMessage): EncodedChange {
  const text = fullMessage(message);
  return { rev: message.rev, message, text, bytes: Buffer.byteLength(text) + 1 };
}

/** The bytes of a `changes` frame beside its changes: its other fields, with the longest name of a room. */
const BATCH_BYTES = 128;

/** Splits changes into runs of consecutive `rev`s that each fit into one `changes` frame; each has at least one. */
export function batchesOf(changes: EncodedChange[]): EncodedChange[][] {
  const batches: EncodedChange[][] = [];
  let bytes = 0;
  for (const change of changes) {
    const batch = batches.at(-1);
    const isNext = batch?.at(-1)?.rev === change.rev - 1;
    if (batch && isNext && bytes + change.bytes <= MAX_PAGE_BYTES) {
      batch.push(change);
      bytes += change.bytes;
    } else {
      batches.push([change]);
      bytes = BATCH_BYTES + change.bytes;
    }
  }
  return batches;
}

/** The text of a batch; a single change is a frame of its own. */
export function encodeBatch(room: string, batch: EncodedChange[]): string {
  const texts = batch.map(({ text }) => text).join(',');
  return batch.length === 1 ? texts : `{"type":"changes","room":"${room}","changes":[${texts}]}`;
}

/** As many of the changes as one page may have; at least one. */
export function withinLimits(changes: EncodedChange[]): EncodedChange[] {
  let total = 0;
  const tooMany = changes.findIndex(({ bytes }, index) => {
    total += bytes;
    return index === MAX_PAGE_CHANGES || (index > 0 && total > MAX_PAGE_BYTES);
  });
  return tooMany === -1 ? changes : changes.slice(0, tooMany);
}

/** The latest changes of a room, as many as one page may have: each message once, in its latest state, by `rev`. */
export class ReplayBuffer {
  readonly #changes: EncodedChange[] = [];
  #bytes = 0;

  /** @param start the `rev` after which the buffer has every change */
  constructor(
    changes: EncodedChange[],
    private start: number,
  ) {
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
