import { integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core';

export const users = pgTable('users', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  /** Lower-cased NFKC form: what makes two spellings the same user. */
  key: text().notNull().unique(),
  /** As first registered. */
  username: text().notNull(),
  lastSeen: timestamp('last_seen', { withTimezone: true, precision: 3 }),
  createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
});
