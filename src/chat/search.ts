import { type SQL, sql } from 'drizzle-orm';
import { messages, messageWords, UNINDEXED } from '../db/schema/index.ts';
import { type Database, rows } from '../db/statements.ts';
import { invalidField } from '../errors.ts';
import type { Keys } from '../lib/fair-queue.ts';
import { checkSearchText } from '../protocol/checks.ts';
import type { Room } from '../protocol/room.ts';
import type { MessageReader, Slice } from './reader.ts';
import type { WordIndex } from './word-index.ts';
import { lexemes } from './words.ts';

/** How many of the newest messages are scanned one by one, before the index of words is used. */
const LOOKED_THROUGH = 20_000;

/** Finds messages by the words in them. */
export class Search {
  constructor(
    private readonly parts: { db: Database; messages: MessageReader; words: WordIndex },
  ) {}

  /**
   * The messages of a room that have all the words of a text, newest first. Common words are found among the
   * newest messages; words that are not are rare enough for the index, which finds all messages of a word but
   * cannot begin with the newest. So neither takes long, however many messages there are.
   *
   * @param page `before` is a `seq`, exclusive
   * @param reader of {@link readerOf}; concurrent reads take turns by it
   * @throws {ChatError} `overloaded`, `invalid_frame` for a text without a word, or one that is too long
   */
  async find(
    room: Room,
    text: string,
    page: { before?: number | undefined; limit: number },
    reader: Keys,
  ): Promise<Slice> {
    checkSearchText(text);
    const wanted = lexemes(room.id, text);
    if (wanted.length === 0) {
      throw invalidField('q', 'must have a letter or a digit');
    }
    // Lexemes consist of letters, marks, digits and "_", so they contain no operators.
    const query = wanted.map((lexeme) => `'${lexeme}'`).join(' & ');
    return this.parts.messages.turns.run(reader, () => this.#find(room, query, page));
  }

  async #find(
    room: Room,
    query: string,
    { before = Number.MAX_SAFE_INTEGER, limit }: { before?: number | undefined; limit: number },
  ): Promise<Slice> {
    await this.parts.words.catchUp(room.id);
    const newest = await this.#read(
      room,
      sql`
        select seq from (
          select seq, words from ${messageWords} where room_id = ${room.id} and seq < ${before}
          order by seq desc limit ${LOOKED_THROUGH}
        ) near
        where words @@ ${query}::tsquery`,
      limit + 1,
    );
    const ids =
      newest.length > limit ? newest : await this.#findAll(room, query, before, limit + 1);
    const { messages: byId, covered } = await this.parts.messages.firstByIds(
      new Map([[room.id, room]]),
      ids.slice(0, limit).map(({ id }) => id),
    );
    const found = [...byId.values()].sort((a, b) => b.seq - a.seq);
    return { messages: found, more: covered < ids.length };
  }

  #findAll(room: Room, query: string, before: number, limit: number) {
    // Written out, since Postgres uses a partial index only if the query visibly stays within it.
    const indexed = sql.raw(`${UNINDEXED}`);
    return this.#read(
      room,
      sql`
        with hits as materialized (
          select seq from ${messageWords} where words @@ ${query}::tsquery and seq > ${indexed}
        )
        select seq from hits where seq < ${before}
        union all
        select seq from ${messageWords}
        where room_id = ${room.id} and seq <= ${indexed} and seq < ${before} and words @@ ${query}::tsquery`,
      limit,
    );
  }

  /** The ids of the newest messages, by a statement that gives their `seq`s. */
  #read(room: Room, seqs: SQL, limit: number): Promise<{ id: number }[]> {
    return rows(
      this.parts.db,
      sql`
        select m.id::float8 as id
        from (select seq from (${seqs}) hits order by seq desc limit ${limit}) found
          join ${messages} m on m.room_id = ${room.id} and m.seq = found.seq
        order by m.seq desc`,
    );
  }
}
