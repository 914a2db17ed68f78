import { describe, expect, test } from 'bun:test';
import { TIMING } from '../../src/ws/gateway.ts';
import type { Client } from '../support/client.ts';
import { eventsOf } from '../support/event-stream.ts';
import { fresh, PASSWORD, startServer } from '../support/server.ts';
import { mint, SECRET, startKeyServer } from '../support/tokens.ts';

const apiKey = 'key-of-the-back-end';
const keyServer = await startKeyServer();
const { foreignKeys } = keyServer;
const server = await startServer({ authSecret: SECRET, apiKey, foreignKeys });
const { request } = server;
const strict = await startServer(
  { auth: 'required', authSecret: SECRET, apiKey },
  { timing: { ...TIMING, tokenWithin: 2500 } },
);

/** A token that ends in so many milliseconds; a JWT may say so in parts of a second. */
const endingIn = (sub: string, ms: number) => mint({ sub, exp: (Date.now() + ms) / 1000 });

/** Joins with protocol 1; the token comes with the handshake or with the join. */
async function joined(
  username: string,
  room: string,
  tokens: { handshake?: string; join?: string } = {},
): Promise<Client> {
  const client = await server.connect(tokens.handshake);
  const token = tokens.join === undefined ? {} : { token: tokens.join };
  client.send({ type: 'join', username, protocol: 1, room, ...token });
  await client.untilType('joined');
  return client;
}

/** The ways of being a user on an open connection; each must notice changes of the user. */
async function connectionsOf(username: string, token: string, room: string) {
  const waiting = await server.connect(token);
  await waiting.settle();
  const basic = await server.connect();
  basic.send({ type: 'join', username, room, token });
  await basic.untilType('system');
  const stream = await server.fetch(`/events?room=${room}&token=${token}`);
  const clients = [
    waiting,
    basic,
    await joined(username, room, { handshake: token }),
    await joined(username, room, { join: token }),
  ];
  const events = eventsOf(stream);
  await events.next();
  return {
    async end() {
      const codes = (await Promise.all(clients.map(({ closed }) => closed))).map(
        ({ code }) => code,
      );
      for await (const _ of events);
      return [...new Set(codes)];
    },
  };
}

describe('open connections and rights that end', () => {
  const ends: [
    what: string,
    code: number,
    act: (username: string, token: string) => Promise<Response>,
  ][] = [
    [
      'connections of ended sessions are',
      4401,
      (_, token) => request('DELETE', '/sessions', token),
    ],
    [
      'connections of a user with a new password are',
      4401,
      (_, token) => request('PUT', '/me/password', token, { password: 'another password' }),
    ],
    [
      'connections of a user who is banned from the server are',
      4403,
      (name) => request('PUT', `/users/${name}/ban`, apiKey),
    ],
  ];
  for (const [what, code, act] of ends) {
    test(`${what} closed at once, on WebSocket and SSE, and no others`, async () => {
      const room = fresh('room');
      const username = fresh('u');
      const token = await server.register(username);
      const other = fresh('u');
      const bystander = await joined(other, room, { handshake: await server.register(other) });
      const guest = await server.join('guest', room);
      const backEnd = await server.connect(apiKey);
      const open = await connectionsOf(username, token, room);
      expect((await act(username, token)).status).toBe(204);
      expect(await open.end()).toEqual([code]);
      for (const client of [bystander, guest, backEnd]) await client.settle();
    });
  }

  test('connections of a guest whose name was claimed are closed, by a password or by a token', async () => {
    const claims = [
      (username: string) => request('POST', '/users', undefined, { username, password: PASSWORD }),
      async (sub: string) => request('GET', '/messages', await mint({ sub })),
      async (sub: string) => request('GET', '/messages', await keyServer.sign({ sub })),
    ];
    for (const claim of claims) {
      const room = fresh('room');
      const name = fresh('guest');
      const guests = [await server.join(name, room), await joined(name, room)];
      const spokenFor = await joined(name, room, { handshake: apiKey });
      const witness = await server.join('witness', room);
      expect((await claim(name)).ok).toBe(true);
      for (const guest of guests) expect((await guest.closed).code).toBe(4401);
      spokenFor.send({ type: 'message', room, content: 'still here' });
      expect(await witness.until(({ type }) => type === 'message')).toMatchObject({
        content: 'still here',
      });
      // Guests lose the name, and may still come under another one on the same connection.
      const late = await server.connect();
      late.send({ type: 'join', username: name, room, id: 'j' });
      expect(await late.expect('error')).toMatchObject({ code: 'unauthorized', id: 'j' });
      late.send({ type: 'join', username: fresh('guest'), room });
      await late.expect('system');
    }
  });

  test('connections with a foreign token are closed when its account changes the password', async () => {
    // A back end gives the account of a foreign token a password by a token of its own.
    const sub = fresh('f');
    const foreign = await joined(sub, fresh('room'), { join: await keyServer.sign({ sub }) });
    const own = await mint({ sub });
    const change = { password: 'another password' };
    expect((await request('PUT', '/me/password', own, change)).status).toBe(204);
    expect((await foreign.closed).code).toBe(4401);
  });

  test('frames sent before the close take effect, frames after it do not', async () => {
    const room = fresh('room');
    const username = fresh('u');
    const client = await joined(username, room, { join: await server.register(username) });
    const witness = await server.join('witness', room);
    client.send({ type: 'message', content: 'before', id: 'before' });
    await client.untilType('ack');
    await request('PUT', `/users/${username}/ban`, apiKey);
    for (let n = 0; n < 100; n++) client.send({ type: 'message', content: 'after' });
    expect((await client.closed).code).toBe(4403);
    const left = `${username} left the chat`;
    await witness.until((frame) => frame.type === 'system' && frame.content === left);
    await witness.settle();
    const heard = witness.received.flatMap((frame) =>
      frame.type === 'message' ? [frame.content] : [],
    );
    expect(heard).toEqual(['before']);
  });

  test('a ban at the very moment of joining takes effect', async () => {
    for (let n = 0; n < 20; n++) {
      const username = fresh('u');
      await request('POST', '/users', undefined, { username });
      const client = await server.connect();
      const banned = request('PUT', `/users/${username}/ban`, apiKey);
      client.send({ type: 'join', username, room: fresh('room') });
      expect((await client.closed).code).toBe(4403);
      await banned;
    }
  });
});

describe('a join', () => {
  test('with a bad token is refused, and the connection closed with 4401', async () => {
    for (const token of ['hello', await mint({ sub: 'ana' }, 'x'.repeat(32)), '']) {
      const client = await server.connect();
      client.send({ type: 'join', username: 'ana', token, id: 'j' });
      expect(await client.expect('error')).toMatchObject({ code: 'unauthorized', id: 'j' });
      expect((await client.closed).code).toBe(4401);
    }
  });

  test('of a banned user is refused, and the connection closed with 4403', async () => {
    const username = fresh('u');
    const token = await server.register(username);
    await request('PUT', `/users/${username}/ban`, apiKey);
    const client = await server.connect();
    client.send({ type: 'join', username, token });
    expect(await client.expect('error')).toMatchObject({ code: 'banned' });
    expect((await client.closed).code).toBe(4403);
  });

  test('is bound to the user of the token, whatever name it gives', async () => {
    const username = fresh('u');
    const token = await server.register(username);
    for (const tokens of [{ handshake: token }, { join: token }]) {
      const client = await server.connect(tokens.handshake);
      const token = tokens.join === undefined ? {} : { token: tokens.join };
      client.send({ type: 'join', username: fresh('guest'), ...token });
      expect(await client.expect('error')).toMatchObject({ code: 'forbidden' });
      client.send({ type: 'join', username: username.toUpperCase(), room: fresh('room') });
      expect(await client.expect('system')).toMatchObject({ content: `Welcome ${username}!` });
    }
  });

  test('may bring a token again, of the same user only', async () => {
    const username = fresh('u');
    const token = await server.register(username);
    const room = fresh('room');
    const client = await joined(username, room, { join: token });
    client.send({ type: 'join', username, protocol: 1, room: fresh('room'), token });
    await client.expect('joined');
    const other = await mint({ sub: fresh('u') });
    client.send({ type: 'join', username, protocol: 1, room: fresh('room'), token: other });
    expect(await client.expect('error')).toMatchObject({ code: 'forbidden' });
  });

  test('with API_KEY may be any user’s, and stays that user’s', async () => {
    const username = fresh('u');
    await server.register(username);
    const client = await joined(username, fresh('room'), { handshake: apiKey });
    client.send({ type: 'join', username: 'someone-else', protocol: 1 });
    expect(await client.expect('error')).toMatchObject({ code: 'conflict' });
  });
});

describe.concurrent('a token that ends', () => {
  test('closes its connections and streams with 4401 when it does', async () => {
    const username = fresh('u');
    const open = await connectionsOf(username, await endingIn(username, 3000), fresh('room'));
    expect(await open.end()).toEqual([4401]);
  });

  test('is announced a minute before, to protocol 1', async () => {
    const username = fresh('u');
    const client = await joined(username, fresh('room'), {
      join: await endingIn(username, 62_500),
    });
    expect(await client.settle()).toEqual([]);
    expect((await client.expect('expiring')).seconds).toBeWithin(57, 61);
    const late = await joined(username, fresh('room'), {
      handshake: await endingIn(username, 20_000),
    });
    expect((await late.expect('expiring')).seconds).toBeWithin(18, 21);
  });

  test('is replaced by a fresh token in an `auth` frame', async () => {
    const username = fresh('u');
    const room = fresh('room');
    const client = await joined(username, room, { join: await endingIn(username, 3000) });
    await client.expect('expiring');
    const unheeded = await joined(username, room, { join: await endingIn(username, 3000) });
    client.send({ type: 'auth', token: await mint({ sub: username }), id: 'a' });
    expect(await client.expect('ack')).toEqual({ type: 'ack', id: 'a' });
    await unheeded.closed;
    client.send({ type: 'message', content: 'still here', id: 'm' });
    await client.untilType('ack');
    // A fresh one is no longer good than it says, and is felt to end like the first.
    client.send({ type: 'auth', token: await endingIn(username, 1500) });
    await client.untilType('expiring');
    expect((await client.closed).code).toBe(4401);
  });

  test('is not replaced by a bad token, another user’s, or one that excludes a joined room', async () => {
    const username = fresh('u');
    const client = await joined(username, fresh('room'), { join: await server.register(username) });
    for (const [token, code] of [
      ['hello', 'unauthorized'],
      [await endingIn(username, -1), 'unauthorized'],
      [await mint({ sub: fresh('u') }), 'forbidden'],
      [apiKey, 'forbidden'],
      [await mint({ sub: username, rooms: ['elsewhere'] }), 'forbidden'],
    ] as const) {
      client.send({ type: 'auth', token, id: 'a' });
      expect(await client.expect('error')).toMatchObject({ code, id: 'a' });
    }
    client.send({ type: 'message', content: 'still here', id: 'm' });
    await client.untilType('ack');
    const guest = await joined(fresh('guest'), fresh('room'));
    guest.send({ type: 'auth', token: await mint({ sub: username }) });
    expect(await guest.expect('error')).toMatchObject({ code: 'forbidden' });
  });
});

describe('AUTH=required', () => {
  test('a connection that shows no token in time is closed with 4401, whatever else it sends', async () => {
    const username = fresh('u');
    const token = await strict.register(username);
    const silent = await strict.connect();
    const busy = await strict.connect();
    busy.send({ type: 'join', username: 'guest', id: 'j' });
    expect(await busy.expect('error')).toMatchObject({ code: 'unauthorized', id: 'j' });
    const early = await strict.connect(token);
    const later = await strict.connect();
    later.send({ type: 'join', username, token });
    await later.expect('system');
    for (const client of [silent, busy]) expect((await client.closed).code).toBe(4401);
    // Clients that have shown theirs stay; so does a client that joins only now.
    early.send({ type: 'join', username, room: fresh('room') });
    await early.expect('system');
    await later.settle();
  });

  test('admits users with a token, and back ends', async () => {
    const username = fresh('u');
    const token = await strict.register(username);
    const room = fresh('room');
    const ana = await strict.connect(token);
    ana.send({ type: 'join', username, room });
    await ana.expect('system');
    const bot = await strict.connect(apiKey);
    bot.send({ type: 'join', username: 'bot', room });
    await bot.expect('system');
    bot.send({ type: 'message', content: 'hi', room });
    await ana.until(({ type }) => type === 'message');
    const content = { username: 'bot', content: 'over REST', room };
    expect((await strict.request('POST', '/messages', apiKey, content)).status).toBe(201);
    expect((await strict.request('POST', '/messages', undefined, content)).status).toBe(401);
  });
});
