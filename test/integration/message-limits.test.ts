import { describe, expect, test } from 'bun:test';
import { readSettings } from '../../src/config.ts';
import type { Client } from '../support/client.ts';
import { API_KEY } from '../support/people.ts';
import { rawSocket } from '../support/raw-socket.ts';
import { fresh, startServer } from '../support/server.ts';
import { mint, SECRET } from '../support/tokens.ts';

const { trustProxy } = readSettings({ TRUST_PROXY: '127.0.0.1,::1' });
const trusting = trustProxy ? { trustProxy } : {};
/** So slow that a test sees no new permit, where it does not wait for one. */
const slow = 0.001;

/** The outcome of each of these frames, in their order: 'ok', or the code of the error. */
async function outcomes(client: Client, frames: object[]): Promise<string[]> {
  const named = frames.map((frame) => ({ id: crypto.randomUUID() as string, ...frame }));
  for (const frame of named) client.send(frame);
  const replies = new Map<string, string>();
  while (replies.size < frames.length) {
    const frame = await client.next();
    if ('id' in frame && typeof frame.id === 'string') {
      replies.set(frame.id, frame.type === 'error' ? frame.code : 'ok');
    }
  }
  return named.map(({ id }) => replies.get(id) as string);
}

const times = <T>(count: number, make: (n: number) => T) =>
  Array.from({ length: count }, (_, n) => make(n));
const saying = (count: number) => times(count, (n) => ({ type: 'message', content: `${n}` }));

describe('the limit of messages', async () => {
  const limits = { messageRate: slow, messageBurst: 5 };
  const server = await startServer({ ...limits, authSecret: SECRET, apiKey: API_KEY, ...trusting });

  test('is shared by all connections of an account, over both doors and every room', async () => {
    const username = fresh('u');
    const token = await mint({ sub: username });
    const room = fresh('room');
    const clients = [await server.connect(token), await server.connect(token)] as const;
    for (const client of clients) {
      client.send({ type: 'join', username, room, protocol: 1 });
      await client.untilType('joined');
    }
    expect(await outcomes(clients[0], saying(3))).toEqual(['ok', 'ok', 'ok']);
    const rest = await server.request('POST', '/messages', token, { username, content: 'x', room });
    expect(rest.status).toBe(201);
    expect(await outcomes(clients[1], saying(3))).toEqual(['ok', 'rate_limited', 'rate_limited']);
    const refused = await server.request('POST', '/messages', token, {
      username,
      content: 'x',
      room,
    });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(900);
    expect(await refused.json()).toMatchObject({
      code: 'rate_limited',
      retryAfter: expect.any(Number),
    });
    clients[0].send({ type: 'message', content: 'x' });
    const error = await clients[0].untilType('error');
    expect(error).toMatchObject({ code: 'rate_limited', retryAfter: expect.any(Number) });
  });

  test('counts edits, deletions, reactions and events as messages, over both doors', async () => {
    const username = fresh('u');
    const token = await mint({ sub: username });
    const client = await server.enter(username, fresh('room'), token);
    client.send({ type: 'message', content: 'x', id: 'm' });
    const { messageId } = await client.untilType('ack');
    const frames = [
      { type: 'edit', messageId, content: 'y' },
      { type: 'react', messageId, emoji: '👍' },
      { type: 'event', name: 'x' },
    ];
    expect(await outcomes(client, frames)).toEqual(['ok', 'ok', 'ok']);
    const path = `/messages/${messageId}`;
    const asked = async (method: string, path: string, body?: object) =>
      (await server.request(method, path, token, body)).status;
    expect(await asked('PATCH', path, { content: 'z' })).toBe(200);
    expect(await outcomes(client, [...frames, { type: 'delete', messageId }])).toEqual(
      times(4, () => 'rate_limited'),
    );
    expect(await asked('PATCH', path, { content: 'x' })).toBe(429);
    expect(await asked('PUT', `${path}/reactions/👍`)).toBe(429);
    expect(await asked('DELETE', path)).toBe(429);
    // The limit of all other frames is untouched.
    expect(await outcomes(client, [{ type: 'ping' }])).toEqual(['ok']);
  });

  test('is per guest name and address', async () => {
    const username = fresh('guest');
    const room = fresh('room');
    const from = async (address: string) => {
      const { handshake, send, socket } = await rawSocket(server.url, [
        `X-Forwarded-For: ${address}`,
      ]);
      await handshake;
      return { send, socket };
    };
    await server.join(username, room);
    const post = (address: string) =>
      server.fetch('/messages', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': address },
        body: JSON.stringify({ username, content: 'x', room }),
      });
    const statuses = async (address: string, count: number) => {
      const found: number[] = [];
      for (let n = 0; n < count; n++) found.push((await post(address)).status);
      return found;
    };
    expect(await statuses('203.0.113.1', 6)).toEqual([201, 201, 201, 201, 201, 429]);
    expect(await statuses('203.0.113.2', 1)).toEqual([201]);
    expect(await statuses('2001:db8:1:2::1', 5)).toEqual([201, 201, 201, 201, 201]);
    // A client with one address of an IPv6 network has all of them.
    expect(await statuses('2001:db8:1:2:ffff::9', 1)).toEqual([429]);
    expect(await statuses('2001:db8:1:3::1', 1)).toEqual([201]);
    const { socket } = await from('203.0.113.2');
    socket.end();
  });

  test('does not count resent messages that are stored already', async () => {
    const username = fresh('guest');
    const room = fresh('room');
    const client = await server.join(username, room);
    const said = times(5, (n) => ({ type: 'message', content: `${n}`, id: `${n}` }));
    expect(await outcomes(client, said)).toEqual(times(5, () => 'ok'));
    expect(await outcomes(client, said)).toEqual(times(5, () => 'ok'));
    expect(await outcomes(client, saying(1))).toEqual(['rate_limited']);
    client.send({ type: 'message', content: 'other', id: '0' });
    expect(await client.untilType('error')).toMatchObject({ code: 'conflict' });
    const post = { username, content: '0', room, id: '0' };
    expect((await server.post('/messages', post)).status).toBe(200);
  });

  test('does not apply to back ends', async () => {
    const room = fresh('room');
    const client = await server.connect(API_KEY);
    client.send({ type: 'join', username: fresh('bot'), room, protocol: 1 });
    await client.untilType('joined');
    expect(await outcomes(client, saying(20))).toEqual(times(20, () => 'ok'));
    const pings = times(20, () => ({ type: 'ping' }));
    expect(await outcomes(client, pings)).toEqual(times(20, () => 'ok'));
  });

  test('has a counterpart of the same size for all other frames of a connection', async () => {
    const client = await server.connect();
    client.send({ type: 'join', username: fresh('guest'), room: fresh('room'), protocol: 1 });
    await client.untilType('joined');
    const pings = times(6, () => ({ type: 'ping' }));
    expect(await outcomes(client, pings)).toEqual([
      ...times(4, () => 'ok'),
      'rate_limited',
      'rate_limited',
    ]);
    expect(await outcomes(client, saying(1))).toEqual(['ok']);
  });

  test('refills with time', async () => {
    const quick = await startServer({ messageRate: 4, messageBurst: 2 });
    const client = await quick.join(fresh('guest'), fresh('room'));
    expect(await outcomes(client, saying(3))).toEqual(['ok', 'ok', 'rate_limited']);
    const error = client.received.find(({ type }) => type === 'error');
    const retryAfter = (error?.type === 'error' && error.retryAfter) || 0;
    expect(retryAfter).toBeWithin(0.01, 0.31);
    await Bun.sleep(retryAfter * 1000);
    client.send({ type: 'message', content: 'now', id: 'now' });
    await client.untilType('ack');
  });

  test('counts refused frames too', async () => {
    const client = await server.connect();
    const outside = times(8, () => ({ type: 'message', content: 'x', room: 'not-joined' }));
    expect(await outcomes(client, outside)).toEqual([
      ...times(5, () => 'not_joined'),
      ...times(3, () => 'rate_limited'),
    ]);
    for (let n = 0; n < 150; n++) client.send({ type: 'message', content: 'x'.repeat(4001) });
    expect((await client.closed).code).toBe(4429);
  });

  test('closes the connections of clients that continue all the same with 4429', async () => {
    const room = fresh('room');
    const witness = await server.join(fresh('witness'), room);
    const client = await server.join(fresh('guest'), room);
    for (let n = 0; n < 200; n++) client.send({ type: 'message', content: `${n}` });
    expect((await client.closed).code).toBe(4429);
    const errors = client.received.filter(({ type }) => type === 'error');
    expect(errors).toHaveLength(100);
    await witness.until((frame) => frame.type === 'system' && /left the chat/.test(frame.content));
    expect(witness.received.filter(({ type }) => type === 'message')).toHaveLength(5);
  });
});
