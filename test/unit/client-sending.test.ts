import { expect, test } from 'bun:test';
import type { ChatError, ChatMessage, OutboxStore } from '../../client/index.ts';
import { begin, contents, SECOND } from '../support/client-scene.ts';
import { settle } from '../support/clock.ts';
import { FakeServer } from '../support/fake-server.ts';
import { memoryStore } from '../support/memory-store.ts';

/** A store that is read when the test says so. */
function readLater(store: OutboxStore) {
  const { promise: isRead, resolve: read } = Promise.withResolvers<void>();
  const outbox: OutboxStore = { ...store, load: (late) => isRead.then(() => store.load(late)) };
  return { outbox, read };
}

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
