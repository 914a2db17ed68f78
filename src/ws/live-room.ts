import { rootMessage } from '../db/failures.ts';
import type { Logger } from '../log.ts';
import type { ChatService } from '../services/chat.service.ts';
import type { StoredMessage } from '../types/rest.ts';
import type { Room } from '../types/room.ts';
import { type EphemeralFrame, MAX_PAGE_BYTES, MAX_PAGE_CHANGES } from '../types/websocket.ts';
import { basicMessage, encode, fullMessage } from './frames.ts';
import type { RoomEvent, Stay } from './stay.ts';

/** Sends a text to all who subscribe to a topic; where nobody does, it is not even rendered. */
export type Publish = (topic: string, render: () => string) => void;

/** One topic per protocol: a frame is turned into text once for each. */
export const topics = {
  basic: (room: string) => `0:${room}`,
  full: (room: string) => `1:${room}`,
};

/** One committed change of a room, and how it looks in protocol 1. */
export interface Change {
  rev: number;
  message: StoredMessage;
  text: string;
  /** Of the text, and the comma behind it. */
  bytes: number;
}

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

/** What a newcomer is shown. */
const RECENT_MESSAGES = 10;
/** What the ring holds at most: changes, and bytes of their text. */
const RING_CHANGES = MAX_PAGE_CHANGES;
const RING_BYTES = MAX_PAGE_BYTES;
/** How many changes are read at once when some are missing. */
const READ_AT_ONCE = 100;
const RETRY_MS = 500;

/**
 * A room that someone on this server is in: its latest changes in a ring, and the one place from
 * which they are published, strictly by `rev`.
 */
export class LiveRoom {
  /** As it is now. */
  room: Room;
  readonly name: string;
  readonly epoch: string;
  /** Rejects when the database did not answer. */
  readonly loaded: Promise<void>;
  /** The connections that hold the room open. */
  holders = 0;

  readonly #topics: { basic: string; full: string };
  /** The latest changes, oldest first, without a gap. */
  readonly #ring: Change[] = [];
  #ringBytes = 0;
  #rev: number | undefined;
  /** What came ahead of its turn, by `rev`. */
  readonly #waiting = new Map<number, StoredMessage>();
  readonly #listeners = new Set<() => void>();
  readonly #eventListeners = new Set<(text: string) => void>();
  /** Those who are here, by their user's id; 0 for who is nobody in particular. */
  readonly #stays = new Map<number, Set<Stay>>();
  #reading = false;
  #readAgain = false;
  #extending: Promise<void> | undefined;

  constructor(
    room: Room,
    private readonly parts: { chat: ChatService; publish: Publish; log: Logger },
  ) {
    this.room = room;
    this.name = room.name;
    this.epoch = room.epoch;
    this.#topics = { basic: topics.basic(room.name), full: topics.full(room.name) };
    this.loaded = this.#load();
  }

  /** The number of the last change that was published. */
  get rev(): number {
    return this.#rev ?? 0;
  }

  /** The newest messages, oldest first. */
  recent(): Change[] {
    return this.#ring.slice(-RECENT_MESSAGES);
  }

  /**
   * Reads from the database what the ring does not reach back to; undefined when it reaches.
   * What it returns is for {@link page}.
   */
  async fetch(position: Position): Promise<StoredMessage[] | undefined> {
    const since = this.#since(position);
    if (since === undefined || since >= this.#ringStart()) return undefined;
    if (this.rev - since <= RING_CHANGES && !this.#isFull()) {
      // After a restart thousands come back to the same place; it is read once for all of them.
      this.#extending ??= this.#extend().finally(() => {
        this.#extending = undefined;
      });
      await this.#extending;
      if (since >= this.#ringStart()) return undefined;
    }
    return this.parts.chat.page(this.room, { after: since, limit: MAX_PAGE_CHANGES });
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
      return { changes: this.recent(), rev: this.rev, complete: true, reset };
    // What is stored but not published yet will come live.
    const stored = fetched.filter(({ rev }) => rev <= this.rev).map(toChange);
    const reached = stored.at(-1)?.rev ?? since;
    const start = this.#ringStart();
    const rest = reached >= start ? this.#ring.slice(reached - start) : [];
    const changes = withinLimits([...stored, ...rest]);
    const rev = changes.at(-1)?.rev ?? since;
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
    const found = await this.parts.chat.page(this.room, { before, after, limit: limit + 1 });
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
    this.#readAgain = true;
    if (!this.#reading && this.#rev !== undefined) void this.#read();
  }

  /** @returns the function that stops the calls, of which there is one after each change */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @returns the function that stops the calls, one for each event that is shown and not stored */
  onEvent(listener: (text: string) => void): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  /** Someone is here now, and hears what changes about the room. @returns the function that ends it */
  enter(stay: Stay): () => void {
    const stays = this.#stays.get(stay.userId) ?? new Set();
    this.#stays.set(stay.userId, stays.add(stay));
    return () => {
      if (stays.delete(stay) && stays.size === 0) this.#stays.delete(stay.userId);
    };
  }

  /** Takes what has changed about the room, and tells those whom it may concern. */
  hear(event: RoomEvent): void {
    // Of two changes made at once either may be heard first; a room that was moderated stays so.
    const isModerated = this.room.isModerated || event.room.isModerated;
    this.room = { ...(event.kind === 'room' ? event.room : this.room), isModerated };
    const stays = event.kind === 'place' ? this.#staysOf(event.userId) : this.#everyone();
    for (const stay of stays) stay.hear(event);
  }

  /** Shows what is not kept, to those who are here now; one user may be left out. */
  show(frame: EphemeralFrame, except?: number): void {
    const text = encode(frame);
    const left = except === undefined ? [] : this.#staysOf(except);
    for (const stay of left) stay.pause();
    this.parts.publish(this.#topics.full, () => text);
    for (const stay of left) stay.resume();
    if (frame.type === 'event') for (const listener of this.#eventListeners) listener(text);
  }

  #staysOf(userId: number): Stay[] {
    return [...(this.#stays.get(userId) ?? [])];
  }

  #everyone(): Stay[] {
    return [...this.#stays.values()].flatMap((stays) => [...stays]);
  }

  /** At a place that this history does not have. */
  #isElsewhere({ since, epoch }: Position): boolean {
    const isOtherEpoch = epoch !== undefined && epoch !== this.epoch;
    return isOtherEpoch || (typeof since === 'number' && since > this.rev);
  }

  /** The `rev` after which a client reads on; undefined when it begins with the newest messages. */
  #since(position: Position): number | undefined {
    const { since } = position;
    return typeof since === 'number' && !this.#isElsewhere(position) ? since : undefined;
  }

  async #load(): Promise<void> {
    const newest = await this.parts.chat.page(this.room, { limit: RECENT_MESSAGES });
    for (const message of newest) this.#remember(message);
    this.#rev = newest.at(-1)?.rev ?? 0;
    for (const rev of this.#waiting.keys()) if (rev <= this.#rev) this.#waiting.delete(rev);
    this.#release();
    if (this.#readAgain) this.readOn();
  }

  #release(): void {
    if (this.#rev === undefined) return;
    for (;;) {
      const next = this.#waiting.get(this.#rev + 1);
      if (!next) break;
      this.#waiting.delete(next.rev);
      this.#rev = next.rev;
      const { text } = this.#remember(next);
      this.parts.publish(this.#topics.basic, () => basicMessage(next));
      this.parts.publish(this.#topics.full, () => text);
      for (const listener of this.#listeners) listener();
    }
    if (this.#waiting.size > 0) this.readOn();
  }

  /** Fills the ring backwards, as far as it holds. */
  async #extend(): Promise<void> {
    const [oldest] = this.#ring;
    if (!oldest) return;
    const limit = RING_CHANGES - this.#ring.length;
    const older = await this.parts.chat.page(this.room, { before: oldest.rev, limit });
    // Meanwhile the ring may have moved on; then this no longer joins it without a gap.
    if (this.#ring[0] !== oldest) return;
    for (const message of older.reverse()) {
      if (this.#isFull()) break;
      const change = toChange(message);
      this.#ring.unshift(change);
      this.#ringBytes += change.bytes;
    }
  }

  #isFull(): boolean {
    return this.#ring.length >= RING_CHANGES || this.#ringBytes >= RING_BYTES;
  }

  #remember(message: StoredMessage): Change {
    const change = toChange(message);
    this.#ring.push(change);
    this.#ringBytes += change.bytes;
    // A newcomer's messages stay, however long they are.
    while (this.#isFull() && this.#ring.length > RECENT_MESSAGES) {
      this.#ringBytes -= this.#ring.shift()?.bytes ?? 0;
    }
    return change;
  }

  /** The ring holds every change after this one. */
  #ringStart(): number {
    const [oldest] = this.#ring;
    return oldest ? oldest.rev - 1 : this.rev;
  }

  async #read(): Promise<void> {
    this.#reading = true;
    while (this.#readAgain && this.holders > 0) {
      this.#readAgain = false;
      try {
        const page = await this.parts.chat.page(this.room, {
          after: this.rev,
          limit: READ_AT_ONCE,
        });
        if (page.length === READ_AT_ONCE) this.#readAgain = true;
        for (const message of page) this.take(message);
      } catch (error) {
        this.parts.log.warn({ room: this.name, reason: rootMessage(error) }, 'reading on failed');
        this.#readAgain = true;
        await Bun.sleep(RETRY_MS);
      }
    }
    this.#reading = false;
  }
}

function toChange(message: StoredMessage): Change {
  const text = fullMessage(message);
  return { rev: message.rev, message, text, bytes: Buffer.byteLength(text) + 1 };
}

/** As many of the changes as one page may hold; one at least. */
function withinLimits(changes: Change[]): Change[] {
  let total = 0;
  const tooMany = changes.findIndex(({ bytes }, index) => {
    total += bytes;
    return index === MAX_PAGE_CHANGES || (index > 0 && total > MAX_PAGE_BYTES);
  });
  return tooMany === -1 ? changes : changes.slice(0, tooMany);
}
