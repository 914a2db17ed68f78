import { describe, expect } from 'bun:test';
import { sql } from 'drizzle-orm';
import { rows } from '../../src/db/index.ts';
import type { Client } from '../support/client.ts';
import { API_KEY } from '../support/people.ts';
import { PASSWORD, type TestServer } from '../support/server.ts';
import { serverBehindProxy } from '../support/server-behind-proxy.ts';
import { testWithPostgres } from '../support/services.ts';
import { until } from '../support/until.ts';

describe('after a change whose answer was lost', () => {
  testWithPostgres('everyone sees a message once', async () => {
    const { proxy, server } = await serverBehindProxy();
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
  });

  testWithPostgres('everyone leaves a room that became private', async () => {
    const { proxy, server } = await serverBehindProxy();
    const token = await ownerOfDen(server);
    const ana = await server.enter('ana', 'den');
    proxy.cutAtAnswer('UPDATE 1');
    expect((await server.request('PATCH', '/rooms/den', token, { private: true })).status).toBe(
      503,
    );
    await proxy.mend();
    expect(await ana.untilType('error')).toMatchObject({ code: 'not_found' });
  });

  testWithPostgres('everyone leaves a deleted room, and its messages are purged', async () => {
    const { proxy, server, db } = await serverBehindProxy();
    const token = await ownerOfDen(server);
    const ana = await server.enter('ana', 'den');
    ana.send({ type: 'message', content: 'soon gone', id: '1' });
    await ana.untilType('ack');
    proxy.cutAtAnswer('INSERT 0 1');
    expect((await server.request('DELETE', '/rooms/den', token)).status).toBe(503);
    await proxy.mend();
    expect(await ana.untilType('error')).toMatchObject({ code: 'not_found' });
    const left = sql`select room_id from deleted_rooms union all select room_id from messages`;
    await until('the room is purged', async () => (await rows(db, left)).length === 0);
  });

  testWithPostgres('a banned user leaves the room', async () => {
    const { proxy, server } = await serverBehindProxy();
    const token = await ownerOfDen(server);
    const ana = await server.enter('ana', 'den');
    proxy.cutAtAnswer('INSERT 0 1');
    expect((await server.request('PUT', '/rooms/den/bans/ana', token)).status).toBe(503);
    await proxy.mend();
    expect(await ana.untilType('error')).toMatchObject({ code: 'banned' });
  });

  testWithPostgres('a removed member leaves a private room', async () => {
    const { proxy, server } = await serverBehindProxy();
    const member = await server.register('ana');
    const token = await ownerOfDen(server);
    await server.request('PATCH', '/rooms/den', token, { private: true });
    await server.request('PUT', '/rooms/den/members/ana', token);
    const ana = await server.enter('ana', 'den', member);
    proxy.cutAtAnswer('INSERT 0 1');
    expect((await server.request('DELETE', '/rooms/den/members/ana', token)).status).toBe(503);
    await proxy.mend();
    expect(await ana.untilType('error')).toMatchObject({ code: 'not_found' });
  });

  testWithPostgres('a muted user may not write, until the mute is lifted', async () => {
    const { proxy, server } = await serverBehindProxy();
    const token = await ownerOfDen(server);
    const ana = await server.enter('ana', 'den');
    for (const [method, outcome] of [
      ['PUT', 'muted'],
      ['DELETE', 'ack'],
    ] as const) {
      proxy.cutAtAnswer('INSERT 0 1');
      expect((await server.request(method, '/rooms/den/mutes/ana', token)).status).toBe(503);
      await proxy.mend();
      await until(outcome, async () => (await post(ana)) === outcome);
    }
  });

  testWithPostgres('a user that was banned from the server is disconnected', async () => {
    const { proxy, server } = await serverBehindProxy();
    const ben = await server.enter('ben', 'room');
    proxy.cutAtAnswer('UPDATE 1');
    expect((await server.request('PUT', '/users/ben/ban', API_KEY)).status).toBe(503);
    await proxy.mend();
    expect(await ben.closed).toMatchObject({ code: 4403 });
  });

  testWithPostgres('a guest whose name became an account is disconnected', async () => {
    const { proxy, server } = await serverBehindProxy();
    const ben = await server.enter('ben', 'room');
    proxy.cutAtAnswer('INSERT 0 1');
    const account = { username: 'ben', password: PASSWORD };
    expect((await server.post('/users', account)).status).toBe(503);
    await proxy.mend();
    expect(await ben.closed).toMatchObject({ code: 4401 });
  });

  testWithPostgres('everyone sees an edit once, and it may be sent again', async () => {
    const { proxy, server } = await serverBehindProxy();
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
  });
});

/** Creates the room "den". @returns the token of its owner */
async function ownerOfDen(server: TestServer): Promise<string> {
  const token = await server.register('owner');
  await server.request('POST', '/rooms', token, { name: 'den' });
  return token;
}

/** The outcome of a post: `ack`, or the code of the error. */
async function post(client: Client): Promise<string> {
  client.send({ type: 'message', content: 'hello', id: crypto.randomUUID() });
  const frame = await client.until(({ type }) => type === 'ack' || type === 'error');
  return frame.type === 'error' ? frame.code : frame.type;
}
