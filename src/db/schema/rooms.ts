import { bigint, integer, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';

export const rooms = pgTable('rooms', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  name: text().notNull().unique(),
  /** The number of changes so far. Who holds the lock on this row takes the next ones. */
  rev: bigint({ mode: 'number' }).notNull().default(0),
  /** Names this history; drawn anew when writes may have been lost. */
  epoch: uuid().notNull().defaultRandom(),
  createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
});
