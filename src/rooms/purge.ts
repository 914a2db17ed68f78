import { eq, sql } from 'drizzle-orm';
import {
  messages,
  messageWords,
  reactionCounts,
  reactions,
  readCursors,
  tombstones,
  wordCursors,
} from '../db/schema/index.ts';
import { type Database, deleteNotifications, rows } from '../db/statements.ts';
import type { Clock } from '../lib/clock.ts';
import { RetryLoop } from '../lib/retry.ts';
import type { Logger } from '../log.ts';

/** How many messages one statement deletes, so that it delays other statements only shortly. */
const AT_ONCE = 5000;

/**
 * Deletes the messages of deleted rooms, and what belongs to them, in the background; the next start
 * continues after a stop. Several servers may purge together: each takes rows that no other has locked.
 */
export class RoomPurge {
  readonly #loop: RetryLoop;
  #closed = false;

  constructor(private readonly parts: { db: Database; clock: Clock; log: Logger }) {
    this.#loop = new RetryLoop({ ...parts, name: 'purging rooms', work: () => this.#purge() });
  }

  start(): void {
    this.#loop.trigger();
  }

  /** Returns when the present purge has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#loop.close();
  }

  async #purge(): Promise<void> {
    for (const { roomId } of await this.parts.db.select().from(tombstones)) {
      // Without a cursor, no more words come.
      await this.parts.db.delete(wordCursors).where(eq(wordCursors.roomId, roomId));
      while (!this.#closed && (await this.#deleteSomeWords(roomId)) === AT_ONCE);
      while (!this.#closed && (await this.#deleteSome(roomId)) === AT_ONCE);
      if (this.#closed) return;
      await this.parts.db.execute(sql`
        delete from ${readCursors} where (user_id, room_id) in (
          select user_id, room_id from ${readCursors} where room_id = ${roomId}
          order by user_id, room_id for update)`);
      await this.parts.db.execute(deleteNotifications(sql`room_id = ${roomId}`));
      if (!(await this.#isGone(roomId))) {
        throw new Error(`room ${roomId} has messages that another server is deleting`);
      }
    }
  }

  async #deleteSomeWords(roomId: number): Promise<number> {
    const deleted = await rows(
      this.parts.db,
      sql`
        delete from ${messageWords} where room_id = ${roomId} and seq in (
          select seq from ${messageWords} where room_id = ${roomId} limit ${AT_ONCE} for update skip locked
        ) returning seq`,
    );
    return deleted.length;
  }

  async #deleteSome(roomId: number): Promise<number> {
    const deleted = await rows(
      this.parts.db,
      sql`
        with gone as (
          delete from ${messages} where id in (
            select id from ${messages} where room_id = ${roomId} limit ${AT_ONCE} for update skip locked
          ) returning id
        ), reacted as (
          delete from ${reactions} where message_id in (select id from gone)
        ), counted as (
          delete from ${reactionCounts} where message_id in (select id from gone)
        )
        select id from gone`,
    );
    return deleted.length;
  }

  /** Deletes the tombstone when no message is left, not even one that another server is deleting. */
  async #isGone(roomId: number): Promise<boolean> {
    await this.parts.db.execute(sql`
      delete from ${tombstones} t where t.room_id = ${roomId}
        and not exists (select from ${messages} m where m.room_id = t.room_id)
        and not exists (select from ${messageWords} w where w.room_id = t.room_id)`);
    const left = await this.parts.db.select().from(tombstones).where(eq(tombstones.roomId, roomId));
    return left.length === 0;
  }
}
