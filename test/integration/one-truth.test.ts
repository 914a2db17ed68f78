import { expect } from 'bun:test';
import type { Client } from '../support/client.ts';
import { startCluster } from '../support/cluster.ts';
import { hasOwnRedis, ownRedis, testWithOwnRedis } from '../support/own-services.ts';
import { fresh, type TestServer } from '../support/server.ts';
import { freshPostgres, hasPostgres, testWithPostgres } from '../support/services.ts';

/** Rule 9 of delivery: rooms, members, bans and mutes are on every server as last committed. */
const isThere = hasOwnRedis && hasPostgres;
const test = hasPostgres ? testWithOwnRedis : testWithPostgres;
const redisUrl = isThere ? (await ownRedis()).url : '';
const servers = isThere ? await startCluster(await freshPostgres(), [redisUrl, redisUrl]) : [];
const [one, two] = servers as [TestServer, TestServer];

/** How often two changes race each other. */
const ROUNDS = 60;
/** The time after which rights are the same on every server: a second. */
const WITHIN_MS = 1000;

/** Whether a client's message is taken, or why it is not. */
async function speak(client: Client, room: string): Promise<string> {
  const id = crypto.randomUUID();
  client.send({ type: 'message', room, content: 'x', id });
  const answer = await client.until(
    (frame) => 'id' in frame && frame.id === id && frame.type !== 'message',
  );
  return answer.type === 'error' ? answer.code : answer.type;
}

/** Asks until the answer is the expected one, or for too long. @returns the last answer */
async function settled(expected: string, ask: () => Promise<string>): Promise<string> {
  const deadline = performance.now() + WITHIN_MS;
  for (;;) {
    const said = await ask();
    if (said === expected || performance.now() > deadline) return said;
    await Bun.sleep(5);
  }
}

test('a mute and its end at the same time on two servers leave both in the state of the database', async () => {
  const [owner, name, room] = [fresh('owner'), fresh('ana'), fresh('room')];
  const token = await one.register(owner);
  await one.request('POST', '/rooms', token, { name: room });
  const clients = [await one.enter(name, room), await two.enter(name, room)];
  for (let round = 0; round < ROUNDS; round++) {
    const path = `/rooms/${room}/mutes/${name}`;
    await Promise.all([one.request('PUT', path, token), two.request('DELETE', path, token)]);
    const stored = await one.post('/messages', { username: name, room, content: 'x' });
    const truth = stored.status === 201 ? 'ack' : 'muted';
    for (const client of clients) {
      expect(await settled(truth, () => speak(client, room))).toBe(truth);
    }
  }
}, 60_000);

test('a room made private and public at the same time has the state of the database on every server', async () => {
  const [owner, name, room] = [fresh('owner'), fresh('ana'), fresh('room')];
  const token = await one.register(owner);
  await one.request('POST', '/rooms', token, { name: room });
  // Open on both servers, so that each believes to know it.
  await one.enter(owner, room, token);
  await two.enter(owner, room, token);
  const [here, there] = [await one.connect(), await two.connect()];
  const enter = async (client: Client) => {
    client.send({ type: 'join', username: name, room, protocol: 1, id: 'j' });
    const answer = await client.until((frame) => 'id' in frame && frame.id === 'j');
    return answer.type === 'error' ? answer.code : answer.type;
  };
  for (let round = 0; round < ROUNDS; round++) {
    const change = (isPrivate: boolean) =>
      one.request('PATCH', `/rooms/${room}`, token, { private: isPrivate });
    await Promise.all([change(true), change(false)]);
    const stored = await one.fetch(`/rooms/${room}`);
    const truth = stored.status === 200 ? 'joined' : 'not_found';
    for (const client of [here, there]) {
      expect(await settled(truth, () => enter(client))).toBe(truth);
    }
  }
}, 60_000);

test('a user that is added and removed at the same time is in the private room on all servers, or on none', async () => {
  const [owner, name, room] = [fresh('owner'), fresh('ana'), fresh('room')];
  const token = await one.register(owner);
  const own = await two.register(name);
  await one.request('POST', '/rooms', token, { name: room, private: true });
  const path = `/rooms/${room}/members/${name}`;
  for (let round = 0; round < ROUNDS; round++) {
    await one.request('PUT', path, token);
    const clients = [await one.enter(name, room, own), await two.enter(name, room, own)];
    await Promise.all([one.request('DELETE', path, token), two.request('PUT', path, token)]);
    const { status } = await one.request('GET', `/rooms/${room}`, own);
    const truth = status === 200 ? ['ack', 'not_joined'] : ['not_joined'];
    for (const client of clients) {
      // Whoever was put out for a moment is out.
      let said = '';
      for (let tries = 0; tries < 200 && !truth.includes(said); tries++) {
        said = await speak(client, room);
        if (!truth.includes(said)) await Bun.sleep(5);
      }
      expect(truth).toContain(said);
      await client.close();
    }
  }
}, 60_000);
