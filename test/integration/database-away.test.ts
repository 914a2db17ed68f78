import { afterAll, describe, expect } from 'bun:test';
import { openDatabase } from '../../src/db/index.ts';
import { cuttableProxy } from '../support/cuttable-proxy.ts';
import { API_KEY } from '../support/people.ts';
import { startServer } from '../support/server.ts';
import { freshPostgres, testWithPostgres } from '../support/services.ts';

async function behindProxy() {
  const proxy = await cuttableProxy(await freshPostgres());
  const database = await openDatabase({ databaseUrl: proxy.url, dataDir: '' });
  const server = await startServer({ apiKey: API_KEY }, { database });
  afterAll(() => database.close());
  return { proxy, server };
}

describe('a database that goes away', () => {
  testWithPostgres(
    'costs an error, never the connection, and is used again when it is back',
    async () => {
      const { proxy, server } = await behindProxy();
      const ana = await server.join('ana', 'room');
      ana.send({ type: 'message', content: 'before', id: '1' });
      await ana.untilType('ack');
      expect((await server.fetch('/ready')).status).toBe(200);

      proxy.cut();
      ana.send({ type: 'message', content: 'during', id: '2' });
      expect(await ana.untilType('error')).toMatchObject({
        code: 'unavailable',
        id: '2',
        retryAfter: 1,
      });
      const ready = await server.fetch('/ready');
      expect(ready.status).toBe(503);
      expect(await ready.json()).toMatchObject({ code: 'unavailable' });
      expect((await server.fetch('/health')).status).toBe(200);
      const read = await server.fetch('/messages?room=room');
      expect(read.headers.get('content-type')).toBe('application/problem+json');

      await proxy.mend();
      // Sent again with the same id, as the error says.
      for (let type = ''; type !== 'ack'; ) {
        ana.send({ type: 'message', content: 'during', id: '2' });
        type = (await ana.until(({ type }) => type === 'ack' || type === 'error')).type;
      }
      const contents = ana.received.flatMap((frame) =>
        frame.type === 'message' ? [frame.content] : [],
      );
      expect(contents).toEqual(['before', 'during']);
      expect((await server.fetch('/ready')).status).toBe(200);
    },
  );

  testWithPostgres(
    'after a commit whose answer was lost, everyone still sees the message once',
    async () => {
      const { proxy, server } = await behindProxy();
      const ana = await server.join('ana', 'room');
      const ben = await server.join('ben', 'room');
      await ana.expect('system');
      // Postgres says this once the statement is committed.
      proxy.cutAtAnswer('SELECT 1');
      ana.send({ type: 'message', content: 'lost and found', id: '1' });
      expect(await ana.untilType('error')).toMatchObject({ code: 'unavailable', id: '1' });
      await proxy.mend();
      for (const client of [ana, ben]) {
        expect(await client.untilType('message')).toMatchObject({
          content: 'lost and found',
          seq: 1,
        });
      }
      ana.send({ type: 'message', content: 'lost and found', id: '1' });
      expect(await ana.untilType('ack')).toMatchObject({ seq: 1 });
      ana.send({ type: 'message', content: 'next', id: '2' });
      expect(await ben.expect('message')).toMatchObject({ content: 'next', seq: 2 });
    },
  );

  testWithPostgres(
    'after a change of rights whose answer was lost, the rights are those that are stored',
    async () => {
      const { proxy, server } = await behindProxy();
      const token = await server.register('owner');
      await server.request('POST', '/rooms', token, { name: 'den' });
      await server.request('POST', '/rooms', token, { name: 'tea' });
      const outside = await server.enter('ana', 'den');
      const banned = await server.enter('ben', 'tea');

      proxy.cutAtAnswer('UPDATE 1');
      const closing = await server.request('PATCH', '/rooms/den', token, { private: true });
      expect(closing.status).toBe(503);
      await proxy.mend();
      expect(await outside.untilType('error')).toMatchObject({ code: 'not_found' });

      proxy.cutAtAnswer('INSERT 0 1');
      expect((await server.request('PUT', '/rooms/tea/bans/ben', token)).status).toBe(503);
      await proxy.mend();
      expect(await banned.untilType('error')).toMatchObject({ code: 'banned' });
    },
  );

  testWithPostgres(
    'after a ban from the server whose answer was lost, the user is disconnected',
    async () => {
      const { proxy, server } = await behindProxy();
      const ben = await server.enter('ben', 'room');
      proxy.cutAtAnswer('UPDATE 1');
      expect((await server.request('PUT', '/users/ben/ban', API_KEY)).status).toBe(503);
      await proxy.mend();
      expect(await ben.closed).toMatchObject({ code: 4403 });
    },
  );

  testWithPostgres(
    'after an edit whose answer was lost, everyone still sees it once, and it may be sent again',
    async () => {
      const { proxy, server } = await behindProxy();
      const ana = await server.enter('ana', 'room');
      const ben = await server.enter('ben', 'room');
      ana.send({ type: 'message', content: 'first', id: '1' });
      const { messageId } = await ana.untilType('ack');
      const edit = { type: 'edit', messageId, content: 'second', id: '2' };
      // The message has been read again after the commit when this cuts.
      proxy.cutAtAnswer('second');
      ana.send(edit);
      expect(await ana.untilType('error')).toMatchObject({ code: 'unavailable', id: '2' });
      await proxy.mend();
      for (const client of [ana, ben]) {
        expect(await client.untilType('update')).toMatchObject({ content: 'second', rev: 2 });
      }
      ana.send(edit);
      expect(await ana.untilType('ack')).toMatchObject({ id: '2', rev: 2 });
      expect((await ben.settle()).filter(({ type }) => type === 'update')).toEqual([]);
    },
  );
});
