import { sql } from 'drizzle-orm';
import type { Database } from '../db/index.ts';
import { users } from '../db/schema/index.ts';
import type { Clock } from '../lib/clock.ts';
import { RetryLoop } from '../lib/retry.ts';
import { rootMessage } from '../lib/root-cause.ts';
import type { Logger } from '../log.ts';

/** Stores the times at which users were last in a room. */
export class LastSeen {
  readonly #noted = new Map<number, Date>();
  readonly #loop: RetryLoop;

  constructor(private readonly parts: { db: Database; clock: Clock; log: Logger }) {
    this.#loop = new RetryLoop({ ...parts, name: 'storing lastSeen', work: () => this.#store() });
  }

  /**
   * Notes the time at which a user was last in a room. An older time never replaces a newer one. While one statement runs, further times wait for the next, so
   * that a thousand drops are a few statements; times that could not be stored are kept.
   */
  note(userId: number, at: Date): void {
    const noted = this.#noted.get(userId);
    if (!noted || noted < at) this.#noted.set(userId, at);
    this.#loop.trigger();
  }

  /** Stores the remaining times and returns; those that the database does not take then are lost. */
  async close(): Promise<void> {
    await this.#loop.close();
    if (this.#noted.size === 0) return;
    await this.#store().catch((error) =>
      this.parts.log.error({ reason: rootMessage(error) }, 'storing lastSeen failed'),
    );
  }

  async #store(): Promise<void> {
    await Promise.resolve();
    const noted = new Map(this.#noted);
    await this.parts.db.execute(sql`
      with noted as (
        select key::int as id, value::timestamptz as at
        from json_each_text(${JSON.stringify(Object.fromEntries(noted))}::text::json)
      ), locked as (
        select id from ${users} where id in (select id from noted) order by id for update
      )
      update ${users} set last_seen = greatest(last_seen, noted.at)
      from noted join locked using (id) where ${users.id} = noted.id`);
    for (const [id, at] of noted) if (this.#noted.get(id) === at) this.#noted.delete(id);
  }
}
