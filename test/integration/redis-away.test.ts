import { expect } from 'bun:test';
import { Client } from '../support/client.ts';
import { startCluster } from '../support/cluster.ts';
import { cuttableProxy } from '../support/cuttable-proxy.ts';
import { eventsOf } from '../support/event-stream.ts';
import { hasOwnRedis, ownRedis, redisOnPath } from '../support/own-services.ts';
import { startReady } from '../support/process.ts';
import { fresh, type TestServer } from '../support/server.ts';
import { freshPostgres, hasPostgres, postgres, testWith } from '../support/services.ts';
import { until } from '../support/until.ts';

const isThere = hasOwnRedis && hasPostgres;
const test = testWith({ ...postgres, ...redisOnPath });
const redis = isThere ? await ownRedis() : undefined;
const redisUrl = redis?.url ?? '';
const [one, two] = (
  redis
    ? await startCluster(await freshPostgres(), [redis.url, redis.url], { presenceGrace: 1 })
    : []
) as [TestServer, TestServer];

async function isRedis(server: TestServer, state: 'ok' | 'away'): Promise<boolean> {
  return (await (await server.fetch('/ready')).json()).redis === state;
}

/** Returns once both servers say that Redis is there, or is not. */
async function untilRedisIs(state: 'ok' | 'away'): Promise<void> {
  for (const server of [one, two]) {
    await until(`Redis is ${state}`, () => isRedis(server, state), 20_000);
  }
}

async function withoutRedis(use: () => Promise<void>): Promise<void> {
  await redis?.kill();
  await untilRedisIs('away');
  await use();
  await redis?.start();
  await untilRedisIs('ok');
}

test('without Redis each server serves its own clients and says so; all catch up in order, once, when it is back', async () => {
  const room = fresh('room');
  const ana = await one.enter(fresh('ana'), room);
  const ben = await two.enter(fresh('ben'), room);
  const seen = { ana: [] as number[], ben: [] as number[] };
  await withoutRedis(async () => {
    const metrics = await (await one.fetch('/metrics')).text();
    expect(metrics).toMatch(/^ws_chat_redis_up 0$/m);
    expect((await one.fetch('/ready')).status).toBe(200);
    for (let n = 0; n < 10; n++) {
      ana.send({ type: 'message', room, content: `a${n}`, id: `a${n}` });
      // A message is acknowledged by its commit.
      await ana.untilType('ack');
      ben.send({ type: 'message', room, content: `b${n}`, id: `b${n}` });
      await ben.untilType('ack');
    }
  });
  ana.send({ type: 'message', room, content: 'last' });
  for (const [name, client] of [
    ['ana', ana],
    ['ben', ben],
  ] as const) {
    await until('the last message is shown', () =>
      client.received.some((frame) => frame.type === 'message' && frame.content === 'last'),
    );
    for (const frame of client.received) if (frame.type === 'message') seen[name].push(frame.seq);
  }
  const all = Array.from({ length: 21 }, (_, n) => n + 1);
  expect(seen).toEqual({ ana: all, ben: all });
}, 30_000);

test('a client of a server that is ahead resumes on a server that is behind', async () => {
  const room = fresh('room');
  const name = fresh('ana');
  const ana = await one.enter(name, room);
  // Open on the other server, so that it believes to know the room.
  const ben = await two.enter(fresh('ben'), room);
  await withoutRedis(async () => {
    ana.send({ type: 'message', room, content: 'meanwhile', id: 'm' });
    const { seq } = await ana.untilType('ack');
    const epoch = (ana.received.find(({ type }) => type === 'joined') as { epoch: string }).epoch;
    const phone = await two.connect();
    phone.send({ type: 'join', username: name, room, protocol: 1, since: seq ?? 0, epoch });
    const joined = await phone.untilType('joined');
    expect(joined).toMatchObject({ reset: false, complete: true, rev: seq, messages: [] });
    // So do the clients that were there.
    expect(await ben.untilType('message')).toMatchObject({ content: 'meanwhile' });
    const stop = new AbortController();
    const stream = await two.fetch(`/events?room=${room}`, {
      headers: { 'last-event-id': `${seq}@${epoch}` },
      signal: stop.signal,
    });
    const first = await eventsOf(stream).next();
    expect(first.value).toEqual({ id: `${seq}@${epoch}` });
    stop.abort();
  });
}, 30_000);

test('a Redis that comes back empty makes nobody seem to leave, and loses no room', async () => {
  const room = fresh('room');
  const ana = await one.enter(fresh('ana'), room);
  const ben = await two.enter(fresh('ben'), room);
  await ana.untilType('presence');
  await withoutRedis(async () => {});
  // Longer than it takes to notice a server that is gone, which must not happen.
  await Bun.sleep(8000);
  const late = await two.enter(fresh('cleo'), room);
  expect(await ana.untilType('presence')).toMatchObject({ status: 'online' });
  late.send({ type: 'leave', room });
  expect(await ana.untilType('presence')).toMatchObject({ status: 'offline' });
  const changes = [...ana.received, ...ben.received].filter(
    (frame) => frame.type === 'presence' && frame.status === 'offline',
  );
  expect(changes.length).toBe(2);
}, 30_000);

test('joins and leaves during the outage are known when Redis is back', async () => {
  const room = fresh('room');
  const [stays, goes, comes] = ['stays', 'goes', 'comes'].map(fresh) as [string, string, string];
  const watcher = await one.enter(stays, room);
  const gone = await two.enter(goes, room);
  await watcher.untilType('presence');
  await withoutRedis(async () => {
    gone.send({ type: 'leave', room });
    await gone.untilType('left');
    await two.enter(comes, room);
  });
  const heard = new Map<string, string>();
  while (heard.get(goes) !== 'offline' || heard.get(comes) !== 'online') {
    const { username, status } = await watcher.untilType('presence');
    heard.set(username, status);
  }
  const active = await (await one.fetch(`/users/active?room=${room}`)).json();
  expect(active).toEqual([stays, comes].sort());
}, 30_000);

test('bans, room changes and ended sessions hold for new connections, and reach open ones when Redis is back', async () => {
  const [owner, banned, member] = ['owner', 'banned', 'member'].map(fresh) as [
    string,
    string,
    string,
  ];
  const ownerToken = await one.register(owner);
  const memberToken = await one.register(member);
  const room = fresh('room');
  await one.request('POST', '/rooms', ownerToken, { name: room });
  const ofBanned = await two.enter(banned, room);
  const ofMember = await two.enter(member, room, memberToken);
  await withoutRedis(async () => {
    await one.request('PUT', `/rooms/${room}/bans/${banned}`, ownerToken);
    await one.request('DELETE', '/sessions', memberToken);
    const late = await two.connect();
    late.send({ type: 'join', username: banned, room, protocol: 1 });
    expect(await late.untilType('error')).toMatchObject({ code: 'banned' });
    expect((await two.request('GET', '/me/rooms', memberToken)).status).toBe(401);
  });
  expect(await ofBanned.untilType('error')).toMatchObject({ code: 'banned' });
  expect(await ofMember.closed).toMatchObject({ code: 4401 });
}, 30_000);

test('a room that is deleted and made again meanwhile is another one, for those who were in it too', async () => {
  const [owner, member, guest, room] = [
    fresh('owner'),
    fresh('member'),
    fresh('guest'),
    fresh('room'),
  ];
  const ownerToken = await one.register(owner);
  const memberToken = await one.register(member);
  await one.request('POST', '/rooms', ownerToken, { name: room, private: true });
  await one.request('PUT', `/rooms/${room}/members/${member}`, ownerToken);
  const ofMember = await two.enter(member, room, memberToken);
  ofMember.send({ type: 'message', room, content: 'a secret', id: 'm' });
  await ofMember.untilType('ack');
  await withoutRedis(async () => {
    expect((await one.request('DELETE', `/rooms/${room}`, ownerToken)).status).toBe(204);
    const first = await one.enter(fresh('first'), room);
    first.send({ type: 'message', room, content: 'another room', id: 'f' });
    await first.untilType('ack');
    for (const client of [await two.connect(), ofMember]) {
      client.send({
        type: 'join',
        username: client === ofMember ? member : guest,
        room,
        protocol: 1,
        id: 'j',
      });
      const joined = await client.until((frame) => frame.type === 'joined' && frame.id === 'j');
      expect(joined).toMatchObject({ messages: [{ content: 'another room' }] });
      client.send({ type: 'read', room, seq: 1, id: 'r' });
      await client.until((frame) => frame.type === 'ack' && frame.id === 'r');
    }
    ofMember.send({ type: 'message', room, content: 'hello' });
    await ofMember.until((frame) => frame.type === 'message' && frame.content === 'hello');
    const basic = await two.connect();
    basic.send({ type: 'join', username: fresh('basic'), room });
    await basic.until((frame) => frame.type === 'message');
    const shown = basic.received.flatMap((f) => (f.type === 'message' ? f.content : []));
    expect(shown).not.toContain('a secret');
  });
}, 30_000);

test('notifications of the outage are shown once when Redis is back', async () => {
  const [name, other] = [fresh('ana'), fresh('ben')];
  const room = fresh('room');
  const ana = await one.enter(name, room);
  const ben = await two.enter(other, fresh('elsewhere'));
  await withoutRedis(async () => {
    ana.send({ type: 'message', room, content: `@${other}`, id: 'm' });
    await ana.untilType('ack');
  });
  expect(await ben.untilType('notification')).toMatchObject({ kind: 'mention', unread: 1 });
  ana.send({ type: 'message', room, content: `again @${other}` });
  expect(await ben.untilType('notification')).toMatchObject({ kind: 'mention', unread: 2 });
  expect(ben.received.filter(({ type }) => type === 'notification').length).toBe(2);
}, 30_000);

test('limits hold on each server while Redis is away', async () => {
  const limits = { messageRate: 0.01, messageBurst: 5 };
  const own = await ownRedis();
  const [server] = (await startCluster(await freshPostgres(), [own.url], limits)) as [TestServer];
  const ana = await server.enter('ana', 'general');
  await own.kill();
  for (let n = 0; n < 6; n++) ana.send({ type: 'message', content: `${n}`, id: `${n}` });
  expect(await ana.untilType('error')).toMatchObject({ code: 'rate_limited', id: '5' });
  // The refusal does not wait for the commits.
  const acks = () => ana.received.flatMap((frame) => (frame.type === 'ack' ? frame.id : []));
  while (acks().length < 5) await ana.untilType('ack');
  expect(acks()).toEqual(['0', '1', '2', '3', '4']);
}, 30_000);

test('a server starts without Redis, and joins the others when it is there', async () => {
  const own = await ownRedis();
  await own.kill();
  const servers = await startCluster(await freshPostgres(), [own.url, own.url]);
  const [first, second] = servers as [TestServer, TestServer];
  const ana = await first.enter('ana', 'general');
  await own.start();
  for (const server of servers) await until('Redis is ok', () => isRedis(server, 'ok'), 20_000);
  const ben = await second.enter('ben', 'general');
  ben.send({ type: 'message', content: 'hi' });
  expect(await ana.untilType('message')).toMatchObject({ content: 'hi' });
}, 30_000);

test('a server stops in good order while Redis hangs', async () => {
  const own = await ownRedis();
  const server = await startReady({ REDIS_URL: own.url, DATABASE_URL: await freshPostgres() });
  const client = await Client.connect(server.ws);
  client.send({ type: 'join', username: 'ana', protocol: 1 });
  await client.untilType('joined');
  own.pause();
  server.kill('SIGTERM');
  expect(await client.closed).toMatchObject({ code: 1012 });
  expect(await server.exited).toBe(0);
}, 30_000);

test('a clean stop logs no warning: Redis is left, not away', async () => {
  const own = await ownRedis();
  const server = await startReady({
    REDIS_URL: own.url,
    DATABASE_URL: await freshPostgres(),
    LOG_LEVEL: 'info',
  });
  expect(await (await fetch(`${server.url}/ready`)).json()).toMatchObject({ redis: 'ok' });
  server.kill('SIGTERM');
  expect(await server.exited).toBe(0);
  const { stdout, stderr } = await server.output;
  expect(stdout + stderr).toContain('stopping');
  expect(stdout + stderr).not.toMatch(/"level":(40|"warn")|away/);
}, 30_000);

test('messages that a server committed and could not publish before it died are shown when its lease has lapsed', async () => {
  const databaseUrl = await freshPostgres();
  const secret = crypto.randomUUID();
  const line = await cuttableProxy(redisUrl);
  const shared = { DATABASE_URL: databaseUrl, AUTH_SECRET: secret, PRESENCE_GRACE: '0' };
  const dying = await startReady({ ...shared, REDIS_URL: line.url });
  const [living] = (await startCluster(databaseUrl, [redisUrl])) as [TestServer];
  const ana = await living.enter('ana', 'general');
  const cleo = await living.enter('cleo', 'other');
  await fetch(`${dying.url}/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'ben' }),
  });
  line.cut();
  const posted = await fetch(`${dying.url}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'ben', content: 'my last words' }),
  });
  expect(posted.status).toBe(201);
  const resent = { username: 'ben', content: 'sent again', id: 'b' };
  const first = await fetch(`${dying.url}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...resent, room: 'other' }),
  });
  expect(first.status).toBe(201);
  dying.kill('SIGKILL');
  // A client that sends it again to another server makes it visible at once.
  expect((await living.post('/messages', { ...resent, room: 'other' })).status).toBe(200);
  expect(await cleo.untilType('message')).toMatchObject({ content: 'sent again', seq: 1 });
  // After its lease: longer than a client of a test waits for anything.
  const isShown = () => ana.received.some(({ type }) => type === 'message');
  await until('the message is shown', isShown, 20_000);
  expect(await ana.untilType('message')).toMatchObject({ content: 'my last words' });
}, 30_000);

test('users of a server that hangs go offline once, after its lease, and come back online when it goes on', async () => {
  const databaseUrl = await freshPostgres();
  const shared = { DATABASE_URL: databaseUrl, AUTH_SECRET: crypto.randomUUID() };
  const hanging = await startReady({ ...shared, REDIS_URL: redisUrl, PRESENCE_GRACE: '0' });
  const [living] = (await startCluster(databaseUrl, [redisUrl])) as [TestServer];
  const ana = await living.enter('ana', 'general');
  const socket = new WebSocket(hanging.ws);
  socket.onopen = () => socket.send('{"type":"join","username":"ben","protocol":1}');
  expect(await ana.untilType('presence')).toMatchObject({ username: 'ben', status: 'online' });
  const heard = () => ana.received.flatMap((f) => (f.type === 'presence' ? f.status : []));
  hanging.kill('SIGSTOP');
  await until('ben is offline', () => heard().length === 2, 20_000);
  hanging.kill('SIGCONT');
  await until('ben is online', () => heard().length === 3, 20_000);
  expect(heard()).toEqual(['online', 'offline', 'online']);
  expect(await (await living.fetch('/users/ben')).json()).toMatchObject({ online: true });
  socket.close();
}, 60_000);

test('an idle cluster asks the database nothing', async () => {
  const line = await cuttableProxy(await freshPostgres());
  const servers = await startCluster(line.url, [redisUrl, redisUrl]);
  const [first, second] = servers as [TestServer, TestServer];
  await first.enter('ana', 'general');
  await second.enter('ben', 'general');
  // The traffic that the joins began ends first.
  for (let before = -1; before !== line.bytes(); await Bun.sleep(500)) before = line.bytes();
  const before = line.bytes();
  // Several renewals of every lease, and looks for those that have lapsed.
  await Bun.sleep(4000);
  expect(line.bytes()).toBe(before);
}, 30_000);
