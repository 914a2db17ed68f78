import type { Logger } from '../log.ts';
import { Grouped } from '../services/grouped.ts';
import type { MessageReader } from '../services/message-reader.ts';
import { Persistent } from '../services/persistent.ts';
import type { StoredMessage } from '../types/rest.ts';
import type { Room } from '../types/room.ts';
import { MAX_PAGE_CHANGES } from '../types/websocket.ts';
import { basicMessage } from './frames.ts';
import { KEPT, Recent } from './recent.ts';
import { type Change, Ring, toChange, withinLimits } from './ring.ts';
import { type Publish, publishTo, topics } from './topics.ts';

/** Where a client is, in the words of a `join`: at a `rev` of an epoch, at the end, or nowhere yet. */
export interface Position {
  since?: number | '$';
  epoch?: string;
}

/** What a client gets that is there. */
export interface Page {
  changes: Change[];
  /** Where the room stands when these are taken in. */
  rev: number;
  /** Nothing is missing up to the next change that is published. */
  complete: boolean;
  /** The client was in another history, and gets the newest messages of this one. */
  reset: boolean;
}

/** How many of the latest changes are read when a room is opened: what a newcomer is shown, if nothing was changed. */
const LOADED = 10;
/** How many changes are read at once when some are missing. */
const READ_AT_ONCE = 100;
/** How long a change may be missing before it is read: mostly it is just on its way from another server. */
const HOLE_MS = 50;

/**
 * What changes in a room that someone on this server is in: the latest changes in a ring, and the one place
 * from which they are published, strictly by `rev`.
 */
export class RoomLog {
  /** Rejects when the database did not answer. */
  readonly loaded: Promise<void>;

  #ring = new Ring([], 0);
  readonly #recent = new Recent();
  #rev: number | undefined;
  /** What came ahead of its turn, by `rev`. */
  readonly #waiting = new Map<number, StoredMessage>();
  readonly #listeners = new Set<() => void>();
  /** For those who ask at once, one reading that begins after they have asked. */
  readonly #catchingUp = new Grouped(async (asked: undefined[]) => {
    const read = await this.#catchUp();
    return asked.map(() => read);
  });
  readonly #reading: Persistent;
  #extending: Promise<void> | undefined;
  #filling: Promise<void> | undefined;
  #missing: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(
    private readonly room: Room,
    private readonly parts: { messages: MessageReader; publish: Publish; log: Logger },
  ) {
    this.loaded = this.#load();
    this.#reading = new Persistent('reading on', () => this.#read(), parts.log);
  }

  /** Nobody is here any more. What the database answers from now on is no longer for those who may come. */
  close(): void {
    this.#isClosed = true;
    this.#reading.close();
    clearTimeout(this.#missing);
  }

  /** The number of the last change that was published. */
  get rev(): number {
    return this.#rev ?? 0;
  }

  /**
   * Reads from the database what is not here; undefined when all is. What it returns is for {@link page}.
   */
  async fetch(position: Position): Promise<StoredMessage[] | undefined> {
    // It may have been on another server, which is ahead of this one.
    if (
      typeof position.since === 'number' &&
      (position.epoch ?? this.room.epoch) === this.room.epoch
    ) {
      await this.#reach(position.since);
    }
    if (position.since === '$' && !this.#isElsewhere(position)) return undefined;
    const since = this.#since(position);
    // After a restart thousands come back to the same place; it is read once for all of them.
    if (since === undefined) {
      if (!this.#recent.isShort) return undefined;
      this.#filling ??= this.#fill().finally(() => {
        this.#filling = undefined;
      });
      await this.#filling;
      return undefined;
    }
    if (since >= this.#ring.reachesTo) return undefined;
    if (this.rev - since <= MAX_PAGE_CHANGES && !this.#ring.isFull) {
      this.#extending ??= this.#extend().finally(() => {
        this.#extending = undefined;
      });
      await this.#extending;
      if (since >= this.#ring.reachesTo) return undefined;
    }
    return this.parts.messages.changes(this.room, { after: since, limit: MAX_PAGE_CHANGES });
  }

  /**
   * What a client at this position gets. When the page is complete, whoever subscribes in the same
   * synchronous step misses nothing and gets nothing twice; this is why it is no promise, whose value
   * would be old by the time it arrives.
   *
   * @param fetched what {@link fetch} brought
   */
  page(position: Position, fetched: StoredMessage[] = []): Page {
    const reset = this.#isElsewhere(position);
    if (position.since === '$' && !reset)
      return { changes: [], rev: this.rev, complete: true, reset };
    const since = this.#since(position);
    if (since === undefined)
      return { changes: this.#recent.newest(), rev: this.rev, complete: true, reset };
    // What is stored but not published yet will come live.
    const stored = fetched.filter(({ rev }) => rev <= this.rev).map(toChange);
    const reached = stored.at(-1)?.rev ?? since;
    const rest = reached >= this.#ring.reachesTo ? this.#ring.after(reached) : [];
    // What was changed since it was fetched is there as it now is.
    const newer = new Set(rest.map(({ message }) => message.id));
    const all = [...stored.filter(({ message }) => !newer.has(message.id)), ...rest];
    const changes = withinLimits(all);
    const rev = changes.at(-1)?.rev ?? reached;
    return { changes, rev, complete: rev === this.rev, reset };
  }

  /**
   * A page of messages, oldest first: those nearest to where the reader is, as far as they fit.
   *
   * @param page `before` and `after` are `seq`s, exclusive; `limit` is 50 unless it is given
   */
  async history({
    before,
    after,
    limit = 50,
  }: {
    before?: number;
    after?: number;
    limit?: number;
  }) {
    // One more than asked for tells whether there are more.
    const found = await this.parts.messages.page(this.room, { before, after, limit: limit + 1 });
    const nearest = after === undefined ? found.toReversed() : found;
    const changes = nearest.slice(0, limit).map(toChange);
    const texts = withinLimits(changes);
    if (after === undefined) texts.reverse();
    return { texts, more: texts.length < found.length };
  }

  /** Takes a committed message, in whatever order it comes and however often. */
  take(message: StoredMessage): void {
    if (this.#rev !== undefined && message.rev <= this.#rev) return;
    this.#waiting.set(message.rev, message);
    this.#release();
  }

  /** Reads from the database what is not here yet, until it has answered. */
  readOn(): void {
    this.#reading.ask();
  }

  /** @returns the function that stops the calls, of which there is one after each change */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** At a place that this history does not have. */
  #isElsewhere({ since, epoch }: Position): boolean {
    const isOtherEpoch = epoch !== undefined && epoch !== this.room.epoch;
    return isOtherEpoch || (typeof since === 'number' && since > this.rev);
  }

  /** The `rev` after which a client reads on; undefined when it begins with the newest messages. */
  #since(position: Position): number | undefined {
    const { since } = position;
    return typeof since === 'number' && !this.#isElsewhere(position) ? since : undefined;
  }

  async #load(): Promise<void> {
    const latest = await this.parts.messages.changes(this.room, { limit: LOADED });
    if (this.#isClosed) return;
    const isAll = latest.length < LOADED;
    const changes = latest.map(toChange);
    this.#ring = new Ring(changes, isAll ? 0 : (latest[0]?.rev ?? 1) - 1);
    // When nothing of it was changed, the latest changes are the newest messages.
    if (isAll || latest.every(({ rev, seq }) => rev === seq)) {
      const bySeq = changes.filter(({ message }) => !message.deletedAt);
      this.#recent.fill(
        bySeq.sort((a, b) => a.message.seq - b.message.seq),
        isAll,
      );
    }
    this.#rev = latest.at(-1)?.rev ?? 0;
    // Nobody is here yet to whom what came meanwhile would be shown, but for the people of a direct room.
    for (const [rev, message] of this.#waiting) {
      if (rev > this.#rev) continue;
      this.#waiting.delete(rev);
      if (this.room.direct) this.#publish(() => toChange(message).text);
    }
    this.#release();
  }

  #release(): void {
    if (this.#rev === undefined) return;
    for (;;) {
      const next = this.#waiting.get(this.#rev + 1);
      if (!next) break;
      this.#show(next);
    }
    if (this.#waiting.size === 0) return;
    this.#missing ??= setTimeout(() => {
      this.#missing = undefined;
      if (this.#waiting.size > 0) this.readOn();
    }, HOLE_MS);
  }

  /** The next change: from here on it is part of what the room is. */
  #show(message: StoredMessage): void {
    const before = this.rev;
    this.#waiting.delete(message.rev);
    this.#rev = message.rev;
    const change = toChange(message);
    this.#ring.push(change);
    this.#recent.take(change);
    // Protocol 0 sees no changes; a message that was changed before it could be shown is new to it all the same.
    if (message.seq > before && !message.deletedAt) {
      this.parts.publish(topics.basic(this.room.name), () => basicMessage(message));
    }
    this.#publish(() => change.text);
    for (const listener of this.#listeners) listener();
  }

  #publish(render: () => string): void {
    publishTo(this.room, this.parts.publish, render);
  }

  /** Fills the ring backwards, as far as it holds. */
  async #extend(): Promise<void> {
    const { reachesTo: upTo, space: limit } = this.#ring;
    const older = await this.parts.messages.changes(this.room, { upTo, limit });
    // Meanwhile the ring may have moved on; then this no longer joins it without a gap.
    if (this.#ring.reachesTo !== upTo) return;
    const [oldest] = older;
    this.#ring.extend(older.map(toChange), oldest && older.length === limit ? oldest.rev - 1 : 0);
  }

  /** Reads the newest messages, when too many of those that were known are deleted. */
  async #fill(): Promise<void> {
    for (;;) {
      const from = this.rev;
      const found = await this.parts.messages.recent(this.room, KEPT);
      await this.#reach(Math.max(0, ...found.map(({ rev }) => rev)));
      if (from < this.#ring.reachesTo) continue;
      this.#recent.fill(found.map(toChange), found.length < KEPT);
      // What was published since may have been read as it was before.
      for (const change of this.#ring.after(from)) this.#recent.take(change);
      return;
    }
  }

  /** Returns when what is stored up to a `rev` is published too, or is gone. */
  async #reach(rev: number): Promise<void> {
    while (this.rev < rev && (await this.#catchingUp.do(undefined)) > 0);
  }

  /** Publishes the next changes that are stored. @returns how many were read */
  async #catchUp(): Promise<number> {
    const next = { after: this.rev, limit: READ_AT_ONCE };
    const page = await this.parts.messages.changes(this.room, next);
    if (this.#isClosed) return 0;
    // A number that is missing in between was a change that a later one has replaced.
    for (const message of page) if (message.rev > this.rev) this.#show(message);
    for (const rev of this.#waiting.keys()) if (rev <= this.rev) this.#waiting.delete(rev);
    this.#release();
    return page.length;
  }

  async #read(): Promise<void> {
    await this.loaded;
    if ((await this.#catchUp()) === READ_AT_ONCE) this.readOn();
  }
}
