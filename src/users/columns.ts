import { eq, sql } from 'drizzle-orm';
import { users } from '../db/schema/index.ts';
import type { Database } from '../db/statements.ts';
import type { UserState } from '../protocol/identity.ts';
import type { User } from '../protocol/rest.ts';

const isSet = (column: (typeof users)['bannedAt' | 'claimedAt' | 'passwordHash']) =>
  sql<boolean>`${column} is not null`;

/** The columns of a user's state. */
export const columns = {
  id: users.id,
  username: users.username,
  /** The creation of the user, until it has left a room. */
  lastSeen: sql<Date>`coalesce(${users.lastSeen}, ${users.createdAt})`.mapWith(users.lastSeen),
  isAccount: isSet(users.claimedAt),
  hasPassword: isSet(users.passwordHash),
  isBanned: isSet(users.bannedAt),
  role: users.role,
  tokensEndedAt: users.tokensEndedAt,
  version: users.version,
};

/** A user as these columns have it. */
export type Row = Omit<UserState, 'tokensEndedAt'> & { lastSeen: Date; tokensEndedAt: Date | null };

/** A user as REST shows it. */
export function toUser({ id, username, lastSeen }: Row): User {
  return { id, username, lastSeen: lastSeen.toISOString() };
}

/** A user as all servers know it. */
export function toState({ lastSeen: _, tokensEndedAt, ...row }: Row): UserState {
  return { ...row, tokensEndedAt: tokensEndedAt?.getTime() ?? 0 };
}

/**
 * The statements that look a user up and create a guest. Their text is kept, since making it takes longer than
 * sending it.
 */
export function prepared(db: Database) {
  const [key, username] = [sql.placeholder('key'), sql.placeholder('username')];
  return {
    byKey: db.select(columns).from(users).where(eq(users.key, key)).prepare(''),
    insertGuest: db
      .insert(users)
      .values({ key, username })
      .onConflictDoNothing()
      .returning(columns)
      .prepare(''),
  };
}
