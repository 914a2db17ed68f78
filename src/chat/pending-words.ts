import { sql } from 'drizzle-orm';
import type { Database } from '../db/index.ts';
import { UNINDEXED } from '../db/schema/index.ts';
import type { Cancel, Clock } from '../lib/clock.ts';
import { rootMessage } from '../lib/root-cause.ts';
import type { Logger } from '../log.ts';
import type { StoredMessage } from '../protocol/message.ts';

/** The longest that new words wait, in milliseconds: at 10,000 messages/s they are half a MiB by then. */
const CLEAN_EVERY_MS = 250;

/**
 * Moves new words from the pending list of their index into the index itself, in the background. Otherwise
 * Postgres does so within the insert that fills the list, which then takes 100 ms and more.
 *
 * @see https://www.postgresql.org/docs/current/gin-implementation.html#GIN-FAST-UPDATE
 */
export class PendingWords {
  #cancel: Cancel | undefined;
  #cleaning: Promise<void> | undefined;

  constructor(private readonly parts: { db: Database; clock: Clock; log: Logger }) {}

  /** Messages of a room were stored or changed. */
  note(messages: StoredMessage[]): void {
    if (this.#cancel || this.#cleaning || !messages.some(({ seq }) => seq > UNINDEXED)) return;
    this.#cancel = this.parts.clock.timer(CLEAN_EVERY_MS, () => {
      this.#cancel = undefined;
      this.#cleaning = this.#clean().finally(() => {
        this.#cleaning = undefined;
      });
    });
  }

  async close(): Promise<void> {
    this.#cancel?.();
    await this.#cleaning;
  }

  async #clean(): Promise<void> {
    try {
      await this.parts.db.execute(sql`select gin_clean_pending_list('messages_words')`);
    } catch (error) {
      // A later insert moves them then.
      this.parts.log.warn({ reason: rootMessage(error) }, 'moving words into their index failed');
    }
  }
}
