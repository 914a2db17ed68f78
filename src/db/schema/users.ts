import { integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import { roles } from '../../protocol/identity.ts';

export const users = pgTable('users', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  /** The lower-cased NFKC form, which is the same for all spellings of a user's name. */
  key: text().notNull().unique(),
  /** The name in its first spelling. */
  username: text().notNull(),
  lastSeen: timestamp('last_seen', { withTimezone: true, precision: 3 }),
  createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  /** When the user became an account, by a password or by a valid token that named it. Null for a guest. */
  claimedAt: timestamp('claimed_at', { withTimezone: true, precision: 3 }),
  /** argon2id, in PHC's string format. */
  passwordHash: text('password_hash'),
  /** Tokens issued until then have been ended. */
  tokensEndedAt: timestamp('tokens_ended_at', { withTimezone: true, precision: 3 }),
  /** The role of the last token of the user; notices go to roles. */
  role: text({ enum: roles }).notNull().default('user'),
  bannedAt: timestamp('banned_at', { withTimezone: true, precision: 3 }),
  /** Rises with each change of the four above, so that the newer of two copies is known. */
  version: integer().notNull().default(0),
});
