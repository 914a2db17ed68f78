import { describe, expect, test } from 'bun:test';
import { fresh, startServer } from '../support/server.ts';

const server = await startServer();
const json = async (path: string) => (await server.fetch(path)).json();
const timestamp = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

/** Follows `rel="next"` to the end, or for so many pages. */
async function pages(path: string, most = Infinity): Promise<unknown[][]> {
  const found: unknown[][] = [];
  for (let next: string | undefined = path; next && found.length < most; ) {
    const response: Response = await server.fetch(next);
    found.push(await response.json());
    next = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
  }
  return found;
}

describe('messages over REST', () => {
  test('a posted message is returned, stored, and shown to everyone in the room', async () => {
    const room = fresh('room');
    const username = fresh('u');
    const { id: userId } = await (await server.post('/users', { username })).json();
    const ana = await server.join('ana', room);
    const response = await server.post('/messages', { username, content: 'hi', room });
    expect(response.status).toBe(201);
    const stored = await response.json();
    expect(stored).toEqual({
      id: expect.any(Number),
      room,
      seq: 1,
      rev: 1,
      userId,
      username,
      content: 'hi',
      createdAt: timestamp,
    });
    expect(await ana.expect('message')).toEqual({
      type: 'message',
      id: stored.id,
      room,
      seq: 1,
      username,
      content: 'hi',
      timestamp: stored.createdAt,
    });
    expect(await json(`/messages?room=${room.toUpperCase()}`)).toEqual([stored]);
  });

  test('an id is stored once, over both doors', async () => {
    const room = fresh('room');
    const username = fresh('u');
    const ana = await server.join(username, room);
    const body = { username, content: 'once', room, id: 'same' };
    const first = await server.post('/messages', body);
    expect(first.status).toBe(201);
    const again = await server.post('/messages', body);
    expect(again.status).toBe(200);
    const stored = await first.json();
    expect(await again.json()).toEqual(stored);
    ana.send({ type: 'message', content: 'once', id: 'same' });
    expect(await ana.untilType('ack')).toMatchObject({ messageId: stored.id, seq: 1 });
    const conflict = await server.post('/messages', { ...body, content: 'twice' });
    expect(conflict.status).toBe(409);
    expect(await conflict.json()).toMatchObject({ code: 'conflict' });
    expect(await json(`/messages?room=${room}`)).toHaveLength(1);
  });

  test('a page holds the most recent messages, oldest first, and Link leads through all', async () => {
    const room = fresh('room');
    const ana = await server.join('ana', room);
    for (let n = 1; n <= 120; n++) ana.send({ type: 'message', content: `${n}` });
    await ana.until((frame) => frame.type === 'message' && frame.seq === 120);
    const seqs = (page: unknown[]) => (page as { seq: number }[]).map(({ seq }) => seq);
    const range = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, n) => from + n);

    expect(seqs(await json(`/messages?room=${room}`))).toEqual(range(71, 120));
    expect(seqs(await json(`/messages?room=${room}&limit=1`))).toEqual([120]);
    expect(seqs(await json(`/messages?limit=2&room=${room}&before=&after=`))).toEqual([119, 120]);
    expect(seqs(await json(`/messages?room=${room}&limit=2&before=5`))).toEqual([3, 4]);
    expect(seqs(await json(`/messages?room=${room}&limit=2&after=5`))).toEqual([6, 7]);
    expect(seqs(await json(`/messages?room=${room}&after=5&before=8`))).toEqual([6, 7]);
    expect(seqs(await json(`/messages?room=${room}&after=120`))).toEqual([]);
    expect((await pages(`/messages?room=${room}&limit=50`)).map(seqs)).toEqual([
      range(71, 120),
      range(21, 70),
      range(1, 20),
    ]);
    expect((await pages(`/messages?room=${room}&limit=60&after=0`)).map(seqs)).toEqual([
      range(1, 60),
      range(61, 120),
    ]);
  });

  test('the general room is there before anyone joins', async () => {
    expect(Array.isArray(await json('/messages'))).toBe(true);
  });
});

describe('users and rooms over REST', () => {
  test('a user is created once, and found whatever the spelling', async () => {
    const username = `Ömer${fresh('')}`;
    const first = await server.post('/users', { username });
    expect(first.status).toBe(201);
    const user = await first.json();
    expect(user).toEqual({ id: expect.any(Number), username, lastSeen: timestamp });
    const again = await server.post('/users', { username: username.toUpperCase() });
    expect(again.status).toBe(200);
    expect(await again.json()).toEqual(user);
    expect(await json(`/users/${encodeURIComponent(username.toUpperCase())}`)).toEqual({
      username,
      lastSeen: user.lastSeen,
      online: false,
    });
  });

  test('names may be in any script', async () => {
    for (const name of [
      '李小龙',
      'Ольга',
      'नमस्ते',
      'สมชาย',
      'محمد',
      'a',
      'x'.repeat(32),
      '1.2_3-4',
    ]) {
      const { status } = await server.post('/users', { username: name });
      expect({ name, ok: status === 200 || status === 201 }).toEqual({ name, ok: true });
    }
  });

  test('a name registered by many clients at once is a single user', async () => {
    const username = fresh('u');
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => server.post('/users', { username })),
    );
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(1);
    const ids = await Promise.all(replies.map(async (reply) => (await reply.json()).id));
    expect(new Set(ids).size).toBe(1);
  });

  test('rooms are listed by name, page by page, with their user counts', async () => {
    const prefix = fresh('aaa');
    for (const n of [3, 1, 2]) await server.join('ana', `${prefix}-${n}`);
    const all = await pages(`/rooms?limit=2&after=${prefix}`, 2);
    const mine = all.flat().slice(0, 3);
    expect(mine).toEqual(
      [1, 2, 3].map((n) => ({
        name: `${prefix}-${n}`,
        topic: null,
        private: false,
        owner: null,
        createdAt: timestamp,
        userCount: 1,
      })),
    );
    const [first] = await json('/rooms?after=genera&limit=1');
    expect(first).toMatchObject({ name: 'general' });
  });
});

describe('the server over REST', () => {
  test('ws-info describes the WebSocket endpoint', async () => {
    const info = await json('/ws-info');
    expect(info).toMatchObject({
      websocketUrl: `${server.url.replace('http', 'ws')}/ws`,
      protocol: 1,
      messageFormats: {
        join: { type: 'join', username: 'string' },
        message: { type: 'message', content: 'string' },
        leave: { type: 'leave' },
      },
      schemas: { join: { type: 'object', required: ['type'] } },
      limits: { maxContentLength: 4000, maxFrameBytes: 65536 },
    });
    const client = new WebSocket(info.websocketUrl);
    await new Promise((open) => client.addEventListener('open', open));
    client.close();
  });

  test('a running server is alive and ready', async () => {
    expect(await json('/health')).toEqual({ status: 'ok' });
    expect(await json('/ready')).toEqual({ status: 'ready', database: 'ok' });
  });

  test('the front page leads to the tester', async () => {
    const response = await server.fetch('/', { redirect: 'manual' });
    expect(response.status).toBe(302);
    expect(response.headers.get('location')).toBe('/test');
    expect(await (await server.fetch('/')).text()).toContain('<title>ws-chat</title>');
  });
});
