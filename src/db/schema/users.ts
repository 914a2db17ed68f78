import { integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import { roles } from '../../types/identity.ts';

export const users = pgTable('users', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  /** Lower-cased NFKC form: what makes two spellings the same user. */
  key: text().notNull().unique(),
  /** As first registered. */
  username: text().notNull(),
  lastSeen: timestamp('last_seen', { withTimezone: true, precision: 3 }),
  createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  /** Since when it is an account: it has a password, or a valid token named it. Null for a guest. */
  claimedAt: timestamp('claimed_at', { withTimezone: true, precision: 3 }),
  /** argon2id, in PHC's string format. */
  passwordHash: text('password_hash'),
  /** Tokens issued until then are over. */
  tokensEndedAt: timestamp('tokens_ended_at', { withTimezone: true, precision: 3 }),
  /** Of the last token that it has shown; notices go to roles. */
  role: text({ enum: roles }).notNull().default('user'),
  bannedAt: timestamp('banned_at', { withTimezone: true, precision: 3 }),
  /** Rises with each change of the four above, so that the newer of two copies can be told. */
  version: integer().notNull().default(0),
});
