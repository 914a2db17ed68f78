import { sql } from 'drizzle-orm';
import { type Database, rows } from '../db/index.ts';
import { messages, UNINDEXED } from '../db/schema/index.ts';
import { ChatError } from '../errors.ts';
import type { StoredMessage } from '../types/rest.ts';
import type { Room } from '../types/room.ts';
import type { MessageReader } from './message-reader.ts';
import { lexemes } from './words.ts';

/** How many of the newest messages are looked through one by one, before the index of words is asked. */
const LOOKED_THROUGH = 20_000;

/** Finds messages by the words in them. */
export class Search {
  constructor(
    private readonly db: Database,
    private readonly messages: MessageReader,
  ) {}

  /**
   * The messages of a room that have all the words of a text, the newest first. Common words are found
   * among the newest messages, and those that are not are rare enough for the index, which knows all places
   * of a word but not the newest: so neither takes long, however many messages there are.
   *
   * @param page `before` is a `seq`, exclusive
   * @throws {ChatError} `invalid_frame` for a text without a word
   */
  async find(
    room: Room,
    text: string,
    { before = Number.MAX_SAFE_INTEGER, limit }: { before?: number | undefined; limit: number },
  ): Promise<StoredMessage[]> {
    const wanted = lexemes(room.id, text);
    if (wanted.length === 0) {
      throw new ChatError('invalid_frame', '"q" must have a letter or a digit to look for');
    }
    // They are made of letters, marks, digits and "_", so nothing in them can be taken for an operator.
    const query = wanted.map((lexeme) => `'${lexeme}'`).join(' & ');
    const near = await rows<{ id: number }>(
      this.db,
      sql`
        select id::float8 as id from (
          select id, seq, words from ${messages} where room_id = ${room.id} and seq < ${before}
          order by seq desc limit ${LOOKED_THROUGH}
        ) near
        where words @@ ${query}::tsquery order by seq desc limit ${limit}`,
    );
    const ids = near.length === limit ? near : await this.#findAll(room, query, before, limit);
    const found = await this.messages.byIds(
      new Map([[room.id, room]]),
      ids.map(({ id }) => id),
    );
    return [...found.values()].sort((a, b) => b.seq - a.seq);
  }

  #findAll(room: Room, query: string, before: number, limit: number) {
    // Written out, since Postgres uses a part's index only where it can tell that the query stays within.
    const indexed = sql.raw(`${UNINDEXED}`);
    return rows<{ id: number }>(
      this.db,
      sql`
        with hits as materialized (
          select id, seq from ${messages} where words @@ ${query}::tsquery and seq > ${indexed}
        )
        select id::float8 as id from (
          select id, seq from hits where seq < ${before}
          union all
          select id, seq from ${messages}
          where room_id = ${room.id} and seq <= ${indexed} and seq < ${before} and words @@ ${query}::tsquery
        ) found
        order by seq desc limit ${limit}`,
    );
  }
}
