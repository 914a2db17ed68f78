import { afterAll, describe, expect } from 'bun:test';
import { SQL } from 'bun';
import { openDatabase } from '../../src/db/index.ts';
import { type CuttableProxy, cuttableProxy } from '../support/cuttable-proxy.ts';
import { holding } from '../support/postgres-faults.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { freshPostgres, hasPostgres, testWithPostgres } from '../support/services.ts';

/** Within so many milliseconds everyone has an answer, whatever the database does. */
const ANSWERED_MS = 5000;

interface Scene {
  proxy: CuttableProxy;
  server: TestServer;
  url: string;
}

async function makeScene(): Promise<Scene> {
  const url = await freshPostgres();
  const proxy = await cuttableProxy(url);
  const database = await openDatabase({ databaseUrl: proxy.url, dataDir: '' });
  const server = await startServer({}, { database });
  afterAll(() => database.close());
  return { proxy, server, url };
}

/** A scene for each test, made before any of them begins, since the tests wait side by side. */
const scenes = hasPostgres ? await Promise.all(Array.from({ length: 9 }, makeScene)) : [];
const behindProxy = () => scenes.pop() as Scene;

async function timed<T>(work: Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work;
  expect(performance.now() - start).toBeLessThan(ANSWERED_MS);
  return result;
}

describe.concurrent('a database that hangs', () => {
  testWithPostgres(
    'is unavailable to senders, joins and requests within 5 s, and served again when it goes on',
    async () => {
      const { proxy, server } = behindProxy();
      const ana = await server.enter('ana', 'room');
      const ben = await server.enter('ben', 'room');
      const eva = await server.connect();
      proxy.hold();
      ana.send({ type: 'message', content: 'during', id: '1' });
      eva.send({ type: 'join', username: 'eva', room: 'room', protocol: 1, id: '2' });
      ben.send({ type: 'history', room: 'room', id: '3' });
      const requests = [
        server.fetch('/messages?room=room'),
        server.post('/messages', { username: 'ana', content: 'hi' }),
        server.fetch('/users/ana'),
        server.fetch('/rooms'),
        server.fetch('/ready'),
      ];
      const answers = [ana, eva, ben].map((client) => timed(client.untilType('error')));
      for (const [n, answer] of answers.entries()) {
        expect(await answer).toMatchObject({ code: 'unavailable', id: `${n + 1}` });
      }
      for (const request of requests) expect((await timed(request)).status).toBe(503);
      // Every frame of a client is answered in time, also those that wait for earlier ones.
      for (const frame of [
        { type: 'message', content: 'first' },
        { type: 'edit', messageId: 1, content: 'second' },
        { type: 'history', room: 'room' },
        { type: 'join', room: 'another' },
        { type: 'read', room: 'room', seq: 1 },
      ]) {
        ben.send({ ...frame, id: frame.type });
      }
      const since = performance.now();
      for (let n = 0; n < 5; n++) {
        expect(await ben.untilType('error')).toMatchObject({ code: 'unavailable' });
      }
      expect(performance.now() - since).toBeLessThan(ANSWERED_MS);
      // More statements than connections, so that none of these still waits for an answer that nobody wants.
      for (let n = 0; n < 30; n++) ana.send({ type: 'message', content: `${n}`, id: `more ${n}` });
      for (let n = 0; n < 30; n++) await timed(ana.untilType('error'));

      proxy.release();
      ana.send({ type: 'message', content: 'after', id: '4' });
      for (let id: string | undefined; id !== '4'; ) ({ id } = await ana.untilType('ack'));
      for (let content = ''; content !== 'after'; ) ({ content } = await ben.untilType('message'));
      expect((await server.fetch('/ready')).status).toBe(200);
    },
    30_000,
  );

  testWithPostgres(
    'leaves no departed user online',
    async () => {
      const { proxy, server } = behindProxy();
      const ana = await server.enter('ana', 'room');
      await server.enter('ben', 'room');
      proxy.hold();
      ana.send({ type: 'message', content: 'on the way', id: '1' });
      ana.socket.close();
      await ana.closed;
      const active = async () => (await server.fetch('/metrics')).text();
      const deadline = performance.now() + ANSWERED_MS + 500;
      while (!/ws_chat_people\S* 1\b/.test(await active())) {
        if (performance.now() > deadline) throw new Error(await active());
        await Bun.sleep(100);
      }
      proxy.release();
    },
    20_000,
  );

  testWithPostgres(
    'that receives a message late stores it once or never, and a stored message is delivered',
    async () => {
      const { proxy, server } = behindProxy();
      const ana = await server.enter('ana', 'room');
      const ben = await server.enter('ben', 'room');
      ana.send({ type: 'message', content: 'first', id: '0' });
      await ana.untilType('ack');
      proxy.hold();
      ana.send({ type: 'message', content: 'held', id: '1' });
      expect(await ana.untilType('error')).toMatchObject({ code: 'unavailable', id: '1' });
      proxy.release();
      ana.send({ type: 'message', content: 'held', id: '1' });
      const { seq } = await ana.untilType('ack');
      const shown = await ben.until((frame) => frame.type === 'message' && frame.seq === seq);
      expect(shown).toMatchObject({ content: 'held' });
      ana.send({ type: 'message', content: 'last', id: '2' });
      await ben.until((frame) => frame.type === 'message' && frame.content === 'last');
      const contents = ben.received.flatMap((frame) =>
        frame.type === 'message' ? [frame.content] : [],
      );
      expect(contents).toEqual(['first', 'held', 'last']);
    },
    20_000,
  );

  testWithPostgres(
    'frames that were sent at once all take effect, one after the other, on a slow database',
    async () => {
      const { server, url } = behindProxy();
      const ana = await server.enter('ana', 'slow');
      ana.send({ type: 'message', content: 'zero', id: 'message' });
      const { messageId } = await ana.untilType('ack');
      const sql = new SQL(url, { max: 1 });
      await sql.unsafe(`
        create function nap() returns trigger language plpgsql as 'begin perform pg_sleep(0.4); return new; end';
        create trigger nap before update on messages for each row execute function nap()`);
      await sql.close();
      // Together they take longer than the wait for one reply.
      for (let n = 0; n < 15; n++)
        ana.send({ type: 'edit', messageId, content: `${n}`, id: `${n}` });
      for (let n = 0; n < 15; n++) expect((await ana.untilType('ack')).id).toBe(`${n}`);
    },
    20_000,
  );
});

describe.concurrent('a lock that another program holds', () => {
  testWithPostgres(
    'on one room’s row delays no other room, and the room itself is unavailable within 5 s',
    async () => {
      const { server, url } = behindProxy();
      const ana = await server.enter('ana', 'held');
      // Of all lanes, and more rooms than there are lanes.
      const others = await Promise.all(
        Array.from({ length: 12 }, (_, n) => server.enter('ben', `free-${n}`)),
      );
      ana.send({ type: 'message', content: 'zero', id: '0' });
      const { messageId } = await ana.untilType('ack');
      const letGo = await holding(url, "select from rooms where name = 'held' for update");
      ana.send({ type: 'message', content: 'one', id: '1' });
      ana.send({ type: 'message', content: 'two', id: '2' });
      // It waits for the messages first.
      ana.send({ type: 'edit', messageId, content: 'three', id: '3' });
      const refused = timed(ana.until((frame) => frame.type === 'error' && frame.id === '3'));
      for (let round = 0; round < 5; round++) {
        for (const ben of others) ben.send({ type: 'message', content: 'hi', id: `${round}` });
        const start = performance.now();
        for (const ben of others) await ben.untilType('ack');
        expect(performance.now() - start).toBeLessThan(1000);
      }
      expect(await refused).toMatchObject({ code: 'unavailable' });
      const errors = ana.received.filter((frame) => frame.type === 'error');
      expect(errors).toMatchObject([1, 2, 3].map((n) => ({ code: 'unavailable', id: `${n}` })));
      await letGo();
      ana.send({ type: 'message', content: 'one', id: '1' });
      ana.send({ type: 'message', content: 'two', id: '2' });
      // The edit was under way when the row was let go, and may have taken a `rev`.
      const one = await ana.untilType('ack');
      expect(one.id).toBe('1');
      expect(await ana.untilType('ack')).toMatchObject({ id: '2', seq: Number(one.seq) + 1 });
    },
    20_000,
  );

  testWithPostgres(
    'on more rooms than have lanes of their own delays no room that is only busy for a moment',
    async () => {
      const { server, url } = behindProxy();
      const stuck = await Promise.all(
        Array.from({ length: 6 }, (_, n) => server.enter('ana', `stuck-${n}`)),
      );
      const ben = await server.enter('ben', 'busy');
      const letGo = await holding(url, "select from rooms where name like 'stuck-%' for update");
      for (const ana of stuck) ana.send({ type: 'message', content: 'hi', id: '1' });
      const letGoBusy = await holding(url, "select from rooms where name = 'busy' for update");
      ben.send({ type: 'message', content: 'hi', id: '1' });
      await letGoBusy();
      const start = performance.now();
      await ben.untilType('ack');
      expect(performance.now() - start).toBeLessThan(2500);
      await letGo();
    },
    20_000,
  );

  testWithPostgres(
    'on a room’s row delays its changes, which follow in their order',
    async () => {
      const { server, url } = behindProxy();
      const ana = await server.enter('ana', 'held');
      const { message } = await (
        await server.post('/messages', { username: 'ana', room: 'held', content: '1' })
      )
        .json()
        .then((message: { id: number }) => ({ message }));
      const letGo = await holding(url, "select from rooms where name = 'held' for update");
      const messageId = message.id;
      ana.send({ type: 'edit', messageId, content: '2', id: 'a' });
      await Bun.sleep(1200);
      await letGo();
      expect(await ana.untilType('ack')).toMatchObject({ id: 'a', rev: 2 });
      ana.send({ type: 'delete', messageId, id: 'b' });
      expect(await ana.untilType('ack')).toMatchObject({ id: 'b', rev: 3 });
    },
    20_000,
  );

  testWithPostgres(
    'on a whole table gets `unavailable` within 5 s, and no more once it is released',
    async () => {
      const { server, url } = behindProxy();
      const ana = await server.enter('ana', 'room');
      for (const table of ['messages', 'read_positions', 'users', 'rooms']) {
        const letGo = await holding(url, `lock table ${table} in access exclusive mode`);
        ana.send({ type: 'message', content: 'hi @ana', id: table });
        const eva = await server.connect();
        eva.send({ type: 'join', username: `eva-${table}`, room: `new-${table}`, protocol: 1 });
        expect(await timed(ana.untilType('error'))).toMatchObject({ code: 'unavailable' });
        expect(await timed(eva.untilType('error'))).toMatchObject({ code: 'unavailable' });
        await letGo();
        ana.send({ type: 'message', content: 'hi @ana', id: table });
        expect(await timed(ana.untilType('ack'))).toMatchObject({ id: table });
      }
    },
    60_000,
  );
});

describe.concurrent('a message whose commit comes late', () => {
  testWithPostgres(
    'is shown once, and its mentioned users are notified, when the connection was lost while it waited for a lock',
    async () => {
      const { proxy, server, url } = behindProxy();
      const ana = await server.enter('ana', 'room');
      const ben = await server.enter('ben', 'other');
      const eva = await server.enter('eva', 'room');
      ana.send({ type: 'message', content: 'first', id: '0' });
      await eva.untilType('message');
      // The insert has the lock of the room by then, and waits for this one.
      const letGo = await holding(url, 'select from read_positions for update');
      ana.send({ type: 'message', content: 'late @ben', id: '1' });
      const watcher = new SQL(url, { max: 1 });
      const isWaiting =
        "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
      while ((await watcher.unsafe(isWaiting)).length === 0) await Bun.sleep(20);
      proxy.cut();
      expect(await ana.untilType('error')).toMatchObject({ code: 'unavailable', id: '1' });
      await proxy.mend();
      // The server looks at once, when it is not committed yet.
      await Bun.sleep(700);
      await letGo();
      await watcher.close();
      expect(await eva.untilType('message')).toMatchObject({ content: 'late @ben', seq: 2 });
      expect(await ben.untilType('notification')).toMatchObject({
        kind: 'mention',
        message: { content: 'late @ben' },
      });
      const zoe = await server.connect();
      zoe.send({ type: 'join', username: 'zoe', room: 'room', protocol: 1 });
      expect((await zoe.untilType('joined')).messages.map(({ content }) => content)).toEqual([
        'first',
        'late @ben',
      ]);
      ana.send({ type: 'message', content: 'late @ben', id: '1' });
      expect(await ana.untilType('ack')).toMatchObject({ id: '1', seq: 2 });
      const after = [...(await eva.settle()), ...(await ben.settle())];
      expect(after.filter(({ type }) => type === 'message' || type === 'notification')).toEqual([]);
    },
    20_000,
  );
});
