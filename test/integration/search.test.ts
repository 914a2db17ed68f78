import { describe, expect, test } from 'bun:test';
import { sql } from 'drizzle-orm';
import { fresh, sharedDatabase, startServer } from '../support/server.ts';
import { mint, SECRET } from '../support/tokens.ts';
import { until } from '../support/until.ts';

const server = await startServer({ authSecret: SECRET });

/** A room in which all of this was said, and a search of it. */
async function roomOf(contents: string[]) {
  const room = fresh('room');
  const client = await server.enter(fresh('ana'), room);
  for (const content of contents) client.send({ type: 'message', content });
  await client.until((frame) => frame.type === 'message' && frame.seq === contents.length);
  const ask = (q: string, more = '') =>
    server.fetch(`/messages/search?room=${room}&q=${encodeURIComponent(q)}${more}`);
  const find = async (q: string) =>
    (await (await ask(q)).json()).map(({ content }: { content: string }) => content);
  return { room, client, ask, find };
}

describe('search', () => {
  test('finds whole words in any order, newest first, in upper or lower case', async () => {
    const { find, room, ask } = await roomOf([
      'The quick brown fox',
      'A fox is QUICK.',
      'Foxes are quicker',
      'user_name v1.2 at 10:30',
    ]);
    expect(await find('fox quick')).toEqual(['A fox is QUICK.', 'The quick brown fox']);
    expect(await find('FOX')).toHaveLength(2);
    expect(await find('foxes')).toEqual(['Foxes are quicker']);
    expect(await find('user_name 10')).toHaveLength(1);
    expect(await find('absent')).toEqual([]);
    const [found] = await (await ask('brown')).json();
    expect(found).toMatchObject({ room, seq: 1, rev: 1, content: 'The quick brown fox' });
  });

  test('finds words in Indonesian, English, Japanese and Thai', async () => {
    const { find } = await roomOf([
      'Selamat pagi, buku-buku itu sudah dikirim ke Jakarta',
      'The naïve café résumé',
      '来週の会議は東京で行います',
      'สวัสดีครับ วันนี้อากาศดีมาก',
      '오늘 회의는 서울에서',
      'ＦＵＬＬ ｗｉｄｔｈ ﾃｽﾄ',
      'Привет, мир',
    ]);
    for (const [query, start] of [
      ['buku jakarta', 'Selamat'],
      ['PAGI', 'Selamat'],
      ['cafe', 'The'],
      ['naïve', 'The'],
      ['résumé', 'The'],
      ['東京', '来週'],
      ['会議 来週', '来週'],
      ['東京で', '来週'],
      ['อากาศ', 'สวัสดี'],
      ['วันนี้', 'สวัสดี'],
      ['สวัสดี', 'สวัสดี'],
      ['회의는', '오늘'],
      ['full', 'ＦＵＬＬ'],
      ['テスト', 'ＦＵＬＬ'],
      ['ПРИВЕТ', 'Привет'],
    ] as const) {
      const found = await find(query);
      expect([query, found.length, found[0]?.startsWith(start)]).toEqual([query, 1, true]);
    }
  });

  test('treats the text of a search as words, never as operators', async () => {
    const { find, ask } = await roomOf(["it's 100% fun | not dull & (grey)", 'fun', 'dull']);
    for (const query of [
      "it's",
      '100%',
      'fun & dull',
      '(grey',
      'fun | dull',
      "'fun' dull",
      '!fun grey',
      '\\fun dull',
    ]) {
      expect([query, await find(query)]).toEqual([query, ["it's 100% fun | not dull & (grey)"]]);
    }
    expect(await find('fun:*')).toEqual(['fun', "it's 100% fun | not dull & (grey)"]);
    expect(await find('<-> fun')).toHaveLength(2);
    for (const nothing of ['!!!', '👍', "' & '"]) {
      const refused = await ask(nothing);
      expect(refused.status).toBe(400);
      expect(await refused.json()).toMatchObject({ code: 'invalid_frame' });
    }
    expect((await server.fetch('/messages/search')).status).toBe(400);
    expect((await ask('x'.repeat(257))).status).toBe(400);
    expect(await find('x'.repeat(256))).toEqual([]);
  });

  test('follows edits and deletions', async () => {
    const { find, client } = await roomOf(['first words']);
    const messageId = client.received.find(({ type }) => type === 'message') as { id: number };
    client.send({ type: 'edit', messageId: messageId.id, content: 'other thoughts' });
    await client.untilType('update');
    expect(await find('first')).toEqual([]);
    expect(await find('thoughts')).toEqual(['other thoughts']);
    client.send({ type: 'delete', messageId: messageId.id });
    await client.untilType('update');
    expect(await find('thoughts')).toEqual([]);
  });

  test('pages through common and rare words', async () => {
    const many = Array.from({ length: 45 }, (_, n) => `common ${n % 9 ? '' : 'rare'} number${n}`);
    const { room } = await roomOf(many);
    for (const [q, wanted] of [
      ['common', 45],
      ['rare', 5],
    ] as const) {
      const seen: number[] = [];
      let pages = 0;
      for (let path = `/messages/search?room=${room}&q=${q}&limit=3`; path; pages++) {
        const page = await server.fetch(path);
        seen.push(...(await page.json()).map(({ seq }: { seq: number }) => seq));
        path = /<([^>]+)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1] ?? '';
      }
      expect(seen).toHaveLength(wanted);
      expect(seen).toEqual(seen.toSorted((a, b) => b - a));
      expect(pages).toBe(Math.ceil(wanted / 3));
    }
  });

  test('finds old and new messages in a room of many', async () => {
    const { room, ask } = await roomOf(['the first one']);
    const { db } = await sharedDatabase();
    // The rows of 60,000 posts from before the search existed, in parts that a busy machine stores in time.
    for (let from = 0; from < 60_000; from += 10_000) {
      await db.execute(sql`
      insert into messages (room_id, seq, rev, user_id, content, created_at)
      select r.id, n, n, u.id, content, now()
      from rooms r, (select id from users limit 1) u, generate_series(greatest(2, ${from + 1}::int), ${from + 10_000}::int) n
        cross join lateral (
          select concat_ws(' ', 'all', case when n % 7000 = 0 then 'rare' end,
            case when n % 300 = 0 then 'some' end, case when n < 19000 then 'early' end,
            case when n between 25000 and 25010 then 'middle' end) as content
        ) said
      where r.name = ${room}`);
    }
    await db.execute(sql`update rooms set rev = 60000 where name = ${room}`);
    const isReady = async () => (await ask('all')).status !== 503;
    await until('all words are stored', isReady, 60_000);
    const seqsOf = async (q: string, before?: number) => {
      const page = await ask(q, `&limit=20${before ? `&before=${before}` : ''}`);
      return (await page.json()).map(({ seq }: { seq: number }) => seq);
    };
    const down = (from: number, step: number, count: number) =>
      Array.from({ length: count }, (_, n) => from - n * step);
    for (const [q, before, found] of [
      ['all', undefined, down(60_000, 1, 20)],
      ['all', 20_010, down(20_009, 1, 20)],
      ['rare', undefined, down(56_000, 7000, 8)],
      ['rare', 30_000, down(28_000, 7000, 4)],
      ['some', undefined, down(60_000, 300, 20)],
      ['some', 21_000, down(20_700, 300, 20)],
      ['rare some', undefined, [42_000, 21_000]],
      ['middle', undefined, down(25_010, 1, 11)],
      ['early', undefined, down(18_999, 1, 20)],
      ['early rare', undefined, [14_000, 7000]],
      ['first', undefined, [1]],
      ['first', 50_000, [1]],
      ['first all', undefined, []],
    ] as const) {
      expect([q, before, await seqsOf(q, before)]).toEqual([q, before, [...found]]);
    }
  });

  test('finds only messages of the given room, and only for users that may read it', async () => {
    const word = `w${crypto.randomUUID().replaceAll('-', '')}`;
    const { find } = await roomOf(['nothing of it']);
    const [owner, room] = [fresh('owner'), fresh('room')];
    const token = await mint({ sub: owner });
    await server.request('POST', '/rooms', token, { name: room, private: true });
    await server.request('POST', '/messages', token, { username: owner, room, content: word });
    expect(await find(word)).toEqual([]);
    const inside = `/messages/search?room=${room}&q=${word}`;
    expect(await (await server.request('GET', inside, token)).json()).toHaveLength(1);
    expect((await server.fetch(inside)).status).toBe(404);
  });
});
