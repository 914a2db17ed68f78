import { sql } from 'drizzle-orm';
import { rootMessage } from '../db/failures.ts';
import type { Database } from '../db/index.ts';
import { users } from '../db/schema/index.ts';
import type { Logger } from '../log.ts';

/** Stores when users were last in a room. */
export class LastSeen {
  readonly #noted = new Map<number, Date>();
  #storing: Promise<void> | undefined;

  constructor(
    private readonly db: Database,
    private readonly log: Logger,
  ) {}

  /**
   * An older time never replaces a newer one. Like messages, what comes while one statement runs goes
   * into the next, so that a thousand drops are not a thousand statements.
   */
  note(userId: number, at: Date): void {
    const noted = this.#noted.get(userId);
    if (!noted || noted < at) this.#noted.set(userId, at);
    this.#storing ??= this.#store();
  }

  /** Returns when every noted time is stored. */
  async close(): Promise<void> {
    await this.#storing;
  }

  async #store(): Promise<void> {
    await Promise.resolve();
    while (this.#noted.size > 0) {
      const noted = JSON.stringify(Object.fromEntries(this.#noted));
      this.#noted.clear();
      try {
        await this.db.execute(sql`
          with noted as (
            select key::int as id, value::timestamptz as at from json_each_text(${noted}::text::json)
          ), locked as (
            select id from ${users} where id in (select id from noted) order by id for update
          )
          update ${users} set last_seen = greatest(last_seen, noted.at)
          from noted join locked using (id) where ${users.id} = noted.id`);
      } catch (error) {
        this.log.error({ reason: rootMessage(error) }, 'storing lastSeen failed');
      }
    }
    this.#storing = undefined;
  }
}
