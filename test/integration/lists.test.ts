import { describe, expect, test } from 'bun:test';
import { API_KEY } from '../support/people.ts';
import { fresh, startServer } from '../support/server.ts';
import { mint, SECRET } from '../support/tokens.ts';

const server = await startServer({ apiKey: API_KEY, authSecret: SECRET });

/** Every page of a list, each reached by the `Link` of the one before. */
async function pages(path: string, token?: string): Promise<unknown[][]> {
  const found: unknown[][] = [];
  for (let next: string | undefined = path; next; ) {
    const reply: Response = await server.request('GET', next, token);
    expect(reply.status).toBe(200);
    found.push(await reply.json());
    next = /<(.+)>; rel="next"/.exec(reply.headers.get('link') ?? '')?.[1];
  }
  return found;
}

/** A room of an owner, with five accounts of which each is a member, banned and muted. */
async function crowdedRoom() {
  const [room, owner] = [fresh('room'), fresh('m-owner')];
  const token = await mint({ sub: owner });
  await server.request('POST', '/rooms', token, { name: room });
  const names = await Promise.all(
    ['e', 'b', 'd', 'a', 'c'].map(async (letter) => {
      const sub = fresh(`${letter.toUpperCase()}-user`);
      await server.request('GET', '/rooms', await mint({ sub }));
      for (const kind of ['members', 'bans', 'mutes']) {
        const made = await server.request('PUT', `/rooms/${room}/${kind}/${sub}`, token);
        expect(made.status).toBe(204);
      }
      return sub;
    }),
  );
  names.sort();
  return { room, owner, token, names };
}

describe('lists of a room', () => {
  test('members are listed by name, the owner among them, page by page', async () => {
    const { room, owner, token, names } = await crowdedRoom();
    const all = [
      ...names.map((username) => ({ username, role: 'member' })),
      { username: owner, role: 'owner' },
    ];
    expect(await pages(`/rooms/${room}/members`, token)).toEqual([all]);
    expect(await pages(`/rooms/${room}/members?limit=2`, token)).toEqual([
      all.slice(0, 2),
      all.slice(2, 4),
      all.slice(4),
    ]);
    await server.request('DELETE', `/rooms/${room}/members/${names[0]}`, token);
    expect(await pages(`/rooms/${room}/members`, token)).toEqual([all.slice(1)]);
  });

  test('bans and mutes are listed for the owner and admins', async () => {
    const { room, token, names } = await crowdedRoom();
    const all = names.map((username) => ({ username }));
    for (const kind of ['bans', 'mutes']) {
      expect(await pages(`/rooms/${room}/${kind}?limit=3`, token)).toEqual([
        all.slice(0, 3),
        all.slice(3),
      ]);
      await server.request('DELETE', `/rooms/${room}/${kind}/${names[4]}`, API_KEY);
      expect(await pages(`/rooms/${room}/${kind}`, API_KEY)).toEqual([all.slice(0, 4)]);
    }
  });

  test('a direct room lists its two users, to them alone', async () => {
    const [ana, ben] = [fresh('ana'), fresh('ben')];
    const [token, other] = [await mint({ sub: ana }), await mint({ sub: ben })];
    await server.request('GET', '/rooms', other);
    const posted = await server.request('POST', '/messages', token, { to: ben, content: 'psst' });
    const { room } = await posted.json();
    const all = [ana, ben].map((username) => ({ username, role: 'member' }));
    for (const each of [token, other]) {
      expect(await pages(`/rooms/${room}/members`, each)).toEqual([all]);
    }
    const stranger = await mint({ sub: fresh('c') });
    for (const each of [stranger, API_KEY]) {
      expect((await server.request('GET', `/rooms/${room}/members`, each)).status).toBe(404);
    }
  });
});

test('a message is found by its id, in its latest state', async () => {
  const room = fresh('room');
  const ana = await server.enter('ana', room);
  ana.send({ type: 'message', content: 'hi', id: 'm' });
  const { messageId } = await ana.untilType('ack');
  const get = async () => (await server.fetch(`/messages/${messageId}`)).json();
  expect(await get()).toMatchObject({ id: messageId, room, content: 'hi', rev: 1 });
  ana.send({ type: 'edit', messageId, content: 'hello', id: 'e' });
  await ana.untilType('ack');
  expect(await get()).toMatchObject({ content: 'hello', rev: 2, editedAt: expect.any(String) });
  ana.send({ type: 'delete', messageId, id: 'd' });
  await ana.untilType('ack');
  expect(await get()).toMatchObject({ content: '', rev: 3, deletedAt: expect.any(String) });
  expect((await server.fetch('/messages/9000000000000000')).status).toBe(404);
});

test('back ends and admins may broadcast to a public room that nobody has joined, and other users may not', async () => {
  const room = fresh('nobody-here');
  const send = async (
    token: string | undefined,
    where: string,
    body: object = { name: 'price', data: 1 },
  ) => (await server.request('POST', `/rooms/${where}/events`, token, body)).status;
  const admin = await mint({ sub: fresh('admin'), role: 'admin' });
  expect(await send(API_KEY, room)).toBe(204);
  expect(await send(admin, room)).toBe(204);
  expect(await send(await mint({ sub: fresh('user') }), room)).toBe(404);
  expect(await send(undefined, room)).toBe(401);
  // It creates nothing, and its faults are still reported.
  expect((await server.fetch(`/rooms/${room}`)).status).toBe(404);
  expect(await send(API_KEY, room, { name: '' })).toBe(400);
  expect(await send(API_KEY, 'no room')).toBe(400);
  for (const token of [API_KEY, admin]) expect(await send(token, 'dm:0123')).toBe(404);
});
