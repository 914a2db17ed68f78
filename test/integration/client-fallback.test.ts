import { expect, test } from 'bun:test';
import { ChatClient, type WebSocketConstructor, type WebSocketLike } from '../../client/index.ts';
import { fresh, startServer } from '../support/server.ts';
import { until } from '../support/until.ts';

/** As behind a proxy that lets none through. */
class BlockedWebSocket implements WebSocketLike {
  static tries = 0;
  readonly readyState = 3;
  onopen = null;
  onmessage = null;
  onerror = null;
  onclose: ((event: never) => void) | null = null;

  constructor() {
    BlockedWebSocket.tries += 1;
    setTimeout(() => this.onclose?.({ code: 1006, reason: '' } as never), 1);
  }

  send(): void {}
  close(): void {}
}

const blocked = { WebSocket: BlockedWebSocket, backoff: { first: 5, most: 50 } };

test('where WebSockets are blocked, messages come and go over SSE and REST, by itself', async () => {
  const server = await startServer();
  const [ana, ben] = [fresh('ana'), fresh('ben')];
  const [name, other] = [fresh('room'), fresh('room')];
  await server.join(ana, name);
  await server.join(ana, other);
  const here = new ChatClient(server.url, { username: ana });
  const there = new ChatClient(server.url, { username: ben, ...blocked });
  const shown = there.room(name);
  await until('live', () => shown.status.state === 'live');
  expect(BlockedWebSocket.tries).toBeGreaterThanOrEqual(2);
  const polled = there.room(other);
  await until('both live', () => polled.status.state === 'live');
  const [first, second] = [here.room(name), here.room(other)];

  // The room that was entered last streams; the other is looked at.
  await second.send('streamed');
  await until('the stream', () => polled.messages.at(-1)?.content === 'streamed');
  const sent = await first.send('polled');
  await until('the poll', () => shown.messages.at(-1)?.content === 'polled');
  await first.edit(sent, 'edited');
  await until('the edit', () => shown.messages.at(-1)?.content === 'edited');

  const answer = await shown.send('over REST');
  expect(answer.state).toBe('sent');
  await until('the answer', () => first.messages.at(-1)?.content === 'over REST');
  expect(shown.messages.map(({ content }) => content)).toEqual(['edited', 'over REST']);
  expect(shown.users).toContain(ana);
  here.close();
  there.close();
}, 30_000);

test('a guest whose first tries to connect fail is back on a WebSocket soon, and then enters a new room', async () => {
  const server = await startServer();
  let tries = 0;
  const WebSocket = class {
    constructor(url: string) {
      tries += 1;
      // biome-ignore lint/correctness/noConstructorReturn: as a server that starts slowly
      return tries <= 2 ? new BlockedWebSocket() : (new globalThis.WebSocket(url) as WebSocketLike);
    }
  } as unknown as WebSocketConstructor;
  const chat = new ChatClient(server.url, { ...blocked, username: fresh('ana'), WebSocket });
  const room = chat.room(fresh('room'));
  await until('over SSE it cannot', () => room.status.state === 'failed');
  await until('it is in', () => room.status.state === 'live');
  chat.close();
}, 30_000);

test('a stream that is cut continues where it was', async () => {
  const server = await startServer();
  const name = fresh('room');
  const ana = await server.join(fresh('ana'), name);
  const client = new ChatClient(server.url, {
    username: fresh('ben'),
    ...blocked,
    transport: 'sse',
  });
  const room = client.room(name);
  await until('live', () => room.status.state === 'live');
  const seen: string[] = [];
  room.on('message', ({ content }) => seen.push(content));
  for (let n = 0; n < 20; n++) {
    ana.send({ type: 'message', content: `${n}` });
    if (n % 7 === 3) client.close();
    if (n % 7 === 5) client.connect();
  }
  await until('all of them', () => room.messages.length === 20);
  expect(seen.sort((a, b) => Number(a) - Number(b))).toEqual(seen.map((_, n) => `${n}`));
  client.close();
}, 30_000);

test('over SSE an account that is identified by its token alone creates a new room by entering it, as a join does', async () => {
  const server = await startServer();
  const username = fresh('Ána');
  const token = await server.register(username);
  const chat = new ChatClient(server.url, { token, transport: 'sse' });
  const room = chat.room(fresh('room'));
  const sent = await room.send('Is it me?');
  expect(sent).toMatchObject({ username, seq: 1, state: 'sent' });
  expect(chat.username).toBe(username);
  const stored = await (await server.fetch(`/messages?room=${room.name}`)).json();
  expect(stored).toMatchObject([{ username, content: 'Is it me?' }]);
  chat.close();
});

test('over SSE a room that does not exist for a user cannot be entered', async () => {
  const server = await startServer();
  const [owner, other] = [await server.register(fresh('ana')), await server.register(fresh('ben'))];
  const name = fresh('private');
  await server.request('POST', '/rooms', owner, { name, private: true });
  // Over REST a guest cannot make a room.
  const guest = new ChatClient(server.url, { username: fresh('guest'), transport: 'sse' });
  const ben = new ChatClient(server.url, { token: other, transport: 'sse' });
  const rooms = [ben.room(name), guest.room(name), guest.room(fresh('room'))];
  for (const room of rooms) {
    await until('it is refused', () => room.status.state === 'failed');
    expect(room.status).toMatchObject({ error: { code: 'not_found' } });
  }
  for (const client of [guest, ben]) client.close();
});

test('when a request fails, later messages do not overtake it', async () => {
  const server = await startServer();
  const name = fresh('room');
  await server.join(fresh('ana'), name);
  const { fetch } = globalThis;
  let failures = 0;
  // As a gateway answers whose server is away.
  globalThis.fetch = Object.assign((input: string | URL | Request, init?: RequestInit) => {
    const isPost = init?.method === 'POST' && `${input}`.endsWith('/messages');
    if (!isPost || failures > 0) return fetch(input, init);
    failures += 1;
    return Promise.resolve(new Response('', { status: 502 }));
  }, fetch);
  const client = new ChatClient(server.url, {
    username: fresh('ben'),
    ...blocked,
    transport: 'sse',
  });
  const room = client.room(name, { since: 0 });
  await until('live', () => room.status.state === 'live');
  const said = ['one', 'two', 'three'];
  await Promise.all(said.map((content) => room.send(content))).finally(() => {
    globalThis.fetch = fetch;
  });
  const stored = await (await server.fetch(`/messages?room=${name}`)).json();
  expect(stored.map(({ content }: { content: string }) => content)).toEqual(said);
  expect(failures).toBe(1);
  client.close();
}, 30_000);
