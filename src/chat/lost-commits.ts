import { sql } from 'drizzle-orm';
import type { Notified } from '../bus/bus.ts';
import { isOutcomeUnknown, sqlState } from '../db/failures.ts';
import { messages, rooms } from '../db/schema/index.ts';
import { array, type Database, rows } from '../db/statements.ts';
import type { ChatError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { RetryLoop } from '../lib/retry.ts';
import { rootMessage } from '../lib/root-cause.ts';
import type { Logger } from '../log.ts';
import type { StoredMessage } from '../protocol/message.ts';
import type { Room } from '../protocol/room.ts';
import { noAnswer } from './entries.ts';
import type { MessageReader } from './reader.ts';

/** The events of the writer. */
export interface WriterEvents {
  /** Committed just now, in order; called before any sender gets its answer. */
  onCommit(changes: [room: Room, message: StoredMessage][]): void;
  /** Notifications of these messages were committed with them. */
  onNotify(notified: Notified): void;
  /** The database did not answer: these rooms may have more changes than were published. */
  onUnknownOutcome(roomIds: number[]): void;
}

/** The parts that commit posts and changes. */
export interface CommitterParts {
  /** For look-ups. */
  db: Database;
  /** For commits. */
  writes: Database;
  messages: MessageReader;
  events: WriterEvents;
  lost: LostCommits;
  log: Logger;
}

/** A batch that was sent to the database and may or may not have been, or yet be, committed. */
export interface LostCommit {
  /** The ids of its rooms. */
  rooms: Set<number>;
  /** The statement writes nothing if it gets the locks of its rooms after this time of the database's clock. */
  fence: number;
  /** The users that notifications in it may be for. */
  userIds: number[];
}

/** How often the outcome is looked for, in milliseconds. */
const LOOK_EVERY_MS = 500;
/** The number of a room's newest messages that are searched for those of a lost commit. */
const NEWEST = 1000;

/**
 * Finds the outcome of commits whose answer was lost, however late they take effect: a statement that may
 * still run holds the locks of its rooms, or waits for them, and writes nothing when it gets them after its
 * fence. Therefore the outcome is certain once these locks are free after the fence.
 */
export class LostCommits {
  #lost: LostCommit[] = [];
  #isClosed = false;
  readonly #looking: RetryLoop;

  /** @param timeout seconds that a statement may take */
  constructor(
    private readonly parts: { db: Database; events: WriterEvents; clock: Clock; log: Logger },
    private readonly timeout: number,
  ) {
    this.#looking = new RetryLoop({
      ...parts,
      name: 'looking for lost commits',
      work: () => this.#look(),
    });
  }

  /**
   * The database has failed a whole batch.
   *
   * @param sent what to look for if the commit may have succeeded all the same
   * @returns the error for the senders
   */
  giveUp(
    batch: { room: Room }[],
    error: unknown,
    sent: { fence: number; userIds: number[] } = { fence: 0, userIds: [] },
  ): ChatError {
    const state = sqlState(error);
    this.parts.log.error(
      { state, reason: rootMessage(error), size: batch.length },
      'a batch failed',
    );
    if (isOutcomeUnknown(error)) {
      this.add({ rooms: new Set(batch.map(({ room }) => room.id)), ...sent });
    }
    return noAnswer();
  }

  add(lost: LostCommit): void {
    this.#lost.push(lost);
    // Most often the commit succeeded, and only its answer was lost.
    this.#announce(lost);
    this.#looking.trigger();
  }

  close(): void {
    this.#isClosed = true;
    this.#looking.close();
  }

  async #look(): Promise<void> {
    for (const lost of [...this.#lost]) {
      if (!(await this.#isOver(lost))) continue;
      this.#lost = this.#lost.filter((other) => other !== lost);
      this.#announce(lost);
      await this.#notify(lost);
    }
    if (this.#lost.length === 0 || this.#isClosed) return;
    this.parts.clock.timer(LOOK_EVERY_MS, () => this.#looking.trigger());
  }

  #announce({ rooms }: LostCommit): void {
    this.parts.events.onUnknownOutcome([...rooms]);
  }

  /** Whether the statement can write no more; then its messages, if any, can be read. */
  async #isOver({ rooms: lostRooms, fence }: LostCommit): Promise<boolean> {
    const ids = array([...lostRooms]);
    const found = await rows<{ isOver: boolean }>(
      this.parts.db,
      sql`
        select free.id is not null and free.at >= ${fence}::float8 as "isOver"
        from ${rooms} r
          left join (
            select id, (extract(epoch from clock_timestamp()) * 1000)::float8 as at
            from (
              select id from ${rooms} where id = any(${ids}::int[]) order by id for share skip locked
            ) locked
          ) free on free.id = r.id
        where r.id = any(${ids}::int[])`,
    );
    return found.every(({ isOver }) => isOver);
  }

  /** Notifies the users mentioned in it, unless that has happened already. */
  async #notify({ rooms: lostRooms, fence, userIds }: LostCommit): Promise<void> {
    if (userIds.length === 0) return;
    const found = await rows<{ id: number }>(
      this.parts.db,
      sql`
        select m.id::float8 as id
        from unnest(${array([...lostRooms])}::int[]) as r (id),
          lateral (
            select id, created_at from ${messages} where room_id = r.id order by seq desc limit ${NEWEST}
          ) m
        where m.created_at >= to_timestamp(${fence / 1000 - 2 * this.timeout}::float8)`,
    );
    if (found.length > 0)
      this.parts.events.onNotify({ userIds, messageIds: found.map(({ id }) => id) });
  }
}
