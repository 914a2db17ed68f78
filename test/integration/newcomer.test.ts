import { describe, expect, test } from 'bun:test';
import type { ServerFrame } from '../../src/protocol/frames.ts';
import { API_KEY } from '../support/people.ts';
import { fresh, PASSWORD, startServer } from '../support/server.ts';

const server = await startServer({ apiKey: API_KEY });
const timestamp = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe('minimal clients', () => {
  test('a timestamp in any frame or body is ignored', async () => {
    const room = fresh('room');
    const ana = await server.connect();
    const now = new Date(0).toISOString();
    ana.send({ type: 'join', username: 'ana', room, timestamp: now });
    await ana.expect('system');
    ana.send({ type: 'message', content: 'hi', timestamp: 12 });
    const { timestamp: stored } = await ana.expect('message');
    expect(Date.parse(stored as string)).toBeGreaterThan(Date.now() - 60_000);
    ana.send({ type: 'ping', timestamp: now });
    expect(await ana.expect('pong')).toEqual({ type: 'pong', timestamp });
    const body = { username: 'ana', room, content: 'hi', timestamp: now };
    const posted = await server.post('/messages', body);
    expect(posted.status).toBe(201);
    expect((await posted.json()).createdAt).not.toBe(now);
    expect((await server.post('/users', { username: 'ana', timestamp: {} })).status).toBe(200);
    ana.send({ type: 'leave', timestamp: null });
    expect((await ana.settle()).filter(({ type }) => type === 'error')).toEqual([]);
  });

  test('a ping is answered before a join and in protocol 0, with its id and its `sentAt`', async () => {
    const client = await server.connect();
    client.send({ type: 'ping', id: 'p', sentAt: [1] });
    expect(await client.next()).toEqual({ type: 'pong', id: 'p', sentAt: [1], timestamp });
    client.send({ type: 'join', username: 'ana', room: fresh('room') });
    await client.expect('system');
    client.send({ type: 'ping', id: 'q', sentAt: 5 });
    expect(await client.next()).toEqual({ type: 'pong', id: 'q', sentAt: 5, timestamp });
  });

  test('a join needs no username after a token or an earlier join that named it', async () => {
    const username = fresh('ana');
    const token = await server.register(username);
    for (const client of [await server.connect(token), await server.connect()]) {
      const [first, second] = [fresh('room'), fresh('room')];
      client.send({ type: 'join', room: first, token });
      expect(await client.next()).toMatchObject({ event: 'welcome', username, room: first });
      client.send({ type: 'join', room: second });
      expect(await client.next()).toMatchObject({ event: 'welcome', username, room: second });
    }
    const nobody = await server.connect();
    nobody.send({ type: 'join', id: 'j' });
    expect(await nobody.expect('error')).toMatchObject({
      code: 'invalid_frame',
      content: expect.stringContaining('"username" is missing'),
      id: 'j',
    });
    const key = await server.connect(API_KEY);
    key.send({ type: 'join' });
    expect(await key.expect('error')).toMatchObject({ code: 'invalid_frame' });
  });

  test('a body or a query needs no username beside a token', async () => {
    const username = fresh('ana');
    const token = await server.register(username);
    const room = fresh('room');
    await server.join('ben', room);
    const posted = await server.request('POST', '/messages', token, { room, content: 'hi' });
    expect(posted.status).toBe(201);
    const { id, ...message } = await posted.json();
    expect(message).toMatchObject({ username, content: 'hi' });
    for (const [method, path, body, status] of [
      ['PATCH', `/messages/${id}`, { content: 'hello' }, 200],
      ['PUT', `/messages/${id}/reactions/👍`, undefined, 200],
      ['GET', `/messages?room=${room}`, undefined, 200],
      ['GET', '/me/rooms', undefined, 200],
      ['GET', '/notifications', undefined, 200],
    ] as const) {
      const reply = await server.request(method, path, token, body);
      expect({ method, path, status: reply.status }).toEqual({ method, path, status });
    }
    for (const nobody of [undefined, API_KEY]) {
      const refused = await server.request('POST', '/messages', nobody, { room, content: 'hi' });
      expect(await refused.json()).toMatchObject({
        code: 'invalid_frame',
        detail: expect.stringContaining('"username" is missing'),
      });
    }
  });

  test('a message may carry data in protocol 0', async () => {
    const room = fresh('room');
    const ana = await server.join('ana', room);
    ana.send({ type: 'message', content: 'e4', data: { move: 'e4' } });
    expect(await ana.expect('message')).toMatchObject({ content: 'e4', data: { move: 'e4' } });
  });

  test('a hint to join names the room that was meant', async () => {
    const room = fresh('room');
    const client = await server.connect();
    for (const frame of [
      { type: 'message', content: 'hi', room },
      { type: 'leave', room },
    ]) {
      client.send(frame);
      const { code, content } = await client.expect('error');
      expect({ code, content }).toEqual({
        code: 'not_joined',
        content: expect.stringContaining(`{"type":"join","username":"ana","room":"${room}"}`),
      });
    }
    client.send({ type: 'join', username: 'ana' });
    await client.untilType('system');
    client.send({ type: 'message', content: 'hi', room });
    const hint = await client.until(({ type }) => type === 'error');
    expect((hint as { content: string }).content).toContain(`"room":"${room}"`);
  });
});

describe('signals for programs', () => {
  test('a new user was last seen when it was created', async () => {
    const before = Date.now() - 1000;
    const user = await (await server.post('/users', { username: fresh('ana') })).json();
    expect(user.lastSeen).toEqual(timestamp);
    expect(Date.parse(user.lastSeen)).toBeGreaterThan(before);
    const account = { username: fresh('ben'), password: PASSWORD };
    expect((await (await server.post('/users', account)).json()).lastSeen).toEqual(timestamp);
    const status = await (await server.fetch(`/users/${user.username}`)).json();
    expect(status.lastSeen).toBe(user.lastSeen);
  });

  test('a join that succeeded is marked by a welcome, one that failed by an error with a code', async () => {
    const room = fresh('room');
    const ana = await server.join('ana', room);
    const client = await server.connect();
    client.send({ type: 'join', username: 'no name', room });
    expect(await client.next()).toMatchObject({ type: 'error', code: 'invalid_frame' });
    client.send({ type: 'join', username: 'ben', room });
    expect(await client.next()).toEqual({
      type: 'system',
      room,
      content: 'Welcome ben!',
      event: 'welcome',
      username: 'ben',
      timestamp,
    });
    const told = (event: 'joined' | 'left'): ServerFrame => ({
      type: 'system',
      room,
      content: `ben ${event} the chat`,
      event,
      username: 'ben',
      timestamp,
    });
    expect(await ana.next()).toEqual(told('joined'));
    client.send({ type: 'leave' });
    expect(await ana.next()).toEqual(told('left'));
  });
});

test('above a hundred people joins and leaves are counted, in frames about one kind of event each', async () => {
  const room = fresh('room');
  const ana = await server.join('ana', room);
  const people = await Promise.all(
    Array.from({ length: 120 }, (_, n) => server.join(`p${n}`, room)),
  );
  const seen = { joined: 0, left: 0 };
  const read = async (event: 'joined' | 'left', all: number) => {
    while (seen[event] < all) {
      const frame = await ana.expect('system');
      const count = Number(/^\d+/.exec(frame.content)?.[0] ?? 1);
      const isGathered = frame.username === undefined;
      expect(frame.content).toEndWith(isGathered ? `${frame.event} the chat` : 'the chat');
      expect(count > 1 && !isGathered).toBe(false);
      if (frame.event !== 'welcome') seen[frame.event] += count;
    }
  };
  await read('joined', 120);
  for (const one of people) one.socket.close();
  await read('left', 120);
  expect(seen).toEqual({ joined: 120, left: 120 });
  const named = ana.received.filter((frame) => frame.type === 'system' && frame.username);
  // Those up to a hundred, and as many that leave again.
  expect(named.length).toBeLessThan(202);
});
