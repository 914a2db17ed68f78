import { sql } from 'drizzle-orm';
import { bigint, customType, index, integer, pgTable, primaryKey } from 'drizzle-orm/pg-core';

/**
 * A search scans the words of a room's first messages one by one, which takes no time worth an index: most rooms
 * never have more.
 */
export const UNINDEXED = 20_000;

const tsvector = customType<{ data: string }>({ dataType: () => 'tsvector' });

/** The words of messages, for the search; messages without words have no row. */
export const messageWords = pgTable(
  'message_words',
  {
    roomId: integer('room_id').notNull(),
    /** Of the message. */
    seq: bigint({ mode: 'number' }).notNull(),
    /** Each word of the content once, with the room's id. */
    words: tsvector().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.roomId, table.seq] }),
    index('message_words_gin')
      .using('gin', table.words)
      .where(sql`${table.seq} > ${sql.raw(`${UNINDEXED}`)}`),
  ],
);

/** The `rev` up to which the words of a room's messages are stored; only who holds the lock on a row writes words of its room. */
export const wordCursors = pgTable('word_cursors', {
  roomId: integer('room_id').primaryKey(),
  rev: bigint({ mode: 'number' }).notNull(),
});
