import { sql } from 'drizzle-orm';
import { type Database, rows } from '../db/index.ts';
import type { Clock } from '../lib/clock.ts';

/** The time of the database's clock, estimated from its last answer. */
export class DatabaseClock {
  /** How far the database's clock is ahead of ours, in milliseconds. */
  #ahead: number | undefined;

  /** @param timeout seconds that a statement may take */
  constructor(
    private readonly parts: { db: Database; clock: Clock },
    private readonly timeout: number,
  ) {}

  /** Returns once the database's time is known. */
  async start(): Promise<void> {
    if (this.#ahead !== undefined) return;
    const now = sql`select (extract(epoch from clock_timestamp()) * 1000)::float8 as at`;
    const [found] = await rows<{ at: number }>(this.parts.db, now);
    this.set(found?.at ?? Number.NaN);
  }

  /** @param at the database's time just now, in milliseconds since 1970; NaN is ignored */
  set(at: number): void {
    if (!Number.isNaN(at)) this.#ahead = at - this.parts.clock.now();
  }

  /** The time by which a statement that is sent now must have the locks of its rooms, or write nothing. */
  fence(): number {
    return this.parts.clock.now() + (this.#ahead ?? 0) + this.timeout * 1000;
  }
}
