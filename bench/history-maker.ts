import { SQL } from 'bun';
import { openDatabase } from '../src/db/index.ts';

/** Messages per statement. */
const AT_ONCE = 250_000;
/** Different words; the n-th is about as frequent as 1/n of the first, as in a language. */
const VOCABULARY = 50_000;
export const ROOM = 'history';

/**
 * Makes a room with a number of messages of six to ten words each, in an empty database, then the upkeep that a
 * running Postgres does over time: statistics, and the pending entries of its indexes.
 *
 * @returns the time it took, in seconds
 */
export async function makeHistory(databaseUrl: string, messages: number): Promise<number> {
  const start = performance.now();
  const { close } = await openDatabase({ databaseUrl, dataDir: '' });
  await close();
  const client = new SQL(databaseUrl, { max: 1 });
  await client`insert into users (key, username)
    select 'user' || n, 'user' || n from generate_series(1, 1000) n`;
  const [room] = await client`insert into rooms (name) values (${ROOM}) returning id`;
  const [{ indexdef }] = await client`
    select indexdef from pg_indexes where indexname = 'message_words_gin'`;
  await client`drop index message_words_gin`;
  await client`set maintenance_work_mem = '512MB'`;
  for (let done = 0; done < messages; done += AT_ONCE) {
    const to = Math.min(done + AT_ONCE, messages);
    await client`
      with said as (
        select n, array_agg(word) as words
        from generate_series(${done + 1}::int, ${to}::int) n
          cross join lateral (
            select 'w' || floor(exp(random() * ln(${VOCABULARY}::float8)))::int as word
            from generate_series(1, 6 + n % 5)
          ) words
        group by n order by n
      ), stored as (
        insert into message_words (room_id, seq, words)
          select ${room.id}::int, n, array_to_tsvector(array(select ${room.id}::int || ':' || word from unnest(words) word))
          from said
      )
      insert into messages (room_id, seq, rev, user_id, content, created_at)
        select ${room.id}::int, n, n, 1 + n % 1000, array_to_string(words, ' '), now() from said`;
  }
  // An edit of one message in a hundred.
  await client`update messages set rev = ${messages}::int + seq / 100 where seq % 100 = 0`;
  await client`update rooms set rev = (select max(rev) from messages) where id = ${room.id}`;
  await client`insert into word_cursors select id, rev from rooms`;
  await client.unsafe(indexdef);
  await client`vacuum analyze messages, message_words`;
  await client.close();
  return (performance.now() - start) / 1000;
}
