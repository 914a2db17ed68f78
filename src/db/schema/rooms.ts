import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
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
    /** The number of changes so far. Who holds the lock on this row takes the next ones. */
    rev: bigint({ mode: 'number' }).notNull().default(0),
    /** Names this history; drawn anew when writes may have been lost. */
    epoch: uuid().notNull().defaultRandom(),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
    topic: text(),
    isPrivate: boolean('is_private').notNull().default(false),
    /** Null when nobody owns it: the first join made it. */
    ownerId: integer('owner_id'),
    /** Someone is or was banned or muted here; until then nobody needs to be looked up. */
    isModerated: boolean('is_moderated').notNull().default(false),
    /** Of a direct room: its two people, the one with the lower id first; null of all others. */
    directLow: integer('direct_low'),
    directHigh: integer('direct_high'),
  },
  (table) => [
    uniqueIndex('rooms_direct')
      .on(table.directLow, table.directHigh)
      .where(sql`${table.directLow} is not null`),
  ],
);

/** How users stand in a room; who has no row here is nobody in particular there. */
export const roomPeople = pgTable(
  'room_people',
  {
    roomId: integer('room_id').notNull(),
    userId: integer('user_id').notNull(),
    isMember: boolean('is_member').notNull().default(false),
    isBanned: boolean('is_banned').notNull().default(false),
    isMuted: boolean('is_muted').notNull().default(false),
  },
  (table) => [primaryKey({ columns: [table.roomId, table.userId] })],
);

/** How far users have read, in each room where they have ever been. */
export const readPositions = pgTable(
  'read_positions',
  {
    userId: integer('user_id').notNull(),
    roomId: integer('room_id').notNull(),
    /** A `seq`. */
    lastRead: bigint('last_read', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.roomId] })],
);

/** Rooms that are gone, whose messages are still being deleted, a few at a time. */
export const deletedRooms = pgTable('deleted_rooms', { roomId: integer('room_id').primaryKey() });
