import { describe, expect, test } from 'bun:test';
import { eq } from 'drizzle-orm';
import { messages } from '../../src/db/schema/index.ts';
import type { Client } from '../support/client.ts';
import { eventsOf } from '../support/event-stream.ts';
import { API_KEY } from '../support/people.ts';
import { fresh, sharedDatabase, startServer } from '../support/server.ts';
import { mint, SECRET } from '../support/tokens.ts';
import { until } from '../support/until.ts';

const server = await startServer({ authSecret: SECRET, apiKey: API_KEY });
const { request } = server;

/** An account, and its requests. */
async function someone(name: string) {
  const username = fresh(name);
  const token = await mint({ sub: username });
  await request('GET', '/rooms', token);
  const call = (method: string, path: string, body?: object) => request(method, path, token, body);
  return {
    username,
    call,
    /** The status of a reply, and its code if it is a refusal. */
    async tries(method: string, path: string, body?: object): Promise<string> {
      const response = await call(method, path, body);
      return response.status < 400
        ? `${response.status}`
        : `${response.status} ${(await response.json()).code}`;
    },
    async joins(room: string, protocol: 0 | 1 = 1): Promise<Client> {
      const client = await server.connect(token);
      client.send({ type: 'join', username, room, protocol });
      await client.until(({ type }) => type === 'joined' || type === 'error' || type === 'system');
      return client;
    },
    listens: (room: string) => call('GET', `/events?room=${room}`),
  };
}

const owner = await someone('owner');
const ben = await someone('ben');
const makeRoom = async (fields: object = {}) => {
  const name = fresh('room');
  expect((await owner.call('POST', '/rooms', { name, ...fields })).status).toBe(201);
  return name;
};
const secretRoom = async (...members: { username: string }[]) => {
  const room = await makeRoom({ private: true });
  for (const { username } of members) await owner.call('PUT', `/rooms/${room}/members/${username}`);
  return room;
};

describe('rooms over REST', () => {
  test('an account creates, describes, changes and deletes its own room', async () => {
    const name = fresh('Room');
    const made = await owner.call('POST', '/rooms', { name, topic: 'Plans', private: true });
    expect(made.status).toBe(201);
    const info = await made.json();
    expect(info).toEqual({
      name: name.toLowerCase(),
      topic: 'Plans',
      private: true,
      owner: owner.username,
      createdAt: expect.any(String),
      userCount: 0,
    });
    expect(await (await owner.call('GET', `/rooms/${name}`)).json()).toEqual(info);
    const change = { topic: 'Deeds', private: false };
    const changed = await (await owner.call('PATCH', `/rooms/${name}`, change)).json();
    expect(changed).toEqual({ ...info, ...change });
    const cleared = await (await owner.call('PATCH', `/rooms/${name}`, { topic: null })).json();
    expect(cleared).toMatchObject({ topic: null, private: false });
    expect(await owner.tries('PATCH', `/rooms/${name}`, {})).toBe('200');
    expect(await owner.tries('DELETE', `/rooms/${name}`)).toBe('204');
    expect(await owner.tries('GET', `/rooms/${name}`)).toBe('404 not_found');
    expect(await owner.tries('DELETE', `/rooms/${name}`)).toBe('404 not_found');
  });

  test('invalid room names are refused, and names that are taken', async () => {
    const taken = await makeRoom();
    for (const [body, outcome] of [
      [{ name: 'a b' }, '400 invalid_frame'],
      [{ name: '' }, '400 invalid_frame'],
      [{ name: 'x'.repeat(65) }, '400 invalid_frame'],
      [{ name: 'dm:x' }, '400 invalid_frame'],
      [{}, '400 invalid_frame'],
      [{ name: fresh('r'), topic: 'x'.repeat(257) }, '400 invalid_frame'],
      [{ name: fresh('r'), topic: 'a\0' }, '400 invalid_frame'],
      [{ name: fresh('r'), private: 'yes' }, '400 invalid_frame'],
      [{ name: fresh('r'), owner: 'ana' }, '400 invalid_frame'],
      [{ name: taken.toUpperCase() }, '409 conflict'],
      [{ name: 'general' }, '409 conflict'],
      [{ name: fresh('r'), topic: '🎉'.repeat(256) }, '201'],
    ] as const) {
      const got = await owner.tries('POST', '/rooms', body);
      expect({ body, got }).toEqual({ body, got: outcome });
    }
  });

  test('a room created by a join has no owner, and admins manage it', async () => {
    const room = fresh('room');
    await server.join('ana', room);
    expect(await (await ben.call('GET', `/rooms/${room}`)).json()).toMatchObject({
      owner: null,
      private: false,
    });
    expect(await ben.tries('PATCH', `/rooms/${room}`, { topic: 'mine' })).toBe('403 forbidden');
    const topic = { topic: 'ours' };
    expect((await request('PATCH', `/rooms/${room}`, API_KEY, topic)).status).toBe(200);
    expect((await request('DELETE', `/rooms/${room}`, API_KEY)).status).toBe(204);
  });

  test('the general room stays, and stays public', async () => {
    expect((await request('DELETE', '/rooms/general', API_KEY)).status).toBe(409);
    const priv = { private: true };
    expect((await request('PATCH', '/rooms/general', API_KEY, priv)).status).toBe(409);
  });

  test('private rooms are listed for their members only', async () => {
    const room = await secretRoom(ben);
    const stranger = await someone('stranger');
    const lists = async (token: { call: typeof ben.call }) => {
      const names: string[] = [];
      for (let next: string | undefined = '/rooms?limit=50'; next; ) {
        const response: Response = await token.call('GET', next);
        names.push(...(await response.json()).map(({ name }: { name: string }) => name));
        next = /^<([^>]+)>/.exec(response.headers.get('link') ?? '')?.[1];
      }
      return names.includes(room);
    };
    expect(await lists(owner)).toBe(true);
    expect(await lists(ben)).toBe(true);
    expect(await lists(stranger)).toBe(false);
    expect(await lists({ call: (method, path) => request(method, path) })).toBe(false);
    expect(await lists({ call: (method, path) => request(method, path, API_KEY) })).toBe(true);
  });

  test('members are accounts, can be looked up, and may leave; the owner stays', async () => {
    const room = await secretRoom(ben);
    const guest = fresh('guest');
    await request('POST', '/users', undefined, { username: guest });
    const of = ({ username }: { username: string }) => `/rooms/${room}/members/${username}`;
    expect(await (await ben.call('GET', of(owner))).json()).toEqual({
      username: owner.username,
      role: 'owner',
    });
    expect(await (await owner.call('GET', of(ben))).json()).toEqual({
      username: ben.username,
      role: 'member',
    });
    expect(await owner.tries('PUT', of({ username: guest }))).toBe('409 conflict');
    expect(await owner.tries('PUT', of({ username: fresh('nobody') }))).toBe('404 not_found');
    expect(await owner.tries('DELETE', of(owner))).toBe('409 conflict');
    expect(await owner.tries('PUT', `/rooms/${room}/bans/${owner.username}`)).toBe('409 conflict');
    expect(await owner.tries('PUT', `/rooms/${room}/mutes/${owner.username}`)).toBe('409 conflict');
    expect(await ben.tries('DELETE', of({ username: ben.username.toUpperCase() }))).toBe('204');
    expect(await ben.tries('GET', of(owner))).toBe('404 not_found');
    expect(await owner.tries('GET', of(ben))).toBe('404 not_found');
  });

  test('a deleted room takes its messages along, and a new room of its name has another history', async () => {
    const room = await makeRoom();
    const ana = await owner.joins(room);
    for (let n = 0; n < 50; n++) ana.send({ type: 'message', room, content: 'gone', id: `${n}` });
    await ana.until((frame) => frame.type === 'ack' && frame.id === '49');
    const before = ana.received.find(({ type }) => type === 'joined');
    expect(await owner.tries('DELETE', `/rooms/${room}`)).toBe('204');
    const again = await owner.joins(room);
    const after = again.received[0];
    expect(after).toMatchObject({ type: 'joined', rev: 0, messages: [] });
    expect(after).not.toMatchObject({ epoch: before?.type === 'joined' ? before.epoch : '' });
    again.send({ type: 'message', room, content: 'anew', id: '1' });
    expect(await again.untilType('ack')).toMatchObject({ seq: 1 });
    // The messages are deleted behind it; they are gone from the database in the end.
    const { db } = await sharedDatabase();
    const gone = () => db.select().from(messages).where(eq(messages.content, 'gone'));
    await until('the messages are deleted', async () => (await gone()).length === 0);
  });
});

describe('rights on open connections', () => {
  /** Ben's connections to a room, of both protocols, and his stream. */
  async function benIn(room: string) {
    const clients = [await ben.joins(room, 0), await ben.joins(room)];
    const stream = eventsOf(await ben.listens(room));
    await stream.next();
    const other = fresh('elsewhere');
    const [basic] = clients;
    basic?.send({ type: 'join', username: ben.username, room: other });
    await basic?.settle();
    return {
      /** Each is told, is out of the room, and stays connected. */
      async isPutOut(code: string) {
        for (const client of clients) {
          expect(await client.untilType('error')).toMatchObject({ code });
          client.send({ type: 'message', room, content: 'still in?' });
          expect(await client.untilType('error')).toMatchObject({ code: 'not_joined' });
        }
        basic?.send({ type: 'message', room: other, content: 'here' });
        await basic?.untilType('message');
        for await (const _ of stream);
      },
    };
  }

  test('a ban removes its user at once, keeps the user out, and can be lifted', async () => {
    const room = await makeRoom();
    const witness = await server.join('witness', room);
    const stay = await benIn(room);
    const ban = `/rooms/${room}/bans/${ben.username}`;
    expect(await owner.tries('PUT', ban)).toBe('204');
    await stay.isPutOut('banned');
    await witness.until(
      (frame) => frame.type === 'system' && frame.content === `${ben.username} left the chat`,
    );
    const again = await ben.joins(room);
    expect(again.received[0]).toMatchObject({ type: 'error', code: 'banned' });
    again.send({ type: 'join', username: ben.username, protocol: 1, room: fresh('room') });
    await again.untilType('joined');
    const post = { username: ben.username, content: 'x', room };
    expect(await ben.tries('POST', '/messages', post)).toBe('403 banned');
    expect(await ben.tries('GET', `/messages?room=${room}`)).toBe('403 banned');
    expect((await request('POST', '/messages', API_KEY, post)).status).toBe(403);
    expect(await owner.tries('DELETE', ban)).toBe('204');
    expect(await ben.tries('POST', '/messages', post)).toBe('201');
    expect((await ben.joins(room)).received[0]).toMatchObject({ type: 'joined' });
  });

  test('a guest’s name can be banned too', async () => {
    const room = await makeRoom();
    const guest = fresh('guest');
    const client = await server.join(guest, room);
    expect(await owner.tries('PUT', `/rooms/${room}/bans/${guest}`)).toBe('204');
    expect(await client.untilType('error')).toMatchObject({ code: 'banned' });
    client.send({ type: 'join', username: guest, room });
    expect(await client.untilType('error')).toMatchObject({ code: 'banned' });
  });

  test('a mute stops posts but not reading, and can be lifted', async () => {
    const room = await makeRoom();
    const client = await ben.joins(room);
    const mute = `/rooms/${room}/mutes/${ben.username}`;
    expect(await owner.tries('PUT', mute)).toBe('204');
    client.send({ type: 'message', room, content: 'x', id: 'm' });
    expect(await client.untilType('error')).toMatchObject({ code: 'muted', id: 'm' });
    const late = await ben.joins(room);
    late.send({ type: 'message', room, content: 'x', id: 'm' });
    expect(await late.untilType('error')).toMatchObject({ code: 'muted', id: 'm' });
    const post = { username: ben.username, content: 'x', room };
    expect(await ben.tries('POST', '/messages', post)).toBe('403 muted');
    expect(await ben.tries('GET', `/messages?room=${room}`)).toBe('200');
    const message = { username: owner.username, content: 'listen', room };
    expect(await owner.tries('POST', '/messages', message)).toBe('201');
    expect(await client.untilType('message')).toMatchObject({ content: 'listen' });
    expect(await owner.tries('DELETE', mute)).toBe('204');
    client.send({ type: 'message', room, content: 'thanks', id: 'n' });
    expect(await client.untilType('ack')).toMatchObject({ id: 'n' });
  });

  test('a removed member is out of a private room at once', async () => {
    const room = await secretRoom(ben);
    const stay = await benIn(room);
    await owner.call('DELETE', `/rooms/${room}/members/${ben.username}`);
    await stay.isPutOut('not_found');
    expect((await ben.joins(room)).received[0]).toMatchObject({ code: 'not_found' });
    await owner.call('PUT', `/rooms/${room}/members/${ben.username}`);
    expect((await ben.joins(room)).received[0]).toMatchObject({ type: 'joined' });
  });

  test('a room that becomes private keeps its members and nobody else', async () => {
    const room = await makeRoom();
    const member = await someone('member');
    await owner.call('PUT', `/rooms/${room}/members/${member.username}`);
    const inside = [await member.joins(room), await owner.joins(room)];
    const guest = await server.join(fresh('guest'), room);
    const stay = await benIn(room);
    expect(await owner.tries('PATCH', `/rooms/${room}`, { private: true })).toBe('200');
    await stay.isPutOut('not_found');
    expect(await guest.untilType('error')).toMatchObject({ code: 'not_found' });
    for (const client of inside) {
      client.send({ type: 'message', room, content: 'among us', id: 'm' });
      await client.untilType('ack');
    }
    expect(await owner.tries('PATCH', `/rooms/${room}`, { private: false })).toBe('200');
    expect((await ben.joins(room)).received[0]).toMatchObject({ type: 'joined' });
  });

  test('a deleted room ends for everyone in it', async () => {
    const room = await makeRoom();
    const stay = await benIn(room);
    expect(await owner.tries('DELETE', `/rooms/${room}`)).toBe('204');
    await stay.isPutOut('not_found');
  });

  test('a join during the removal of a member does not succeed', async () => {
    for (let n = 0; n < 20; n++) {
      const room = await secretRoom(ben);
      const client = await ben.joins(fresh('room'));
      client.send({ type: 'join', username: ben.username, protocol: 1, room, id: 'j' });
      const [outcome] = await Promise.all([
        owner.tries('DELETE', `/rooms/${room}/members/${ben.username}`),
        client.until((frame) => 'id' in frame && frame.id === 'j'),
      ]);
      expect(outcome).toBe('204');
      client.send({ type: 'message', room, content: 'x', id: 'm' });
      const reply = await client.until((frame) => 'id' in frame && frame.id === 'm');
      expect(reply).toMatchObject({ code: 'not_joined' });
      await client.close();
    }
  });
});
