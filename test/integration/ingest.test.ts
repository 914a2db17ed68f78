import { describe, expect } from 'bun:test';
import { RedisClient, SQL } from 'bun';
import { startCluster } from '../support/cluster.ts';
import { cuttableProxy } from '../support/cuttable-proxy.ts';
import { hasOwnRedis, ownRedis, redisOnPath } from '../support/own-services.ts';
import { API_KEY } from '../support/people.ts';
import { fresh, startServer, type TestServer } from '../support/server.ts';
import { freshPostgres, hasPostgres, postgres, testWith } from '../support/services.ts';
import { until } from '../support/until.ts';

const isThere = hasOwnRedis && hasPostgres;
const test = testWith({ ...postgres, ...redisOnPath });
const redisUrl = isThere ? (await ownRedis()).url : '';
const databaseUrl = isThere ? await freshPostgres() : '';
const [one, two] = (
  isThere ? await startCluster(databaseUrl, [redisUrl, redisUrl], { apiKey: API_KEY }) : []
) as [TestServer, TestServer];
const redis = new RedisClient(redisUrl);

const publish = (fields: Record<string, string>) =>
  redis.send('XADD', ['ws-chat:ingest', '*', ...Object.entries(fields).flat()]) as Promise<string>;

/** The fields of the rejected entry of this id, once it is there. */
async function rejected(entry: string): Promise<Record<string, string>> {
  for (;;) {
    const found = (await redis.send('XREVRANGE', ['ws-chat:ingest:rejected', '+', '-'])) as [
      string,
      string[],
    ][];
    for (const [, fields] of found) {
      const record: Record<string, string> = {};
      for (let n = 0; n < fields.length; n += 2) record[fields[n] as string] = fields[n + 1] ?? '';
      if (record.entry === entry) return record;
    }
    await Bun.sleep(5);
  }
}

/** The number of entries that a server has taken and not finished. */
async function pending(on = redis): Promise<number> {
  const [count] = (await on.send('XPENDING', ['ws-chat:ingest', 'ws-chat'])) as [number];
  return count;
}

/** Returns once all entries are ingested, and therefore deleted. */
async function untilDone(on = redis): Promise<void> {
  const isDone = async () => (await on.send('XLEN', ['ws-chat:ingest'])) === 0;
  await until('all entries are ingested', isDone);
}

describe('ws-chat:ingest', () => {
  test('an entry is stored once, and seen by everyone on all servers', async () => {
    const room = fresh('room');
    const clients = [await one.enter(fresh('ana'), room), await two.enter(fresh('ben'), room)];
    const bot = fresh('bot');
    const entry = await publish({ room, username: bot, content: 'deployed' });
    for (const client of clients) {
      const message = await client.untilType('message');
      expect(message).toMatchObject({ room, username: bot, content: 'deployed', clientId: entry });
    }
    await untilDone();
    expect(await pending()).toBe(0);
  });

  test('a repeated id is stored once, whichever server gets it', async () => {
    const room = fresh('room');
    const client = await one.enter(fresh('ana'), room);
    const id = crypto.randomUUID();
    for (let n = 0; n < 40; n++) await publish({ room, username: 'bot', content: 'once', id });
    await publish({ room, username: 'bot', content: 'last' });
    const contents = [];
    do contents.push((await client.untilType('message')).content);
    while (contents.at(-1) !== 'last' && contents.length < 3);
    await untilDone();
    const stored = await (await one.fetch(`/messages?room=${room}`)).json();
    expect(stored.map(({ content }: { content: string }) => content).toSorted()).toEqual([
      'last',
      'once',
    ]);
  });

  test('data is JSON beside the text, or in its place, or all of the message', async () => {
    const room = fresh('room');
    const client = await one.enter(fresh('ana'), room);
    await publish({ room, username: 'bot', content: 'e4', data: '{"move":"e4"}' });
    expect(await client.untilType('message')).toMatchObject({
      content: 'e4',
      data: { move: 'e4' },
    });
    await publish({ room, username: 'bot', data: '{"move":"e5"}' });
    expect(await client.untilType('message')).toMatchObject({
      content: '',
      data: { move: 'e5' },
    });
    const whole = { room, username: 'bot', content: 'd4', id: fresh('id'), data: [1] };
    await publish({ data: JSON.stringify(whole) });
    const { id: clientId, ...rest } = whole;
    expect(await client.untilType('message')).toMatchObject({ ...rest, clientId });
  });

  test('an entry may reply to a message, or be a direct message', async () => {
    const room = fresh('room');
    const name = fresh('ana');
    const client = await one.enter(name, room);
    client.send({ type: 'message', room, content: 'anyone?' });
    const { id } = await client.untilType('message');
    await publish({ room, username: 'bot', content: 'me', replyTo: `${id}` });
    expect(await client.untilType('message')).toMatchObject({ content: 'me', replyTo: id });
    await publish({ to: name, username: 'bot', content: 'psst' });
    expect(await client.untilType('message')).toMatchObject({ content: 'psst', to: name });
  });

  test('a bad entry is rejected with a reason, and delays no other', async () => {
    const room = fresh('room');
    const client = await one.enter(fresh('ana'), room);
    const bad: [Record<string, string>, string, RegExp][] = [
      [{ room, content: 'hi' }, 'invalid_frame', /"username"/],
      [{ room, username: 'bot' }, 'invalid_frame', /"content"/],
      [{ room, username: 'bot', content: ' ' }, 'invalid_frame', /"content"/],
      [{ room, username: 'no name', content: 'hi' }, 'invalid_frame', /"username"/],
      [{ room: 'No Room!', username: 'bot', content: 'hi' }, 'invalid_frame', /"room"/],
      [{ room, username: 'bot', content: 'x'.repeat(4001) }, 'too_long', /4000/],
      [{ room, username: 'bot', content: 'hi', data: '{' }, 'invalid_frame', /"data" must be JSON/],
      [{ room, username: 'bot', content: 'hi', colour: 'red' }, 'invalid_frame', /"colour"/],
      [{ room, username: 'bot', content: 'hi', id: 'x'.repeat(65) }, 'invalid_frame', /"id"/],
      [{ room, username: 'bot', content: 'hi', replyTo: 'x' }, 'invalid_frame', /"replyTo"/],
      [{ room, username: 'bot', content: 'hi', replyTo: '999999999' }, 'not_found', /reply/],
      [{ room, to: 'ana', username: 'bot', content: 'hi' }, 'invalid_frame', /"room" or "to"/],
      [{ to: fresh('nobody'), username: 'bot', content: 'hi' }, 'not_found', /no user/],
      [{ room: 'dm:x', username: 'bot', content: 'hi' }, 'not_found', /no room/],
      [{ data: '[]' }, 'invalid_frame', /./],
      [{ data: 'null' }, 'invalid_frame', /./],
    ];
    for (const [fields, code, reason] of bad) {
      const found = await rejected(await publish(fields));
      expect(found).toMatchObject({ ...fields, code, reason: expect.stringMatching(reason) });
    }
    await publish({ room, username: 'bot', content: 'fine' });
    expect(await client.untilType('message')).toMatchObject({ content: 'fine' });
  });

  test('users that are banned, or muted in the room, cannot post by an entry', async () => {
    const room = fresh('room');
    const owner = fresh('owner');
    const token = await one.register(owner);
    await one.request('POST', '/rooms', token, { name: room });
    const bot = fresh('bot');
    await one.post('/users', { username: bot });
    await one.request('PUT', `/rooms/${room}/mutes/${bot}`, token);
    const refused = async () => {
      const { code } = await rejected(await publish({ room, username: bot, content: 'hi' }));
      return code;
    };
    expect(await refused()).toBe('muted');
    await one.request('PUT', `/rooms/${room}/bans/${bot}`, token);
    expect(await refused()).toBe('banned');
    await one.request('DELETE', `/rooms/${room}/bans/${bot}`, token);
    await one.request('DELETE', `/rooms/${room}/mutes/${bot}`, token);
    await one.request('PUT', `/users/${bot}/ban`, API_KEY);
    // The other server hears of it within a second.
    const post = { username: bot, content: 'hi', room };
    while ((await two.request('POST', '/messages', API_KEY, post)).status !== 403);
    expect(await refused()).toBe('banned');
  });

  test('entries that a dead server left unfinished are taken over by another', async () => {
    const room = fresh('room');
    const client = await two.enter(fresh('ana'), room);
    // In one step, before a living server can take it.
    const take = `
      redis.call('XADD', 'ws-chat:ingest', '*', 'room', ARGV[1], 'username', 'bot', 'content', 'undone')
      redis.call('XREADGROUP', 'GROUP', 'ws-chat', 'dead', 'STREAMS', 'ws-chat:ingest', '>')`;
    await redis.send('EVAL', [take, '0', room]);
    expect(await pending()).toBe(1);
    // After ten seconds: longer than a client of a test waits for anything.
    const isShown = () => client.received.some(({ type }) => type === 'message');
    await until('the entry is taken over', isShown, 30_000);
    expect(await client.untilType('message')).toMatchObject({ content: 'undone' });
    await untilDone();
    expect(await pending()).toBe(0);
  }, 40_000);
});

test('entries wait while no server runs, or its database is away', async () => {
  const own = await ownRedis();
  const publisher = new RedisClient(own.url);
  const publishTo = (room: string, content: string) =>
    publisher.send('XADD', [
      'ws-chat:ingest',
      '*',
      'room',
      room,
      'username',
      'bot',
      'content',
      content,
    ]);
  await publishTo('general', 'before anyone was there');
  const line = await cuttableProxy(await freshPostgres());
  const [server] = (await startCluster(line.url, [own.url])) as [TestServer];
  const contents = async () => {
    const stored = await (await server.fetch('/messages')).json();
    return stored.map(({ content }: { content: string }) => content);
  };
  await until('the entry is stored', async () => (await contents()).length > 0);
  line.cut();
  await publishTo('general', 'while the database was away');
  await until('the entry is taken', async () => (await pending(publisher)) > 0);
  await line.mend();
  await untilDone(publisher);
  expect(await contents()).toEqual(['before anyone was there', 'while the database was away']);
  expect(await publisher.send('XLEN', ['ws-chat:ingest:rejected'])).toBe(0);
  publisher.close();
  await server.stop();
});

test('entries keep their order when Redis flaps while the database is away', async () => {
  const own = await ownRedis();
  const publisher = new RedisClient(own.url);
  const publishNext = (content: number) =>
    publisher.send('XADD', ['ws-chat:ingest', '*', 'username', 'bot', 'content', `${content}`]);
  const toDatabase = await cuttableProxy(await freshPostgres());
  const toRedis = await cuttableProxy(own.url);
  const [server] = (await startCluster(toDatabase.url, [toRedis.url])) as [TestServer];
  const stored = async (): Promise<string[]> => {
    const page = await (await server.fetch('/messages?limit=100')).json();
    return page.map(({ content }: { content: string }) => content);
  };
  toDatabase.cut();
  for (let n = 0; n < 20; n++) {
    await publishNext(n);
    await until('the entry is taken', async () => (await pending(publisher)) > 0);
    if (n % 5 === 4) {
      toRedis.cut();
      await toRedis.mend();
    }
  }
  await toDatabase.mend();
  await untilDone(publisher);
  expect(await stored()).toEqual(Array.from({ length: 20 }, (_, n) => `${n}`));
  publisher.close();
  await server.stop();
}, 30_000);

test('entries wait while Postgres takes no more connections', async () => {
  const own = await ownRedis();
  const publisher = new RedisClient(own.url);
  const url = new URL(await freshPostgres());
  const admin = new SQL(url.href, { max: 1 });
  const role = `ws_chat_${crypto.randomUUID().slice(0, 8)}`;
  await admin.unsafe(`create role ${role} login`);
  await admin.unsafe(`alter database ${url.pathname.slice(1)} owner to ${role}`);
  await admin.unsafe(`grant all on schema public to ${role}`);
  url.username = role;
  const [server] = (await startCluster(url.href, [own.url])) as [TestServer];
  await admin.unsafe(`alter role ${role} connection limit 0`);
  const end = `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${role}'`;
  // A session that is only beginning is not listed yet.
  await until('no session is left', async () => {
    await admin.unsafe(end);
    return (await server.fetch('/messages')).status === 503;
  });
  await publisher.send('XADD', ['ws-chat:ingest', '*', 'username', 'bot', 'content', 'patient']);
  await until('the entry is taken', async () => (await pending(publisher)) > 0);
  // Long enough for a second try.
  await Bun.sleep(1000);
  await admin.unsafe(`alter role ${role} connection limit -1`);
  await untilDone(publisher);
  expect(await publisher.send('XLEN', ['ws-chat:ingest:rejected'])).toBe(0);
  expect(await (await server.fetch('/messages')).json()).toMatchObject([{ content: 'patient' }]);
  publisher.close();
  await server.stop();
  await admin.unsafe(`alter database ${url.pathname.slice(1)} owner to current_user`);
  await admin.unsafe(
    `reassign owned by ${role} to current_user; drop owned by ${role}; drop role ${role}`,
  );
  await admin.close();
}, 30_000);

test('a server with the embedded database takes entries, too', async () => {
  const own = await ownRedis();
  const server = await startServer({ redisUrl: own.url });
  const room = fresh('room');
  const client = await server.enter(fresh('ana'), room);
  const publisher = new RedisClient(own.url);
  const entry = ['room', room, 'username', fresh('bot'), 'content', 'hi'];
  await publisher.send('XADD', ['ws-chat:ingest', '*', ...entry]);
  expect(await client.untilType('message')).toMatchObject({ content: 'hi' });
  publisher.close();
  await server.stop();
});

describe('the publishers in examples/', () => {
  const hasRedis = (python: string) =>
    Bun.spawnSync([python, '-c', 'import redis'], { stderr: 'ignore' }).success;
  const python = ['python3', '/usr/bin/python3'].find(
    (name) => Bun.which(name) !== null && hasRedis(name),
  );
  const examples = new URL('../../examples/', import.meta.url).pathname;

  async function publishes(command: string[]) {
    const room = fresh('room');
    const client = await one.enter(fresh('ana'), room);
    const publisher = Bun.spawn([...command, room, 'bot', 'The build is "green" – é'], {
      env: { ...process.env, REDIS_URL: redisUrl },
      stdout: 'pipe',
    });
    expect(await publisher.exited).toBe(0);
    expect(await new Response(publisher.stdout).text()).toMatch(/^\d+-\d+\s*$/);
    expect(await client.untilType('message')).toMatchObject({
      username: 'bot',
      content: 'The build is "green" – é',
    });
  }

  const needs = { ...postgres, ...redisOnPath };
  testWith({ ...needs, 'Python with its redis package': python })(
    'in Python post a message to a room',
    () => publishes([python ?? '', `${examples}publish.py`]),
  );

  testWith({ ...needs, 'node on the PATH': Bun.which('node') })(
    'in Node says something in a room',
    () => publishes(['node', `${examples}publish.mjs`]),
  );

  testWith({ ...needs, 'redis-cli on the PATH': Bun.which('redis-cli') })(
    'with redis-cli says something in a room',
    () => publishes(['sh', `${examples}publish.sh`]),
  );
});
