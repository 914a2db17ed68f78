import { expect, test } from 'bun:test';
import { ChatClient, type ChatMessage } from '../../client/index.ts';
import { begin, contents, SECOND } from '../support/client-scene.ts';
import { settle } from '../support/clock.ts';
import { FakePlatform } from '../support/fake-platform.ts';
import { FakeServer } from '../support/fake-server.ts';

test('a room of 10,000 messages keeps the newest in memory, and loads the others when they are asked for', async () => {
  const { server, clock, room } = await begin({ keep: 500 });
  const seen: string[] = [];
  room.on('message', ({ content }) => seen.push(content));
  for (let n = 1; n <= 10_000; n++) {
    server.say('general', `${n}`);
    if (n % 500 === 0) await settle();
  }
  await settle();
  expect(seen).toEqual(Array.from({ length: 10_000 }, (_, n) => `${n + 1}`));
  expect(room.messages.length).toBeLessThanOrEqual(550);
  expect(room.messages.at(-1)?.content).toBe('10000');
  const before = room.messages.length;
  const loading = room.history(100);
  await clock.advance(SECOND);
  expect(await loading).toBe(true);
  expect(room.messages.length).toBe(before + 100);
  const seqs = room.messages.map(({ seq = 0 }) => seq);
  expect(seqs).toEqual(seqs.map((_, n) => (seqs[0] as number) + n));
});

test('a snapshot is the same array until something changes, and so is every message in it', async () => {
  const { server, room } = await begin();
  server.say('general', 'one');
  server.say('general', 'two');
  await settle();
  const before = room.messages;
  expect(room.messages).toBe(before);
  server.edit('general', 1, 'ONE');
  await settle();
  const after = room.messages;
  expect(after).not.toBe(before);
  expect(after[1]).toBe(before[1] as never);
  expect(contents({ messages: after })).toEqual(['ONE', 'two']);
});

test('a message that comes again unchanged causes no event', async () => {
  const { server, clock, room } = await begin();
  const { id } = server.say('general', 'one');
  server.edit('general', id, 'ONE');
  await settle();
  const [before] = room.messages;
  const news: string[] = [];
  for (const event of ['message', 'update'] as const) room.on(event, () => news.push(event));
  // The answer to the next join has all that is in the room.
  server.intercept = (frame) => {
    if (frame.type === 'join') delete frame.since;
    return false;
  };
  server.close(1006);
  await clock.advance(SECOND);
  expect(room.status.state).toBe('live');
  expect(news).toEqual([]);
  expect(room.messages[0]).toBe(before as ChatMessage);
});

test('a hole in the live changes is filled, and a repetition is reported', async () => {
  const { server, room, errors } = await begin();
  server.say('general', 'one');
  await settle();
  const [socket] = server.sockets;
  socket?.joined.clear();
  server.say('general', 'two');
  socket?.joined.add('general');
  const three = server.say('general', 'three');
  await settle();
  expect(contents(room)).toEqual(['one', 'two', 'three']);
  expect(errors).toEqual([]);
  socket?.tell({ type: 'message', ...three });
  await settle();
  expect(errors.map(({ code }) => code)).toEqual(['protocol']);
  expect(contents(room)).toEqual(['one', 'two', 'three']);
});

test('messages from before the user entered cause no event, however many pages they take', async () => {
  const server = new FakeServer();
  const clock = new FakePlatform();
  for (let n = 1; n <= 1200; n++) server.say('general', `${n}`);
  const { WebSocket } = server;
  const chat = new ChatClient('http://chat.example', {
    username: 'ana',
    platform: clock,
    WebSocket,
    keep: 2000,
  });
  const room = chat.room('general', { since: 0 });
  const news: string[] = [];
  room.on('message', ({ content }) => news.push(content));
  await settle();
  expect(room.messages).toHaveLength(1200);
  server.say('general', 'live');
  server.close(1006);
  server.say('general', 'meanwhile');
  await clock.advance(SECOND);
  expect(news).toEqual(['live', 'meanwhile']);
});

test('a listener for notifications joins a room, on an open connection too', async () => {
  const server = new FakeServer();
  const { WebSocket } = server;
  const platform = new FakePlatform();
  const options = { username: 'ana', platform, WebSocket };
  const joined = () => server.received.flatMap(({ type, room }) => (type === 'join' ? room : []));

  // Notifications are loaded over REST, which is away here.
  const url = 'http://127.0.0.1:1';
  for (const listen of [
    (chat: ChatClient) => chat.on('notification', () => {}),
    (chat: ChatClient) => chat.notifications.subscribe(() => {}),
  ]) {
    const chat = new ChatClient(url, options);
    await settle();
    expect(chat.status.state).toBe('live');
    expect(joined()).toEqual([]);
    listen(chat);
    await settle();
    expect(joined()).toEqual(['general']);
    server.received.length = 0;
  }
});

test('a room that was entered for notifications shows its last messages, or the requested ones', async () => {
  const server = new FakeServer();
  for (let n = 1; n <= 250; n++) server.say('general', `${n}`);
  const { WebSocket } = server;
  const options = { username: 'ana', platform: new FakePlatform(), WebSocket };
  for (const [since, count] of [
    [undefined, 10],
    [0, 250],
    [100, 150],
  ] as const) {
    const chat = new ChatClient('http://chat.example', options);
    chat.on('notification', () => {});
    await settle();
    const room = chat.room('general', since === undefined ? {} : { since });
    await settle();
    expect(room.messages.length).toBe(count);
    expect(room.messages.at(-1)?.content).toBe('250');
  }
});

test('changes that arrive together are applied in order, and cause a single render', async () => {
  const { server, room } = await begin();
  const rendered = new Set<unknown>();
  room.subscribe(() => rendered.add(room.messages));
  server.sayTogether('general', ['one', 'two', 'three']);
  await settle();
  expect(contents(room)).toEqual(['one', 'two', 'three']);
  expect(rendered.size).toBe(1);
});

test('after a reset the history is the new one, and unsent messages are kept', async () => {
  const { server, clock, room } = await begin();
  server.say('general', 'lost');
  await settle();
  let resets = 0;
  room.on('reset', () => {
    resets += 1;
  });
  server.isAway = true;
  server.close(1006);
  void room.send('unsent');
  Object.assign(server.room('general'), { epoch: 'another', rev: 0, messages: [] });
  server.say('general', 'restored');
  server.isAway = false;
  await clock.advance(5 * SECOND);
  expect(resets).toBe(1);
  expect(contents(room)).toEqual(['restored', 'unsent']);
});

test('a loop over a room gets each message once and in order, however slow it is, through a cut', async () => {
  const { server, clock, room } = await begin({ keep: 20 });
  const seen: string[] = [];
  const loop = (async () => {
    for await (const { content } of room) {
      seen.push(content);
      await new Promise<void>((done) => clock.after(10, done));
      if (content === '199') return;
    }
  })();
  await settle();
  for (let n = 0; n < 200; n++) {
    server.say('general', `${n}`);
    if (n === 100) server.close(1006);
  }
  await clock.advance(60 * SECOND);
  await loop;
  expect(seen).toEqual(Array.from({ length: 200 }, (_, n) => `${n}`));
});
