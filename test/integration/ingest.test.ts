import { describe, expect } from 'bun:test';
import { RedisClient } from 'bun';
import { startCluster } from '../support/cluster.ts';
import { cuttableProxy } from '../support/cuttable-proxy.ts';
import { hasOwnRedis, ownRedis, testWithOwnRedis } from '../support/own-services.ts';
import { API_KEY } from '../support/people.ts';
import { fresh, startServer, type TestServer } from '../support/server.ts';
import { freshPostgres, hasPostgres, testWith, testWithPostgres } from '../support/services.ts';

const isThere = hasOwnRedis && hasPostgres;
const test = hasPostgres ? testWithOwnRedis : testWithPostgres;
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

async function pending(): Promise<number> {
  const [count] = (await redis.send('XPENDING', ['ws-chat:ingest', 'ws-chat'])) as [number];
  return count;
}

describe('ws-chat:ingest (contract 7)', () => {
  test('an entry is stored once, and seen by everyone on all servers', async () => {
    const room = fresh('room');
    const clients = [await one.enter(fresh('ana'), room), await two.enter(fresh('ben'), room)];
    const bot = fresh('bot');
    const entry = await publish({ room, username: bot, content: 'deployed' });
    for (const client of clients) {
      const message = await client.untilType('message');
      expect(message).toMatchObject({ room, username: bot, content: 'deployed', clientId: entry });
    }
    // What is done is gone.
    while ((await redis.send('XLEN', ['ws-chat:ingest'])) !== 0) await Bun.sleep(5);
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
    while ((await redis.send('XLEN', ['ws-chat:ingest'])) !== 0) await Bun.sleep(5);
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
      content: '{"move":"e5"}',
      data: { move: 'e5' },
    });
    const whole = { room, username: 'bot', content: 'd4', id: fresh('id'), data: [1] };
    await publish({ data: JSON.stringify(whole) });
    const { id: clientId, ...rest } = whole;
    expect(await client.untilType('message')).toMatchObject({ ...rest, clientId });
  });

  test('it may answer a message, and write to someone', async () => {
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

  test('a bad entry is rejected with a reason, and holds nothing up', async () => {
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

  test('who is banned, or muted in the room, does not speak through it either', async () => {
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
    expect(await refused()).toBe('banned');
  });

  test('what a dead server left undone another takes over', async () => {
    const room = fresh('room');
    const client = await two.enter(fresh('ana'), room);
    // In one step, before a living server can take it.
    const take = `
      redis.call('XADD', 'ws-chat:ingest', '*', 'room', ARGV[1], 'username', 'bot', 'content', 'undone')
      redis.call('XREADGROUP', 'GROUP', 'ws-chat', 'dead', 'STREAMS', 'ws-chat:ingest', '>')`;
    await redis.send('EVAL', [take, '0', room]);
    expect(await pending()).toBe(1);
    // After ten seconds: longer than a client of a test waits for anything.
    while (!client.received.some(({ type }) => type === 'message')) await Bun.sleep(50);
    expect(await client.untilType('message')).toMatchObject({ content: 'undone' });
    while ((await redis.send('XLEN', ['ws-chat:ingest'])) !== 0) await Bun.sleep(5);
    expect(await pending()).toBe(0);
  }, 40_000);
});

test('what is published waits while no server is there, or its database is away', async () => {
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
  while ((await contents()).length === 0) await Bun.sleep(10);
  line.cut();
  await publishTo('general', 'while the database was away');
  while (((await publisher.send('XPENDING', ['ws-chat:ingest', 'ws-chat'])) as [number])[0] === 0) {
    await Bun.sleep(10);
  }
  await line.mend();
  while ((await publisher.send('XLEN', ['ws-chat:ingest'])) !== 0) await Bun.sleep(10);
  expect(await contents()).toEqual(['before anyone was there', 'while the database was away']);
  expect(await publisher.send('XLEN', ['ws-chat:ingest:rejected'])).toBe(0);
  publisher.close();
  await server.stop();
});

test('a server with the embedded database takes what is published, too', async () => {
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

  (python ? test : testWith('Python with its redis package', false))(
    'in Python says something in a room',
    () => publishes([python ?? '', `${examples}publish.py`]),
  );

  test('with redis-cli says something in a room', () => publishes(['sh', `${examples}publish.sh`]));
});
