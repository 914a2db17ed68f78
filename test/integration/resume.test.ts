import { describe, expect, test } from 'bun:test';
import { join, range, roomWith, seqs } from '../support/protocol-1.ts';
import { sharedDatabase, startServer } from '../support/server.ts';

const server = await startServer();

describe('resume (delivery rules 3, 4, 6)', () => {
  test('`since` brings newer changes, each once, in rev order; "$" none; its absence the last ten messages', async () => {
    const room = await roomWith(server, 30);
    const cases: [more: object, expected: number[]][] = [
      [{}, range(21, 30)],
      [{ since: '$' }, []],
      [{ since: 0 }, range(1, 30)],
      [{ since: 12 }, range(13, 30)],
      [{ since: 25 }, range(26, 30)],
      [{ since: 30 }, []],
    ];
    for (const [more, expected] of cases) {
      const ana = await server.connect();
      const joined = await join(ana, room, more);
      expect({ more, seqs: seqs(joined) }).toEqual({ more, seqs: expected });
      expect(joined).toMatchObject({ rev: 30, complete: true, reset: false });
      await ana.close();
    }
  });

  test('a long absence comes in pages of at most 500 changes, and then live', async () => {
    const room = await roomWith(server, 1234);
    const ana = await server.connect();
    const all: number[] = [];
    let joined = await join(ana, room, { since: 0 });
    expect(joined.messages).toHaveLength(500);
    expect(joined).toMatchObject({ complete: false, rev: 500 });
    // Not in the room yet.
    ana.send({ type: 'message', room, content: 'too soon', id: 'x' });
    expect(await ana.expect('error')).toMatchObject({ code: 'not_joined' });
    for (;;) {
      all.push(...seqs(joined));
      expect(joined.rev).toBe(all.at(-1) as number);
      if (joined.complete) break;
      joined = await join(ana, room, { since: joined.rev, epoch: joined.epoch });
    }
    expect(all).toEqual(range(1, 1234));
    ana.send({ type: 'message', room, content: 'now' });
    expect(await ana.expect('message')).toMatchObject({ rev: 1235 });
  });

  test('a page holds at most 256 KiB of JSON', async () => {
    const room = await roomWith(server, 150, (n) => `${n}${'é'.repeat(3990)}`);
    const ana = await server.connect();
    const all: number[] = [];
    for (let joined = await join(ana, room, { since: 0 }); ; ) {
      expect(Buffer.byteLength(JSON.stringify(joined.messages))).toBeLessThanOrEqual(256 * 1024);
      all.push(...seqs(joined));
      if (joined.complete) break;
      joined = await join(ana, room, { since: joined.rev });
    }
    expect(all).toEqual(range(1, 150));
  });

  test('another epoch, or a since from the future, gives reset and the last ten', async () => {
    const room = await roomWith(server, 15);
    for (const more of [
      { since: 16 },
      { since: 3, epoch: crypto.randomUUID() },
      { epoch: 'of another server' },
      { since: '$', epoch: 'old' },
    ]) {
      const ana = await server.connect();
      const joined = await join(ana, room, more);
      expect(joined).toMatchObject({ reset: true, complete: true, rev: 15 });
      expect(seqs(joined)).toEqual(range(6, 15));
      await ana.close();
    }
    const same = await server.connect();
    const { epoch } = await join(same, room);
    const again = await server.connect();
    expect(await join(again, room, { since: 15, epoch })).toMatchObject({ reset: false });
  });

  test('nothing is lost or repeated between `joined` and the live changes after it, wherever the reading begins', async () => {
    const room = await roomWith(server, 700);
    const ana = await server.join('talker', room);
    let sent = 0;
    let isTalking = true;
    // As fast as the server takes it, so that readers catch up however slow the machine is.
    const talk = async () => {
      while (isTalking) {
        for (let n = 0; n < 20; n++) {
          sent += 1;
          ana.send({ type: 'message', content: `live ${sent}` });
        }
        await ana.until((frame) => frame.type === 'message' && frame.content === `live ${sent}`);
      }
    };
    const talking = talk();
    const readers = await Promise.all(
      Array.from({ length: 24 }, async (_, n) => {
        const reader = await server.connect();
        const seen: number[] = [];
        let since = (n * 37) % 700;
        const first = since;
        for (;;) {
          const joined = await join(reader, room, { since });
          seen.push(...seqs(joined));
          since = joined.rev;
          if (joined.complete) break;
        }
        return { reader, seen, first };
      }),
    );
    isTalking = false;
    await talking;
    const last = 700 + sent;
    for (const { reader, seen, first } of readers) {
      while ((seen.at(-1) ?? 0) < last) {
        const frame = await reader.untilType('message');
        expect(frame.rev).toBe(frame.seq);
        seen.push(frame.seq);
      }
      expect(seen).toEqual(range(first + 1, last));
    }
  });

  test('a resume that the replay buffer covers reads no message from the database', async () => {
    const room = await roomWith(server, 1);
    const database = await sharedDatabase();
    const ana = await server.connect();
    const { epoch } = await join(ana, room);
    for (let n = 0; n < 50; n++) ana.send({ type: 'message', content: `${n}` });
    await ana.until((frame) => frame.type === 'message' && frame.seq === 51);
    const tab = await server.connect();
    const asked: string[] = [];
    const { session } = database.db as unknown as {
      session: { prepareQuery: (query: { sql: string }, ...rest: unknown[]) => unknown };
    };
    const prepareQuery = session.prepareQuery;
    session.prepareQuery = function spy(query, ...rest) {
      asked.push(query.sql);
      return prepareQuery.call(this, query, ...rest);
    };
    try {
      expect(seqs(await join(tab, room, { since: 5, epoch }))).toEqual(range(6, 51));
    } finally {
      session.prepareQuery = prepareQuery;
    }
    // The index of words reads messages in the background.
    const reads = asked.filter((sql) => sql.includes('content') && !sql.includes('word_cursors'));
    expect(reads).toEqual([]);
  });
});
