import { eq, sql } from 'drizzle-orm';
import { rootMessage } from '../db/failures.ts';
import { type Database, rows } from '../db/index.ts';
import {
  deletedRooms,
  messages,
  notifications,
  reactions,
  readPositions,
} from '../db/schema/index.ts';
import type { Logger } from '../log.ts';

/** How many messages are deleted by one statement, so that none holds up the others for long. */
const AT_ONCE = 5000;

/** Deletes the messages of deleted rooms, and what belongs to them, in the background; what a stop leaves is for the next start. */
export class RoomPurge {
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(
    private readonly db: Database,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.#again = true;
    this.#running ??= this.#run()
      .catch((error) => this.log.error({ reason: rootMessage(error) }, 'purging a room failed'))
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** Returns when nothing is under way any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      for (const { roomId } of await this.db.select().from(deletedRooms)) {
        if (!(await this.#emptied(roomId))) return;
        await this.db.delete(readPositions).where(eq(readPositions.roomId, roomId));
        await this.db.delete(notifications).where(eq(notifications.roomId, roomId));
        await this.db.delete(deletedRooms).where(eq(deletedRooms.roomId, roomId));
      }
    }
  }

  async #emptied(roomId: number): Promise<boolean> {
    while (!this.#closed) {
      const deleted = await rows(
        this.db,
        sql`
          with gone as (
            delete from ${messages} where id in (
              select id from ${messages} where room_id = ${roomId} limit ${AT_ONCE}
            ) returning id
          ), reacted as (
            delete from ${reactions} where message_id in (select id from gone)
          )
          select id from gone`,
      );
      if (deleted.length < AT_ONCE) return true;
    }
    return false;
  }
}
