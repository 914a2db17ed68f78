import { type Database, rows } from '../db/statements.ts';
import { ChatError } from '../errors.ts';
import { Batcher } from '../lib/batcher.ts';
import type { Cancel, Clock } from '../lib/clock.ts';
import { RetryLoop } from '../lib/retry.ts';
import type { Logger } from '../log.ts';
import {
  type ChangedMessage,
  createCursors,
  findBehind,
  type Move,
  readChanges,
  storeWords,
} from './word-index.sql.ts';
import { lexemeText } from './words.ts';

/** How many rooms, messages and bytes of content one step reads, so that it delays other statements only shortly. */
const ROOMS_AT_ONCE = 100;
const MESSAGES_AT_ONCE = 250;
const BYTES_AT_ONCE = 256 * 1024;
/** How long changes are left to gather, in milliseconds. */
const GATHER_MS = 250;
/** How long a search waits for the words of all that was said before it, in milliseconds. */
const PATIENCE_MS = 2000;
/**
 * The rest after a step that leaves work, as a multiple of the step's time, so that the words of busy rooms take a fifth
 * of a connection's time at most and posts come first; a search does not rest. And its most, in milliseconds.
 */
const REST = 4;
const MOST_REST_MS = 1000;
/** How long another server that stores words of the same rooms is left alone, in milliseconds. */
const GIVE_WAY_MS = 20;

/**
 * Stores the words of messages for the search, in the background, room by room up to a cursor over the room's
 * `rev`s. So posting never waits for it, an edit or a deletion is one more change, what a killed server left is
 * done later, and messages of before there was a search are found too.
 *
 * Several servers share the cursors: each reads and takes the words out without a lock, and stores them only if it
 * can move the cursor from where it was.
 */
export class WordIndex {
  /** The ids of rooms that may have changes behind their cursor. */
  readonly #behind = new Set<number>();
  /** The rooms from this id on are still to be looked through for what an earlier run has left; undefined after the last. */
  #unseen: number | undefined;
  readonly #loop: RetryLoop;
  readonly #catchUps: Batcher<number, true>;
  #timer: Cancel | undefined;
  #isClosed = false;

  constructor(private readonly parts: { db: Database; clock: Clock; log: Logger }) {
    this.#loop = new RetryLoop({
      ...parts,
      name: 'storing words for the search',
      work: () => this.#work(),
    });
    this.#catchUps = new Batcher({
      run: async (roomIds) => {
        await this.#catchUp(new Set(roomIds));
        return roomIds.map(() => true);
      },
      clock: parts.clock,
      most: ROOMS_AT_ONCE,
    });
  }

  /** Begins with what earlier runs have left. */
  start(): void {
    this.#unseen = 0;
    this.#loop.trigger();
  }

  /** A room has, or may have, new changes. */
  note(roomId: number): void {
    this.#behind.add(roomId);
    if (!this.#loop.isRunning) this.#later(GATHER_MS);
  }

  /**
   * Returns when the words of all that is committed in a room are stored.
   *
   * @throws {ChatError} `unavailable` when that takes long, as after an upgrade of a database with millions of messages
   */
  async catchUp(roomId: number): Promise<void> {
    await this.#catchUps.add(roomId);
  }

  /** Returns when the present step has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.();
    await this.#loop.close();
  }

  #later(ms: number): void {
    if (this.#isClosed) return;
    this.#timer ??= this.parts.clock.timer(ms, () => {
      this.#timer = undefined;
      this.#loop.trigger();
    });
  }

  async #work(): Promise<void> {
    const { clock } = this.parts;
    if (this.#behind.size === 0) await this.#findBehind();
    const some = [...this.#behind.values().take(ROOMS_AT_ONCE)];
    for (const id of some) this.#behind.delete(id);
    let isMore = this.#behind.size > 0 || this.#unseen !== undefined;
    const start = clock.monotonic();
    try {
      for (const id of await this.#step(some)) {
        this.#behind.add(id);
        isMore = true;
      }
    } catch (error) {
      for (const id of some) this.#behind.add(id);
      throw error;
    }
    const rest = Math.min(REST * (clock.monotonic() - start), MOST_REST_MS);
    if (isMore) this.#later(rest);
    else if (this.#behind.size > 0) this.#later(GATHER_MS);
  }

  async #findBehind(): Promise<void> {
    if (this.#unseen === undefined) return;
    const page = { from: this.#unseen, limit: ROOMS_AT_ONCE };
    const found = await rows<{ id: number }>(this.parts.db, findBehind(page));
    for (const { id } of found) this.#behind.add(id);
    const last = found.at(-1);
    this.#unseen = last && last.id + 1;
  }

  async #catchUp(roomIds: Set<number>): Promise<void> {
    const { clock } = this.parts;
    const until = clock.monotonic() + PATIENCE_MS;
    for (let behind = [...roomIds]; behind.length > 0; ) {
      if (clock.monotonic() > until) {
        const reason = 'The search is still taking in older messages; try again.';
        throw new ChatError('unavailable', reason, 1);
      }
      behind = await this.#step(behind);
    }
  }

  /** Stores the words of the next changes of some rooms. @returns the rooms that may have more */
  async #step(roomIds: number[]): Promise<number[]> {
    if (roomIds.length === 0) return [];
    const { db, clock } = this.parts;
    const each = Math.ceil(MESSAGES_AT_ONCE / roomIds.length);
    const changes = await rows<ChangedMessage>(
      db,
      readChanges(roomIds, { each, bytes: BYTES_AT_ONCE }),
    );
    const last = changes.at(-1);
    if (!last) return [];
    // When the bytes have run out, the last room was not read to the end of its range, and those after it not at all.
    const isCut = last.reached >= BYTES_AT_ONCE;
    const moves = new Map<number, Move>();
    const behind = new Set<number>();
    for (const { roomId, after, upTo, isBehind } of changes) {
      moves.set(roomId, { roomId, after, upTo });
      if (isBehind) behind.add(roomId);
    }
    if (isCut) {
      moves.set(last.roomId, { ...last, upTo: last.rev ?? last.upTo });
      for (const id of roomIds) if (id >= last.roomId) behind.add(id);
    }
    const fresh = changes.filter(({ after }) => after === 0).map(({ roomId }) => roomId);
    if (fresh.length > 0) await db.execute(createCursors([...new Set(fresh)]));
    const words = changes.flatMap(({ roomId, seq, content }) =>
      seq === null ? [] : { roomId, seq, words: lexemeText(roomId, content ?? '') },
    );
    const stored = await rows<{ roomId: number }>(db, storeWords([...moves.values()], words));
    for (const { roomId } of stored) moves.delete(roomId);
    if (moves.size > 0) await clock.sleep(GIVE_WAY_MS);
    return [...behind, ...moves.keys()];
  }
}
