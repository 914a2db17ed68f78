import { pgTable, timestamp, uuid } from 'drizzle-orm/pg-core';

/** Servers that run but do not reach the others over Redis, with the time of their last sign of life here. */
export const isolatedServers = pgTable('isolated_servers', {
  id: uuid().primaryKey(),
  seenAt: timestamp('seen_at', { withTimezone: true, precision: 3 }).notNull(),
});
