import { expect, test } from 'bun:test';
import { ChatClient, type ChatError } from '../../client/index.ts';
import { API_KEY } from '../support/people.ts';
import { fresh, startServer } from '../support/server.ts';
import { until } from '../support/until.ts';

/** A user with a client; closed when the test is done with the server. */
function user(url: string, name = 'ana', token?: string) {
  const username = fresh(name);
  return new ChatClient(url, { username, ...(token && { token }), backoff: { first: 10 } });
}

test('the server serves the library, with an ETag and a source map, to any origin and without a token', async () => {
  const server = await startServer({ auth: 'required' });
  const reply = await server.fetch('/client.js', {
    headers: { origin: 'https://elsewhere.example' },
  });
  expect(reply.status).toBe(200);
  expect(reply.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
  expect(reply.headers.get('access-control-allow-origin')).toBe('*');
  const core = await reply.text();
  const etag = reply.headers.get('etag') ?? '';
  const again = await server.fetch('/client.js', { headers: { 'if-none-match': etag } });
  expect([again.status, await again.text()]).toEqual([304, '']);
  const map = await server.fetch(reply.headers.get('sourcemap') ?? '');
  expect((await map.json()).sources.some((path: string) => path.endsWith('chat.ts'))).toBe(true);
  const parts = [...core.matchAll(/import\("\.(\/client\/[^"]+)"\)/g)];
  for (const [, path = ''] of parts) expect((await server.fetch(path)).status).toBe(200);
  expect((await server.fetch('/client/nothing.js')).status).toBe(404);
});

test('presence, typing, reads and ephemeral events come through the library', async () => {
  const server = await startServer();
  const name = fresh('room');
  const [ana, ben] = [user(server.url), user(server.url, 'ben')];
  const [here, there] = [ana.room(name), ben.room(name)];
  await until('both are there', () => here.users.length === 2 && there.users.length === 2);
  there.typing();
  await until('typing', () => here.typists[0] === ben.username);
  await there.send('one');
  await there.send('two');
  await until('unread', () => here.unread === 2);
  expect(here.typists).toEqual([]);
  here.read();
  await until('read', () => here.unread === 0);
  expect(here.lastRead).toBe(2);
  const shown = new Promise((done) => here.on('event', done));
  await there.event('price', { ETH: 3120.5 });
  expect(await shown).toMatchObject({
    name: 'price',
    username: ben.username,
    data: { ETH: 3120.5 },
  });
  ben.close();
  await until('one is gone', () => here.users.length === 1);
  expect(here.userCount).toBe(1);
  ana.close();
});

test('a direct conversation is found by the other user’s name, with its history, and is announced', async () => {
  const server = await startServer();
  const [ana, ben] = [user(server.url), user(server.url, 'ben')];
  ben.room(fresh('elsewhere'));
  await until('ben is there', () => ben.status.state === 'live');
  const notified = new Promise((done) => ben.on('notification', done));
  await ana.direct(ben.username).send('psst');
  expect(await notified).toMatchObject({ kind: 'direct' });
  await until('it is counted', () => ben.notifications.unread === 1);
  const conversation = ben.direct(ana.username);
  await until('its history', () => conversation.messages[0]?.content === 'psst');
  await conversation.send('yes?');
  const own = ana.direct(ben.username);
  await until('the answer', () => own.messages.length === 2);
  expect(own.name).toBe(conversation.name);
  await own.send('no');
  await until('the last word', () => conversation.messages.length === 3);
  conversation.read();
  await until('it is seen to be read', () => own.partnerRead === 3);
  await ben.notifications.load();
  for (const client of [ana, ben]) client.close();
});

test('notifications are loaded with every connection: without those read elsewhere, with those of the meantime', async () => {
  const server = await startServer({ apiKey: API_KEY });
  const [phone, ben] = [user(server.url), user(server.url, 'ben')];
  const laptop = new ChatClient(server.url, { username: phone.username });
  for (const { notifications } of [phone, laptop]) notifications.subscribe(() => {});
  const notice = { to: [phone.username], data: { text: 'The build is green' } };
  const notify = () => server.request('POST', '/notifications', API_KEY, notice);
  const ids = ({ notifications }: ChatClient) => notifications.items.map(({ id }) => id);
  await until('it is sent', async () => (await notify()).status === 204);
  await until('both have it', () => ids(phone).length + ids(laptop).length === 2);

  laptop.close();
  await phone.notifications.read(ids(phone)[0] as number);
  await notify();
  await ben.direct(phone.username).send('psst');
  await until('both came', () => ids(phone).length === 2);
  laptop.connect();
  await until('they are loaded', () => ids(laptop).join() === ids(phone).join());
  // The live notifications equal the loaded ones.
  expect(laptop.notifications.items).toEqual(phone.notifications.items);
  expect(laptop.notifications.unread).toBe(2);
  for (const client of [phone, laptop, ben]) client.close();
});

test('an account signs in, has its private room, and bans from it', async () => {
  const server = await startServer();
  const [username, password] = [fresh('ana'), 'correct horse battery'];
  const guest = new ChatClient(server.url, { username: fresh('guest') });
  const api = await guest.api;
  await api.register(username, password);
  const { token } = await api.signIn(username, password);
  const ana = new ChatClient(server.url, { token: () => token });
  const name = fresh('private');
  const own = await ana.api;
  await until('a token is there', async () => {
    return await own.createRoom(name, { private: true }).then(
      () => true,
      ({ code }: ChatError) => code !== 'unauthorized',
    );
  });
  await until('she is in', () => ana.room(name).status.state === 'live');
  expect(ana.username).toBe(username);
  const denied = guest.room(name);
  await until('the guest is not', () => denied.status.state === 'failed');
  expect(denied.status).toMatchObject({ error: { code: 'not_found' } });

  const room = fresh('public');
  await own.createRoom(room);
  const open = guest.room(room);
  await until('the guest is in', () => open.status.state === 'live');
  await own.ban(room, guest.username);
  await until('the guest is out', () => open.status.state === 'failed');
  expect(open.status).toMatchObject({ error: { code: 'banned' } });
  expect((await own.myRooms()).map(({ name }) => name)).toEqual(
    expect.arrayContaining([name, room]),
  );
  ana.close();
  guest.close();
});

test('the name of an account needs its token: the client closes, and gives the reason', async () => {
  const server = await startServer();
  const username = fresh('ana');
  await server.register(username);
  const chat = new ChatClient(server.url, { username });
  chat.room('general');
  const refused = chat.room('general').send('hi');
  await until('it is closed', () => chat.status.state === 'closed');
  expect(await refused.catch(({ code }: ChatError) => code)).toBe('closed');
});

test('earlier messages are loaded page by page, and a message that is deleted stays in its place', async () => {
  const server = await startServer();
  const [ana, name] = [user(server.url), fresh('room')];
  const room = ana.room(name);
  for (let n = 1; n <= 60; n++) void room.send(`${n}`);
  await until('all are stored', () => room.messages.at(-1)?.seq === 60);
  const late = user(server.url, 'ben').room(name);
  await until('the last ten', () => late.messages.length === 10);
  expect(await late.history(30)).toBe(true);
  expect(await late.history(30)).toBe(false);
  expect(late.messages.map(({ content }) => content)).toEqual(room.messages.map((m) => m.content));
  const [first] = room.messages;
  await room.delete(first as NonNullable<typeof first>);
  await until('it is gone', () => late.messages[0]?.deletedAt);
  expect(late.messages[0]).toMatchObject({ content: '', seq: 1 });
  expect((await room.search('60')).map(({ content }) => content)).toEqual(['60']);
});
