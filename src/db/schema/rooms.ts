import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';

export const rooms = pgTable(
  'rooms',
  {
    id: integer().primaryKey().generatedAlwaysAsIdentity(),
    name: text().notNull().unique(),
    /** The number of changes so far; the next ones are numbered under the lock on this row. */
    rev: bigint({ mode: 'number' }).notNull().default(0),
    /** Names this history; replaced when writes may have been lost. */
    epoch: uuid().notNull().defaultRandom(),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
    /** Rises under the lock on this row with each change of the columns below, or of a membership in the room. */
    version: bigint({ mode: 'number' }).notNull().default(0),
    topic: text(),
    isPrivate: boolean('is_private').notNull().default(false),
    /** Null for a room without an owner: the first join created it. */
    ownerId: integer('owner_id'),
    /** Whether the room has ever had bans or mutes; until then no membership need be looked up. */
    isModerated: boolean('is_moderated').notNull().default(false),
    /** The lower user id of a direct room's two users; null for all other rooms. */
    directLow: integer('direct_low'),
    directHigh: integer('direct_high'),
  },
  (table) => [
    uniqueIndex('rooms_direct')
      .on(table.directLow, table.directHigh)
      .where(sql`${table.directLow} is not null`),
    // The index above finds direct rooms by their lower id.
    index('rooms_direct_high').on(table.directHigh).where(sql`${table.directLow} is not null`),
  ],
);

/** Members, bans and mutes of rooms; users without a row have none of these. */
export const memberships = pgTable(
  'room_people',
  {
    roomId: integer('room_id').notNull(),
    userId: integer('user_id').notNull(),
    isMember: boolean('is_member').notNull().default(false),
    isBanned: boolean('is_banned').notNull().default(false),
    isMuted: boolean('is_muted').notNull().default(false),
    /** The version of the room at the last change of this row. */
    version: bigint({ mode: 'number' }).notNull().default(0),
  },
  (table) => [primaryKey({ columns: [table.roomId, table.userId] })],
);

/** The position up to which each user has read each room that it has ever joined. */
export const readCursors = pgTable(
  'read_positions',
  {
    userId: integer('user_id').notNull(),
    roomId: integer('room_id').notNull(),
    /** A `seq`. */
    lastRead: bigint('last_read', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.roomId] })],
);

/** Deleted rooms whose messages are still being purged. */
export const tombstones = pgTable('deleted_rooms', { roomId: integer('room_id').primaryKey() });
