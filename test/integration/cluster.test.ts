import { expect } from 'bun:test';
import { startCluster } from '../support/cluster.ts';
import { hasOwnRedis, ownRedis, redisOnPath } from '../support/own-services.ts';
import { API_KEY } from '../support/people.ts';
import { fresh, type TestServer } from '../support/server.ts';
import { freshPostgres, hasPostgres, postgres, testWith } from '../support/services.ts';

const isThere = hasOwnRedis && hasPostgres;
const test = testWith({ ...postgres, ...redisOnPath });
const redisUrl = isThere ? (await ownRedis()).url : '';
const [one, two, three] = (
  isThere
    ? await startCluster(await freshPostgres(), [redisUrl, redisUrl, redisUrl], { apiKey: API_KEY })
    : []
) as [TestServer, TestServer, TestServer];

test('a message posted on one server is seen on all, in one order, in either protocol', async () => {
  const room = fresh('room');
  const clients = [
    await one.enter(fresh('ana'), room),
    await two.enter(fresh('ben'), room),
    await three.enter(fresh('cleo'), room),
  ];
  const basic = await two.join(fresh('dan'), room);
  const sent = 30;
  for (let n = 0; n < sent; n++) {
    for (const client of clients) client.send({ type: 'message', room, content: `${n}` });
  }
  const seen = [];
  for (const client of [...clients, basic]) {
    const seqs: number[] = [];
    while (seqs.length < sent * clients.length) {
      seqs.push((await client.untilType('message')).seq);
    }
    seen.push(seqs);
  }
  const all = Array.from({ length: sent * clients.length }, (_, n) => n + 1);
  expect(seen).toEqual([all, all, all, all]);
});

test('a client resumes on any server from where it was on another', async () => {
  const room = fresh('room');
  const [name, other] = [fresh('ana'), fresh('ben')];
  const first = await one.enter(name, room);
  first.send({ type: 'message', room, content: 'before', id: 'a' });
  const { seq } = await first.untilType('message');
  await first.close();
  await (await two.enter(other, room)).close();
  await three.post('/messages', { username: other, room, content: 'between' });
  const second = await two.connect();
  second.send({ type: 'join', username: name, room, protocol: 1, since: seq });
  const joined = await second.untilType('joined');
  expect(joined.messages.map(({ content }) => content)).toEqual(['between']);
  expect(joined).toMatchObject({ reset: false, complete: true, rev: seq + 1 });
  // A repeated id is known on every server.
  second.send({ type: 'message', room, content: 'before', id: 'a' });
  expect(await second.untilType('ack')).toMatchObject({ id: 'a', seq });
});

test('edits, reactions and deletions are seen on all servers', async () => {
  const room = fresh('room');
  const ana = await one.enter(fresh('ana'), room);
  const ben = await two.enter(fresh('ben'), room);
  ana.send({ type: 'message', room, content: 'hi' });
  const { id: messageId } = await ben.untilType('message');
  ben.send({ type: 'react', messageId, emoji: '👍' });
  expect((await ana.untilType('update')).reactions).toMatchObject([{ emoji: '👍', count: 1 }]);
  ana.send({ type: 'edit', messageId, content: 'hello' });
  await ben.until((frame) => frame.type === 'update' && frame.content === 'hello');
  ana.send({ type: 'delete', messageId });
  await ben.until((frame) => frame.type === 'update' && frame.deletedAt !== undefined);
});

test('typing and events reach the others on all servers', async () => {
  const room = fresh('room');
  const name = fresh('ana');
  const ana = await one.enter(name, room);
  const again = await two.enter(name, room);
  const ben = await two.enter(fresh('ben'), room);
  ana.send({ type: 'typing', room });
  expect(await ben.untilType('typing')).toMatchObject({ room, username: name });
  ana.send({ type: 'event', room, name: 'move', data: { to: 'e4' } });
  expect(await ben.untilType('event')).toMatchObject({ name: 'move', data: { to: 'e4' } });
  // The user that types gets no such frame, on any server.
  const { type } = await again.until((frame) => frame.type === 'typing' || frame.type === 'event');
  expect(type).toBe('event');
});

test('direct messages, typing there, and notifications reach their users on any server', async () => {
  const [name, other] = [fresh('ana'), fresh('ben')];
  const room = fresh('room');
  const ana = await one.enter(name, room);
  const ben = await two.enter(other, fresh('elsewhere'));
  ana.send({ type: 'message', to: other, content: 'psst' });
  const message = await ben.untilType('message');
  expect(message).toMatchObject({ content: 'psst', username: name, to: other });
  expect(await ben.untilType('notification')).toMatchObject({ kind: 'direct', unread: 1 });
  ana.send({ type: 'join', username: name, room: message.room });
  await ana.untilType('joined');
  ana.send({ type: 'typing', room: message.room });
  expect(await ben.untilType('typing')).toMatchObject({ room: message.room, username: name });
  ana.send({ type: 'message', room, content: `hello @${other}` });
  expect(await ben.untilType('notification')).toMatchObject({ kind: 'mention', unread: 2, room });
  // A notification that is read on one device is read on the others.
  const phone = await three.enter(other, fresh('elsewhere'));
  ben.send({ type: 'read', room: message.room, seq: message.seq });
  expect(await phone.untilType('read')).toMatchObject({ room: message.room, seq: message.seq });
});

test('a user is present once, on however many servers', async () => {
  const room = fresh('room');
  const [name, other] = [fresh('ana'), fresh('ben')];
  const watcher = await three.enter(other, room);
  const tab = await one.enter(name, room);
  expect(await watcher.untilType('presence')).toMatchObject({ username: name, status: 'online' });
  const second = await two.connect();
  second.send({ type: 'join', username: name, room, protocol: 1 });
  const joined = await second.untilType('joined');
  expect(joined).toMatchObject({ users: expect.arrayContaining([name, other]), userCount: 2 });
  for (const server of [one, two, three]) {
    const active = await (await server.fetch(`/users/active?room=${room}`)).json();
    expect(active).toEqual([name, other].sort());
    expect(await (await server.fetch(`/users/${name}`)).json()).toMatchObject({ online: true });
    expect(await (await server.fetch(`/rooms/${room}`)).json()).toMatchObject({ userCount: 2 });
  }
  // The second tab was silent, and so is the end of the first.
  tab.send({ type: 'leave', room });
  await tab.untilType('left');
  second.send({ type: 'message', room, content: 'still here' });
  const frames = [];
  for (;;) {
    const frame = await watcher.next();
    if (frame.type === 'message') break;
    frames.push(frame.type);
  }
  expect(frames).toEqual([]);
  second.send({ type: 'leave', room });
  expect(await watcher.untilType('presence')).toMatchObject({ username: name, status: 'offline' });
});

test('users who move to another server as theirs stops have not left, users who do not come back have', async () => {
  const grace = { presenceGrace: 4 };
  const servers = await startCluster(await freshPostgres(), [redisUrl, redisUrl], grace);
  const [first, second] = servers as [TestServer, TestServer];
  const watcher = await second.enter('watcher', 'general');
  await first.enter('moves', 'general');
  await watcher.untilType('presence');
  await first.enter('goes', 'general');
  await watcher.untilType('presence');
  await first.stop();
  // Longer than it takes to see that its lease is gone.
  await Bun.sleep(3000);
  await second.enter('moves', 'general');
  expect(await watcher.untilType('presence')).toMatchObject({
    username: 'goes',
    status: 'offline',
  });
  await second.enter('comes', 'general');
  expect(await watcher.untilType('presence')).toMatchObject({ username: 'comes' });
  expect(await (await second.fetch('/users/active')).json()).toEqual(['comes', 'moves', 'watcher']);
  await second.stop();
});

test('a server that starts later knows at once who is online', async () => {
  const databaseUrl = await freshPostgres();
  const [first] = (await startCluster(databaseUrl, [redisUrl])) as [TestServer];
  const ana = await first.enter('zoe', 'general');
  const [later] = (await startCluster(databaseUrl, [redisUrl])) as [TestServer];
  const ben = await later.connect();
  ben.send({ type: 'join', username: 'yan', protocol: 1 });
  expect(await ben.untilType('joined')).toMatchObject({ users: ['zoe', 'yan'], userCount: 2 });
  await ana.untilType('presence');
  // A user who leaves with a server that stops has left.
  await first.stop();
  expect(await ben.untilType('presence')).toMatchObject({ username: 'zoe', status: 'offline' });
  await later.stop();
});

test('bans, ended sessions, claimed names and room changes take effect on all servers at once', async () => {
  const [owner, member, banned, guest] = ['owner', 'member', 'banned', 'guest'].map(fresh) as [
    string,
    string,
    string,
    string,
  ];
  const ownerToken = await one.register(owner);
  const memberToken = await two.register(member);
  const room = fresh('room');
  await one.request('POST', '/rooms', ownerToken, { name: room });
  const ofMember = await two.enter(member, room, memberToken);
  const ofBanned = await three.enter(banned, room);
  const ofGuest = await three.enter(guest, room);

  await one.request('PUT', `/rooms/${room}/mutes/${guest}`, ownerToken);
  for (;;) {
    // Over the bus, so that it takes a moment.
    ofGuest.send({ type: 'message', room, content: 'am I muted?' });
    const { type } = await ofGuest.until(({ type }) => type === 'message' || type === 'error');
    if (type === 'error') break;
  }
  await one.request('PUT', `/rooms/${room}/bans/${banned}`, ownerToken);
  expect(await ofBanned.untilType('error')).toMatchObject({ code: 'banned' });
  await one.request('PATCH', `/rooms/${room}`, ownerToken, { private: true });
  expect(await ofGuest.untilType('error')).toMatchObject({ code: 'not_found' });
  expect(await ofMember.untilType('error')).toMatchObject({ code: 'not_found' });
  await one.request('PUT', `/rooms/${room}/members/${member}`, ownerToken);
  ofMember.send({ type: 'join', username: member, room });
  await ofMember.untilType('joined');
  await one.request('DELETE', `/rooms/${room}`, ownerToken);
  expect(await ofMember.untilType('error')).toMatchObject({ code: 'not_found' });

  await three.request('DELETE', '/sessions', memberToken);
  expect(await ofMember.closed).toMatchObject({ code: 4401 });
  await one.register(guest);
  expect(await ofGuest.closed).toMatchObject({ code: 4401 });
  await one.request('PUT', `/users/${banned}/ban`, API_KEY);
  expect(await ofBanned.closed).toMatchObject({ code: 4403 });
});

test('a user’s messages are counted over all servers together', async () => {
  const limits = { messageRate: 0.01, messageBurst: 10, requestRate: 1000 };
  const servers = await startCluster(await freshPostgres(), [redisUrl, redisUrl], limits);
  const [first, second] = servers as [TestServer, TestServer];
  const name = 'ana';
  const tabs = [await first.enter(name, 'general'), await second.enter(name, 'general')];
  for (let n = 0; n < 10; n++) {
    for (const tab of tabs)
      tab.send({ type: 'message', content: `${n}`, id: `${tabs.indexOf(tab)} ${n}` });
  }
  const answers: string[] = [];
  for (const tab of tabs) {
    for (let n = 0; n < 10; n++) {
      const answer = await tab.until(({ type }) => type === 'ack' || type === 'error');
      answers.push(answer.type === 'error' ? answer.code : 'ack');
    }
  }
  expect(answers.filter((answer) => answer === 'ack').length).toBe(10);
  expect(answers.filter((answer) => answer === 'rate_limited').length).toBe(10);
  // Another database's users are others, on the same Redis.
  const [other] = (await startCluster(await freshPostgres(), [redisUrl], limits)) as [TestServer];
  const namesake = await other.enter(name, 'general');
  namesake.send({ type: 'message', content: 'hi', id: '1' });
  const answer = await namesake.until(({ type }) => type === 'ack' || type === 'error');
  expect(answer.type).toBe('ack');
  const wrong = await Promise.all(
    Array.from({ length: 24 }, (_, n) =>
      servers[n % 2]?.post('/sessions', { username: 'nobody', password: 'a wrong password' }),
    ),
  );
  expect(wrong.filter((response) => response?.status === 401).length).toBe(10);
});

test('readiness and metrics show whether the other servers can be reached', async () => {
  const ready = await one.fetch('/ready');
  expect(await ready.json()).toEqual({ status: 'ready', database: 'ok', redis: 'ok' });
  const measured = async () => {
    const text = await (await one.request('GET', '/metrics', API_KEY)).text();
    const lines = [...text.matchAll(/^(\w+) ([\d.]+)$/gm)];
    return new Map(lines.map(([, name, value]) => [name, Number(value)]));
  };
  const before = await measured();
  expect(before.get('ws_chat_redis_up')).toBe(1);
  // The metrics of the process itself.
  expect(before.get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  const room = fresh('room');
  const client = await one.enter(fresh('ana'), room);
  client.send({ type: 'message', room, content: 'hi', id: '1' });
  await client.untilType('ack');
  const after = await measured();
  for (const name of ['connections', 'rooms', 'people', 'changes_total']) {
    const change = (after.get(`ws_chat_${name}`) ?? 0) - (before.get(`ws_chat_${name}`) ?? 0);
    expect({ name, change }).toEqual({ name, change: 1 });
  }
});
