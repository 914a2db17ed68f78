import type { MessageReader } from '../chat/reader.ts';
import type { Keys } from '../lib/fair-queue.ts';
import { MAX_PAGE_BYTES, MAX_PAGE_CHANGES } from '../protocol/frames.ts';
import type { StoredMessage } from '../protocol/message.ts';
import type { Room } from '../protocol/room.ts';
import { type EncodedChange, encodeChange, joined } from './encode.ts';
import type { Feed } from './feed.ts';
import { KEPT } from './replay-buffer.ts';

/** The position of a client, as a `join` has it: a `rev` of an epoch, the end, or none yet. */
export interface Cursor {
  since?: number | '$';
  epoch?: string;
}

/** The changes that a client gets at its cursor. */
export interface Page {
  changes: EncodedChange[];
  /** The texts of the changes, with commas between them. */
  text: string;
  /** The cursor after this page. */
  rev: number;
  /** Whether the next published change follows this page without a gap. */
  complete: boolean;
  /** Whether the client was in another history, and gets the newest messages of this one. */
  reset: boolean;
}

/** The pages of a room: what a client gets at its cursor, from the memory of the feed or from the database. */
export class Pages {
  readonly #room: Room;
  readonly #feed: Feed;
  readonly #messages: MessageReader;
  /** The last page from the replay buffer, as long as the collector leaves it: in a crowd that reconnects all get the same. */
  #last: { since: number; upTo: number; page: WeakRef<Page> } | undefined;
  #extending: Promise<void> | undefined;
  #filling: Promise<void> | undefined;

  constructor({ room, feed, messages }: { room: Room; feed: Feed; messages: MessageReader }) {
    this.#room = room;
    this.#feed = feed;
    this.#messages = messages;
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
  async fetch(cursor: Cursor, reader?: Keys): Promise<StoredMessage[] | undefined> {
    // The client may come from another server, which is ahead of this one.
    if (
      typeof cursor.since === 'number' &&
      (cursor.epoch ?? this.#room.epoch) === this.#room.epoch
    ) {
      await this.#feed.reach(cursor.since);
    }
    if (cursor.since === '$' && !this.#isOtherHistory(cursor)) return undefined;
    const since = this.#since(cursor);
    // After a restart thousands of clients resume at the same `rev`, which is read once for all of them.
    if (since === undefined) {
      if (!this.#feed.newest.isShort) return undefined;
      this.#filling ??= this.#fill().finally(() => {
        this.#filling = undefined;
      });
      await this.#filling;
      return undefined;
    }
    if (since >= this.#feed.replay.startsAfter) return undefined;
    if (this.#feed.rev - since <= MAX_PAGE_CHANGES && !this.#feed.replay.isFull) {
      this.#extending ??= this.#extend().finally(() => {
        this.#extending = undefined;
      });
      await this.#extending;
      if (since >= this.#feed.replay.startsAfter) return undefined;
    }
    const next = { after: since, limit: MAX_PAGE_CHANGES };
    return (await this.#messages.changes(this.#room, next, reader)).messages;
  }

  /**
   * Returns the changes for a cursor. After a complete page, a reader that subscribes in the same synchronous
   * step misses nothing and gets nothing twice; so this is no promise, whose value would be outdated when it
   * arrives.
   *
   * @param fetched the result of {@link fetch}
   */
  page(cursor: Cursor, fetched?: StoredMessage[]): Page {
    const reset = this.#isOtherHistory(cursor);
    const { rev } = this.#feed;
    if (cursor.since === '$' && !reset) return toPage([], { rev, complete: true, reset });
    const since = this.#since(cursor);
    if (since === undefined) {
      return toPage(this.#feed.newest.newest(), { rev, complete: true, reset });
    }
    return fetched || since < this.#feed.replay.startsAfter
      ? this.#pageAfter(since, fetched)
      : this.#buffered(since);
  }

  /**
   * A page of messages, oldest first: those nearest to the bound, as many as fit.
   *
   * @param page `before` and `after` are `seq`s, exclusive; `limit` is 50 by default
   * @param reader as in {@link MessageReader.page}
   */
  async history(
    { before, after, limit = 50 }: { before?: number; after?: number; limit?: number },
    reader?: Keys,
  ) {
    const page = { before, after, limit };
    const { messages, more } = await this.#messages.page(this.#room, page, reader);
    const nearest = after === undefined ? messages.toReversed() : messages;
    const changes = withinLimits(nearest.map(encodeChange));
    if (after === undefined) changes.reverse();
    return { text: joined(changes), more: more || changes.length < messages.length };
  }

  /** A page that the replay buffer has: the same one until the next change. */
  #buffered(since: number): Page {
    const { rev: upTo } = this.#feed;
    const isSame = this.#last?.since === since && this.#last.upTo === upTo;
    const known = isSame ? this.#last?.page.deref() : undefined;
    if (known) return known;
    const page = this.#pageAfter(since);
    this.#last = { since, upTo, page: new WeakRef(page) };
    return page;
  }

  #pageAfter(since: number, fetched: StoredMessage[] = []): Page {
    // Changes that are stored but not published yet will come live.
    const stored = fetched.filter(({ rev }) => rev <= this.#feed.rev).map(encodeChange);
    const reached = stored.at(-1)?.rev ?? since;
    const rest = reached >= this.#feed.replay.startsAfter ? this.#feed.replay.after(reached) : [];
    // Messages that were changed since the fetch are in the buffer in their new state.
    const newer = new Set(rest.map(({ message }) => message.id));
    const all = [...stored.filter(({ message }) => !newer.has(message.id)), ...rest];
    const changes = withinLimits(all);
    const rev = changes.at(-1)?.rev ?? reached;
    return toPage(changes, { rev, complete: rev === this.#feed.rev, reset: false });
  }

  /** Whether a cursor belongs to another history, or lies beyond this one. */
  #isOtherHistory({ since, epoch }: Cursor): boolean {
    const isOtherEpoch = epoch !== undefined && epoch !== this.#room.epoch;
    return isOtherEpoch || (typeof since === 'number' && since > this.#feed.rev);
  }

  /** The `rev` after which a client reads on; undefined for a start with the newest messages. */
  #since(cursor: Cursor): number | undefined {
    return this.isInHistory(cursor) ? cursor.since : undefined;
  }

  /** Fills the replay buffer backwards, up to its size. */
  async #extend(): Promise<void> {
    const { startsAfter: upTo, space: limit } = this.#feed.replay;
    const { messages: older, more } = await this.#feed.read({ upTo, limit });
    // The buffer may have moved on meanwhile; then there would be a gap.
    if (this.#feed.replay.startsAfter !== upTo) return;
    const [oldest] = older;
    this.#feed.replay.extend(older.map(encodeChange), oldest && more ? oldest.rev - 1 : 0);
  }

  /** Reads the newest messages, after too many of the known ones were deleted. */
  async #fill(): Promise<void> {
    for (;;) {
      const from = this.#feed.rev;
      const found = await this.#messages.newest(this.#room, KEPT);
      await this.#feed.reach(Math.max(0, ...found.map(({ rev }) => rev)));
      if (from < this.#feed.replay.startsAfter) continue;
      this.#feed.newest.fill(found.map(encodeChange), found.length < KEPT);
      // Messages with changes published since may have been read in their earlier state.
      for (const change of this.#feed.replay.after(from)) this.#feed.newest.apply(change);
      return;
    }
  }
}

function toPage(changes: EncodedChange[], rest: Omit<Page, 'changes' | 'text'>): Page {
  return { changes, text: joined(changes), ...rest };
}

/** As many of the changes as one page may have; at least one. */
function withinLimits(changes: EncodedChange[]): EncodedChange[] {
  let total = 0;
  const tooMany = changes.findIndex(({ bytes }, index) => {
    total += bytes;
    return index === MAX_PAGE_CHANGES || (index > 0 && total > MAX_PAGE_BYTES);
  });
  return tooMany === -1 ? changes : changes.slice(0, tooMany);
}
