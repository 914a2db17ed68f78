import { expect, test } from 'bun:test';
import {
  ChatClient,
  type ChatError,
  type ChatMessage,
  type ChatOptions,
  type OutboxStore,
  type Status,
} from '../../client/index.ts';
import { closeCodes } from '../../src/errors.ts';
import { settle } from '../support/clock.ts';
import { FakePlatform } from '../support/fake-platform.ts';
import { FakeServer } from '../support/fake-server.ts';
import { memoryStore } from '../support/memory-store.ts';

const SECOND = 1000;
const HOUR = 3600 * SECOND;

async function begin(options: ChatOptions = {}, server = new FakeServer()) {
  const clock = new FakePlatform();
  const chat = new ChatClient('http://chat.example', {
    username: 'ana',
    platform: clock,
    WebSocket: server.WebSocket,
    transport: 'websocket',
    ...options,
  });
  const errors: ChatError[] = [];
  const statuses: Status[] = [];
  chat.on('error', (error) => errors.push(error));
  chat.on('status', (status) => statuses.push(status));
  const room = chat.room('general');
  await settle();
  return { server, clock, chat, room, errors, statuses };
}

const contents = ({ messages }: { messages: readonly { content: string }[] }) =>
  messages.map(({ content }) => content);

/** A store that is read when the test says so. */
function readLater(store: OutboxStore) {
  const { promise: isRead, resolve: read } = Promise.withResolvers<void>();
  const outbox: OutboxStore = { ...store, load: (late) => isRead.then(() => store.load(late)) };
  return { outbox, read };
}

test('after two hours asleep the client connects at once, once, and gets the changes of the meantime', async () => {
  const { server, clock, chat, room } = await begin();
  server.say('general', 'before');
  await settle();
  // The server has dropped the connection long ago; the machine has not noticed.
  const [old] = server.sockets;
  server.sockets.delete(old as never);
  for (let n = 0; n < 700; n++) server.say('general', `${n}`);
  await clock.suspend(2 * HOUR);
  await clock.advance(0);
  expect(chat.status.state).toBe('live');
  expect(contents(room)).toEqual(['before', ...Array.from({ length: 700 }, (_, n) => `${n}`)]);
  expect(server.sockets.size).toBe(1);
  expect(server.connects).toBe(2);
});

test('a client that is offline for a day tries less and less often, and sends its messages in order', async () => {
  const { server, clock, chat, room, statuses } = await begin();
  server.isAway = true;
  server.close(1006);
  for (let hour = 0; hour < 24; hour++) {
    void room.send(`${hour}`);
    await clock.advance(HOUR);
  }
  expect(chat.status).toMatchObject({ state: 'reconnecting', nextTry: expect.any(Number) });
  const tries = server.connects;
  // Every 30 s in the end.
  expect(tries).toBeLessThan(24 * 120 + 20);
  expect(tries).toBeGreaterThan(24 * 120 - 20);
  expect(clock.pending).toBeLessThan(5);
  expect(contents(room)).toEqual(Array.from({ length: 24 }, (_, n) => `${n}`));
  server.isAway = false;
  await clock.wake();
  await clock.advance(SECOND);
  expect(server.room('general').messages.map(({ content }) => content)).toEqual(contents(room));
  expect(room.messages.every(({ state }) => state === 'sent')).toBe(true);
  expect(statuses.map(({ state }) => state)).toContain('reconnecting');
});

test('fifty rooms are entered a few at a time, and are all live again after a cut', async () => {
  const { server, clock, chat } = await begin();
  const entering: (() => void)[] = [];
  let most = 0;
  server.intercept = (frame, socket) => {
    if (frame.type !== 'join' || frame.isLate) return false;
    entering.push(() => server.handle({ ...frame, isLate: true }, socket));
    most = Math.max(most, entering.length);
    return true;
  };
  const rooms = Array.from({ length: 50 }, (_, n) => chat.room(`room-${n}`));
  await settle();
  for (let enter = entering.shift(); enter; enter = entering.shift()) {
    enter();
    await settle();
  }
  expect(rooms.every(({ status }) => status.state === 'live')).toBe(true);
  expect(most).toBe(8);
  server.intercept = () => false;
  server.close(1006);
  for (const { name } of rooms) server.say(name, 'meanwhile');
  await clock.advance(5 * SECOND);
  expect(rooms.map(({ messages }) => messages.at(-1)?.content)).toEqual(
    rooms.map(() => 'meanwhile'),
  );
  expect(server.sockets.size).toBe(1);
});

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

test('a message is shown at once, keeps its key, and fails with a reason and a way to retry', async () => {
  const { server, clock, room } = await begin();
  server.intercept = (frame, socket) => {
    if (frame.type !== 'message') return false;
    socket.tell({ type: 'error', code: 'muted', content: 'You are muted here.', id: frame.id });
    return true;
  };
  const sent = room.send('hi');
  expect(room.messages).toMatchObject([{ content: 'hi', state: 'sending', username: 'ana' }]);
  const [{ key } = { key: '' }] = room.messages;
  expect(await sent.catch((error) => error)).toMatchObject({ code: 'muted' });
  expect(room.messages).toMatchObject([{ key, state: 'failed', error: { code: 'muted' } }]);
  server.intercept = () => false;
  room.messages[0]?.retry?.();
  await clock.advance(SECOND);
  expect(room.messages).toMatchObject([{ key, state: 'sent', id: 1 }]);
});

test('messages past the limit of the server wait, and arrive in order', async () => {
  const { server, clock, room } = await begin();
  let tokens = 30;
  server.intercept = (frame, socket) => {
    if (frame.type !== 'message' || tokens-- > 0) return false;
    tokens = 0;
    socket.tell({
      type: 'error',
      code: 'rate_limited',
      content: '',
      id: frame.id,
      retryAfter: 0.5,
    });
    clock.after(400, () => {
      tokens = 5;
    });
    return true;
  };
  for (let n = 0; n < 100; n++) void room.send(`${n}`);
  await clock.advance(60 * SECOND);
  expect(server.room('general').messages.map(({ content }) => content)).toEqual(
    Array.from({ length: 100 }, (_, n) => `${n}`),
  );
});

test('an unacknowledged edit is sent again only if the message was not changed since', async () => {
  const { server, clock, room } = await begin();
  for (const content of ['one', 'two', 'three']) server.say('general', content, 'ana');
  await settle();
  server.isSilent = true;
  const results = room.messages.map((message) =>
    room.edit(message, `${message.content}!`).then(
      () => 'done',
      ({ code }: ChatError) => code,
    ),
  );
  await settle();
  expect(contents(room)).toEqual(['one!', 'two!', 'three!']);
  // Of the second, another device has made something else; the third has come through.
  server.close(1006);
  server.edit('general', 2, 'TWO');
  server.edit('general', 3, 'three!');
  server.isSilent = false;
  await clock.advance(5 * SECOND);
  expect(await Promise.all(results)).toEqual(['done', 'conflict', 'done']);
  expect(contents(room)).toEqual(['one!', 'TWO', 'three!']);
  expect(room.messages[1]).toMatchObject({ state: 'failed', error: { code: 'conflict' } });
  room.messages[1]?.discard?.();
  expect(room.messages[1]).toMatchObject({ state: 'sent', content: 'TWO' });
});

test('a message can be changed as soon as it is acknowledged, before it has come back from the server', async () => {
  const { server, clock, room } = await begin();
  const late: object[] = [];
  const { publish } = server;
  server.publish = (_, frame) => void late.push(frame);
  const sent = await room.send('hi');
  expect(room.messages).toEqual([sent]);
  expect(sent).toMatchObject({ id: 1, seq: 1, rev: 1, state: 'sent', room: 'general' });
  const edit = room.edit(sent, 'hello');
  await settle();
  expect(room.messages).toMatchObject([{ key: sent.key, content: 'hello', state: 'sent' }]);
  expect(await edit).toMatchObject({ id: 1, content: 'hello', state: 'sent' });
  // The server answers the next one only after the frames of the first two.
  const reaction = room.edit(room.messages[0] as ChatMessage, 'hello, world');
  server.publish = publish;
  for (const frame of late) server.publish('general', frame);
  await clock.advance(0);
  expect(await reaction).toMatchObject({ id: 1, content: 'hello, world' });
  expect(room.messages).toMatchObject([
    { key: sent.key, content: 'hello, world', rev: 3, state: 'sent' },
  ]);
});

test('a message that the server has not stored cannot be changed', async () => {
  const { server, room } = await begin();
  server.isSilent = true;
  void room.send('hi');
  const [message] = room.messages as [ChatMessage];
  const refused = await room.edit(message, 'hello').catch(({ code }: ChatError) => code);
  expect(refused).toBe('not_found');
});

test('unsent messages of a program that ends are sent by the next one, from its store', async () => {
  const store = memoryStore();
  const server = new FakeServer();
  const first = await begin({ outbox: store }, server);
  server.isAway = true;
  server.close(1006);
  for (const content of ['one', 'two']) void first.room.send(content);
  await settle();
  first.chat.close();
  server.isAway = false;
  const { room, clock } = await begin({ outbox: store }, server);
  await clock.advance(SECOND);
  expect(contents(room)).toEqual(['one', 'two']);
  expect(store.unsent).toBe(0);
});

test('messages that an earlier program left are sent before those of the next one', async () => {
  const left = memoryStore();
  const at = Date.parse('2020-01-01');
  for (const [n, content] of ['one', 'two'].entries()) {
    const frame = { type: 'message', room: 'general', content } as const;
    await left.put({ id: crypto.randomUUID(), at: at + n, room: 'general', frame });
  }
  const { outbox, read } = readLater(left);
  const { server, room } = await begin({ outbox });
  expect(room.status.state).toBe('live');
  void room.send('three');
  await settle();
  expect(contents(server.room('general'))).toEqual([]);
  read();
  await settle();
  expect(contents(server.room('general'))).toEqual(['one', 'two', 'three']);
  expect(contents(room)).toEqual(['one', 'two', 'three']);
});

test('a store that does not answer delays messages for 10 seconds, and a store that fails does not', async () => {
  const never = memoryStore();
  never.load = () => new Promise(() => {});
  const slow = await begin({ outbox: never });
  void slow.room.send('late');
  await slow.clock.advance(9 * SECOND);
  expect(contents(slow.server.room('general'))).toEqual([]);
  await slow.clock.advance(2 * SECOND);
  expect(contents(slow.server.room('general'))).toEqual(['late']);

  const broken = memoryStore();
  broken.load = () => Promise.reject(new Error('broken'));
  const { server, room, errors } = await begin({ outbox: broken });
  void room.send('at once');
  await settle();
  expect(contents(server.room('general'))).toEqual(['at once']);
  expect(errors.map(({ code }) => code)).toEqual(['store']);
});

test('a message that was stored, but whose ack the program never got, is shown once', async () => {
  const store = memoryStore();
  const id = crypto.randomUUID();
  const frame = { type: 'message', room: 'general', content: 'one' } as const;
  await store.put({ id, at: 0, room: 'general', frame });
  const server = new FakeServer();
  server.say('general', 'one', 'ana', id);
  const { outbox, read } = readLater(store);
  const { room } = await begin({ outbox }, server);
  read();
  await settle();
  expect(contents(room)).toEqual(['one']);
  expect(store.unsent).toBe(0);
  expect(server.received.filter(({ type }) => type === 'message')).toEqual([]);
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

test('an invalid frame is reported, and the client resumes', async () => {
  const { server, clock, chat, room, errors } = await begin();
  const [socket] = server.sockets;
  socket?.tell('this is no JSON');
  await settle();
  expect(errors.map(({ code }) => code)).toEqual(['protocol']);
  server.say('general', 'meanwhile');
  await clock.advance(5 * SECOND);
  expect(chat.status.state).toBe('live');
  expect(contents(room)).toEqual(['meanwhile']);
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

test('a connection to a silent server is given up, and a frame without an answer is sent again', async () => {
  const { server, clock, chat, room } = await begin();
  let isForgotten = true;
  server.intercept = ({ type }) => type === 'message' && isForgotten;
  const sent = room.send('hi');
  await clock.advance(60 * SECOND);
  isForgotten = false;
  await clock.advance(60 * SECOND);
  expect((await sent).seq).toBe(1);
  server.isSilent = true;
  await clock.advance(40 * SECOND);
  expect(chat.status.state).not.toBe('live');
  server.isSilent = false;
  await clock.advance(40 * SECOND);
  expect(chat.status.state).toBe('live');
});

/** The codes that the server has, and the one of the runtime; a client that flooded waits a minute. */
const afterClose = [
  ...Object.values(closeCodes).map(({ code, reconnect }) => [code, reconnect] as const),
  [1009, 'no'] as const,
];

test.each(afterClose)(
  'a client whose connection was closed with %i reconnects: %s',
  async (code, when) => {
    const { server, clock, chat } = await begin();
    await clock.advance(10 * SECOND);
    server.close(code, 'why');
    const { status } = chat;
    const wait = status.state === 'reconnecting' ? status.nextTry - clock.now() : undefined;
    if (when === 'no' || when === 'token') {
      expect(status).toEqual({ state: 'closed', reason: 'why' });
      await clock.advance(HOUR);
      expect(server.connects).toBe(1);
      return;
    }
    if (when === 'now') expect(wait).toBe(0);
    if (code === closeCodes.flooding.code) expect(wait).toBeGreaterThanOrEqual(60 * SECOND);
    else if (when === 'later') expect(wait).toBe(500);
    await clock.advance(70 * SECOND);
    expect(chat.status.state).toBe('live');
    expect(server.sockets.size).toBe(1);
  },
);

test('a draining server is left as soon as it announces its stop', async () => {
  const { server, clock, chat } = await begin();
  await clock.advance(10 * SECOND);
  for (const socket of server.sockets) socket.tell({ type: 'draining', reconnectIn: 300 });
  await clock.advance(299);
  expect(server.connects).toBe(1);
  await clock.advance(1);
  expect(server.connects).toBe(2);
  expect(server.sockets.size).toBe(1);
  expect(chat.status.state).toBe('live');
});

test('a token is fetched again before it expires, and after', async () => {
  let issued = 0;
  const { server, clock, chat } = await begin({ token: async () => `token ${++issued}` });
  const shown = () =>
    server.received.filter(({ token }) => token).map(({ type, token }) => [type, token]);
  expect(shown()).toEqual([['join', 'token 1']]);
  for (const socket of server.sockets) socket.tell({ type: 'expiring', seconds: 60 });
  await settle();
  expect(shown().at(-1)).toEqual(['auth', 'token 2']);
  await clock.advance(10 * SECOND);
  server.close(closeCodes.unauthorized.code, 'expired');
  await clock.advance(SECOND);
  expect(shown().at(-1)).toEqual(['join', 'token 3']);
  expect(chat.status.state).toBe('live');
  // One that is refused again and again is the end.
  server.intercept = (_, socket) => {
    socket.end(closeCodes.unauthorized.code, 'bad');
    return true;
  };
  await clock.advance(10 * SECOND);
  server.close(closeCodes.unauthorized.code, 'bad');
  await clock.advance(HOUR);
  expect(chat.status).toEqual({ state: 'closed', reason: 'bad' });
  expect(issued).toBeLessThan(10);
});

test('a listener that throws harms no other, and is reported', async () => {
  const { server, room, errors } = await begin();
  const seen: string[] = [];
  room.on('message', () => {
    throw new Error('a fault of the application');
  });
  room.on('message', ({ content }) => seen.push(content));
  server.say('general', 'hi');
  await settle();
  expect(seen).toEqual(['hi']);
  expect(errors.map(({ code }) => code)).toEqual(['listener']);
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
