import { describe, expect, test } from 'bun:test';
import type { Client } from '../support/client.ts';
import { eventsOf } from '../support/event-stream.ts';
import { API_KEY } from '../support/people.ts';
import { join } from '../support/protocol-1.ts';
import { fresh, startServer } from '../support/server.ts';
import { mint, SECRET } from '../support/tokens.ts';

const server = await startServer({ authSecret: SECRET, apiKey: API_KEY });
const timestamp = expect.stringMatching(/^\d{4}-\d\d-\d\dT/);

async function inRoom(username: string, room: string): Promise<Client> {
  const client = await server.connect();
  await join(client, room, { username });
  return client;
}

describe('ephemeral frames', () => {
  test('typing is seen by the others, and by no connection of the user', async () => {
    const room = fresh('room');
    const ana = await inRoom('ana', room);
    const tab = await inRoom('ana', room);
    const ben = await inRoom('ben', room);
    const basic = await server.join('basic', room);
    for (const client of [ana, tab, ben]) await client.settle();
    ana.send({ type: 'typing', room, id: 't' });
    expect(await ana.expect('ack')).toEqual({ type: 'ack', id: 't' });
    expect(await ben.expect('typing')).toEqual({ type: 'typing', room, username: 'ana' });
    for (const client of [ana, tab, basic]) expect(await client.settle()).toEqual([]);
    // The next message reaches them all, in order.
    ana.send({ type: 'message', content: 'done' });
    for (const client of [ana, tab, ben, basic]) await client.expect('message');
  });

  test('an event is seen by everyone in the room, streams too, and stored nowhere', async () => {
    const room = fresh('room');
    const ana = await inRoom('ana', room);
    const ben = await inRoom('ben', room);
    await ana.expect('presence');
    const basic = await server.join('basic', room);
    const stream = eventsOf(await server.fetch(`/events?room=${room}`));
    await stream.next();
    for (const client of [ana, ben]) await client.settle();
    const data = { x: 1, deep: [{ y: 'ä' }] };
    ana.send({ type: 'event', room, name: 'move', data, id: 'e' });
    const shown = { type: 'event' as const, room, username: 'ana', name: 'move', data, timestamp };
    expect(await ben.expect('event')).toEqual(shown);
    const own = [await ana.next(), await ana.next()];
    expect(own).toContainEqual(shown);
    expect(own).toContainEqual({ type: 'ack', id: 'e' });
    const { value } = await stream.next();
    expect(value).not.toHaveProperty('id');
    expect(JSON.parse(value?.data ?? '')).toEqual(shown);
    expect(await basic.settle()).toEqual([]);
    ana.send({ type: 'message', content: 'lasting' });
    const next = await stream.next();
    expect(next.value?.id).toStartWith('1@');
    expect(await (await server.fetch(`/messages?room=${room}`)).json()).toHaveLength(1);
    const late = await server.connect();
    expect((await join(late, room, { username: 'late', since: 0 })).messages).toHaveLength(1);
    await stream.return(undefined);
  });

  test('events over REST are for back ends, and accounts under their names, but not for guests', async () => {
    const room = fresh('room');
    const ana = await inRoom('ana', room);
    await ana.settle();
    const show = (token: string | undefined, body: object, where = room) =>
      server.request('POST', `/rooms/${where}/events`, token, body);
    const price = { name: 'price', data: { ETH: 3120.5 } };
    expect((await show(API_KEY, price)).status).toBe(204);
    expect(await ana.expect('event')).toEqual({ type: 'event', room, ...price, timestamp });
    const username = fresh('u');
    expect((await show(await mint({ sub: username }), { name: 'wave' })).status).toBe(204);
    expect(await ana.expect('event')).toEqual({
      type: 'event',
      room,
      username,
      name: 'wave',
      timestamp,
    });
    expect((await show(undefined, price)).status).toBe(401);
    for (const body of [
      {},
      { name: '' },
      { name: 'x'.repeat(65) },
      { name: 5 },
      { ...price, x: 1 },
    ]) {
      expect({ body, status: (await show(API_KEY, body)).status }).toEqual({ body, status: 400 });
    }
    const long = { name: 'long', data: 'x'.repeat(33_000) };
    expect((await show(API_KEY, long)).status).toBe(413);
    expect(await ana.settle()).toEqual([]);
  });

  test('events are counted like messages', async () => {
    const limited = await startServer({ messageRate: 0.001, messageBurst: 3 });
    const client = await limited.connect();
    const room = fresh('room');
    await join(client, room, { username: 'ana' });
    for (let n = 0; n < 3; n++) client.send({ type: 'event', room, name: 'e', id: `${n}` });
    for (let n = 0; n < 3; n++) await client.untilType('ack');
    client.send({ type: 'event', room, name: 'e', id: 'late' });
    expect(await client.untilType('error')).toMatchObject({ code: 'rate_limited', id: 'late' });
    client.send({ type: 'message', room, content: 'x', id: 'm' });
    expect(await client.untilType('error')).toMatchObject({ code: 'rate_limited', id: 'm' });
  });
});
