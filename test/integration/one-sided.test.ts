import { expect } from 'bun:test';
import { RedisClient } from 'bun';
import { Client } from '../support/client.ts';
import { startCluster } from '../support/cluster.ts';
import { type CuttableProxy, cuttableProxy } from '../support/cuttable-proxy.ts';
import { hasOwnRedis, ownRedis, testWithOwnRedis } from '../support/own-services.ts';
import { API_KEY } from '../support/people.ts';
import { startReady } from '../support/process.ts';
import { fresh, type TestServer } from '../support/server.ts';
import { freshPostgres, hasPostgres, testWithPostgres } from '../support/services.ts';
import { until } from '../support/until.ts';

/**
 * Rule 9 of delivery: changes that a server has committed and cannot publish hold on the others too. They ask
 * the database before they let anyone in or take a message, and put out those inside within five seconds.
 */
const test = hasPostgres ? testWithOwnRedis : testWithPostgres;
const isThere = hasOwnRedis && hasPostgres;
const databaseUrl = isThere ? await freshPostgres() : '';
const redis = isThere ? await ownRedis() : undefined;
const line = redis && (await cuttableProxy(redis.url));
const servers =
  redis && line ? await startCluster(databaseUrl, [line.url, redis.url], { apiKey: API_KEY }) : [];
const [one, two] = servers as [TestServer, TestServer];

/** Users that are put out of a room, or never let in, by changes on server `one`. */
class Scene {
  readonly owner = fresh('owner');
  readonly banned = fresh('banned');
  readonly outcast = fresh('outcast');
  readonly guest = fresh('guest');
  readonly open = fresh('open');
  readonly closing = fresh('closing');
  token = '';
  inside: Client[] = [];

  async prepare(): Promise<void> {
    this.token = await one.register(this.owner);
    for (const name of [this.open, this.closing]) {
      await one.request('POST', '/rooms', this.token, { name });
      // Open on the other server too, which believes to know it.
      await two.enter(this.owner, name, this.token);
    }
    this.inside = [
      await two.enter(this.banned, this.open),
      await two.enter(this.guest, this.closing),
      await two.enter(this.outcast, this.open),
    ];
  }

  async change(): Promise<void> {
    const done = await Promise.all([
      one.request('PUT', `/rooms/${this.open}/bans/${this.banned}`, this.token),
      one.request('PATCH', `/rooms/${this.closing}`, this.token, { private: true }),
      one.request('PUT', `/users/${this.outcast}/ban`, API_KEY),
    ]);
    expect(done.map(({ status }) => status)).toEqual([204, 200, 204]);
  }

  /** The answers of the other server to them, at most a second later. */
  async check(): Promise<void> {
    await Bun.sleep(1000);
    const answers = [
      await answer(await two.connect(), { type: 'join', username: this.banned, room: this.open }),
      await answer(await two.connect(), { type: 'join', username: this.guest, room: this.closing }),
      await answer(await two.connect(), { type: 'join', username: this.outcast, room: this.open }),
    ];
    expect(answers).toEqual(['banned', 'not_found', 'banned']);
    for (const [n, client] of this.inside.entries()) {
      if (client.socket.readyState !== WebSocket.OPEN) continue;
      const room = n === 1 ? this.closing : this.open;
      expect(await answer(client, { type: 'message', content: 'x', room })).not.toBe('ack');
    }
  }

  /** Those inside are put out, whether or not they do anything. */
  async checkInside(): Promise<void> {
    const [banned, guest, outcast] = this.inside as [Client, Client, Client];
    const isOut = (client: Client) =>
      client.socket.readyState !== WebSocket.OPEN ||
      client.received.some((frame) => frame.type === 'error' && frame.id === undefined);
    const since = performance.now();
    while (![banned, guest, outcast].every(isOut)) {
      if (performance.now() - since > 5000) {
        expect([banned, guest, outcast].map(isOut)).toEqual([true, true, true]);
      }
      await Bun.sleep(20);
    }
  }
}

async function answer(client: Client, frame: object): Promise<string> {
  if (client.socket.readyState !== WebSocket.OPEN) return 'closed';
  const id = crypto.randomUUID();
  client.send({
    protocol: 'join' === (frame as { type: string }).type ? 1 : undefined,
    ...frame,
    id,
  });
  const isAnswer = (frame: { type: string; id?: unknown }) =>
    frame.id === id && frame.type !== 'message';
  // Both may come at once, and then the answer counts.
  const closed = client.closed.then(() => client.received.find(isAnswer));
  const said = await Promise.race([client.until(isAnswer), closed]);
  if (!said) return 'closed';
  return said.type === 'error' ? said.code : said.type;
}

/** @param harm takes the voice of server `one` away */
async function holds(harm: () => Promise<void>, heal: () => Promise<void>, wait = 0) {
  const scene = new Scene();
  await scene.prepare();
  await harm();
  await Bun.sleep(wait);
  await scene.change();
  try {
    await Promise.all([scene.check(), scene.checkInside()]);
  } finally {
    await heal();
  }
  for (const server of servers) {
    const isOk = async () => (await (await server.fetch('/ready')).json()).redis === 'ok';
    await until('Redis is ok', isOk, 20_000);
  }
}

const proxy = line as CuttableProxy;

test('a server that cannot publish, though it reads the others and holds its lease, does not act on outdated state', async () => {
  await holds(
    async () => proxy.refuse('XADD'),
    () => proxy.mend(),
  );
}, 60_000);

test('a server whose connection is cut does not act on outdated state', async () => {
  await holds(
    async () => proxy.cut(),
    () => proxy.mend(),
  );
}, 60_000);

test('news of a user that comes late, after a newer change and a comparison, does not free the name of an account', async () => {
  const name = fresh('ana');
  const resyncs = async () => {
    const metrics = await (await one.request('GET', '/metrics', API_KEY)).text();
    return Number(/^ws_chat_doubts_total (\d+)/m.exec(metrics)?.[1]);
  };
  await two.enter(name, fresh('room'));
  const before = await resyncs();
  proxy.hold();
  expect((await two.request('DELETE', `/users/${name}/ban`, API_KEY)).status).toBe(204);
  await one.register(name);
  await until('the server has looked for missed changes', async () => (await resyncs()) > before);
  proxy.release();
  // The server asks the database until it knows that it has all news, a second later at most.
  for (let n = 0; n < 10; n++) {
    const said = await answer(await one.connect(), { type: 'join', username: name });
    expect(said).toBe('unauthorized');
    await Bun.sleep(100);
  }
}, 60_000);

test('a server whose lease has lapsed does not act on outdated state', async () => {
  await holds(
    async () => proxy.cut(),
    () => proxy.mend(),
    10_000,
  );
}, 60_000);

for (const [how, settings] of [
  ['has no memory left', ['maxmemory', '1', '0']],
  ['takes no writes', ['min-replicas-to-write', '1', '0']],
] as const) {
  test(`no server acts on outdated state while Redis ${how} and answers all readers`, async () => {
    const [name, bad, good] = settings;
    const admin = new RedisClient(redis?.url);
    await holds(
      () => admin.send('CONFIG', ['SET', name, bad]).then(() => {}),
      () => admin.send('CONFIG', ['SET', name, good]).then(() => {}),
    );
    admin.close();
  }, 60_000);
}

test('a server that is stopped between a commit and its publishing undoes no later commit', async () => {
  const url = new URL(redis?.url ?? '');
  const slow = await cuttableProxy(url.href);
  const shared = { DATABASE_URL: databaseUrl, AUTH_SECRET: crypto.randomUUID(), API_KEY };
  const pausing = await startReady({ ...shared, REDIS_URL: slow.url });
  const other = await startReady({ ...shared, REDIS_URL: url.href });
  const ask = (at: string, method: string, path: string, body?: object) =>
    fetch(at + path, {
      method,
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
  const room = fresh('room');
  await ask(other.url, 'POST', '/rooms', { name: room });
  await ask(other.url, 'POST', '/users', { username: 'ana' });
  const enter = async (username: string) => {
    return answer(await Client.connect(other.ws), { type: 'join', username, room });
  };
  // The admin stays inside, so that the other server goes on to know the room.
  const admin = await Client.connect(`${other.ws}?token=${API_KEY}`);
  expect(await answer(admin, { type: 'join', username: 'admin', room })).toBe('joined');
  expect(await enter('first')).toBe('joined');
  // Its events wait on the line, while its changes are committed.
  slow.hold();
  expect((await ask(pausing.url, 'PATCH', `/rooms/${room}`, { topic: 'x' })).status).toBe(200);
  expect((await ask(other.url, 'PATCH', `/rooms/${room}`, { private: true })).status).toBe(200);
  expect(await enter('second')).toBe('not_found');
  slow.release();
  // Its next event comes after the one that was held.
  const last = { username: 'ana', content: 'last', room };
  expect((await ask(pausing.url, 'POST', '/messages', last)).status).toBe(201);
  await admin.untilType('message');
  for (let n = 0; n < 5; n++) expect(await enter(`later${n}`)).toBe('not_found');
  pausing.kill('SIGTERM');
  other.kill('SIGTERM');
  await Promise.all([pausing.exited, other.exited]);
}, 60_000);
