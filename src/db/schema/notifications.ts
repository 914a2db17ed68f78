import { sql } from 'drizzle-orm';
import { bigint, index, integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core';

/** The unread notifications of users; read ones are deleted. */
export const notifications = pgTable(
  'notifications',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    userId: integer('user_id').notNull(),
    kind: text({ enum: ['mention', 'direct', 'notice'] }).notNull(),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
    /** Of a mention or a direct message: the message, its room and its `seq`. */
    messageId: bigint('message_id', { mode: 'number' }),
    roomId: integer('room_id'),
    seq: bigint({ mode: 'number' }),
    /** The JSON of a notice. */
    data: text(),
  },
  (table) => [
    index('notifications_user').on(table.userId, table.id),
    index('notifications_message').on(table.messageId).where(sql`${table.messageId} is not null`),
  ],
);
