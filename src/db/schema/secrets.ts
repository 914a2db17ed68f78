import { pgTable, text } from 'drizzle-orm/pg-core';

/** Secrets that were drawn once, for all servers of this database. */
export const secrets = pgTable('secrets', {
  name: text().primaryKey(),
  value: text().notNull(),
});
