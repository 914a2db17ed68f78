import { describe, expect, test } from 'bun:test';
import { API_KEY } from '../support/people.ts';
import { join } from '../support/protocol-1.ts';
import { fresh, startServer } from '../support/server.ts';
import { mint, SECRET } from '../support/tokens.ts';

const server = await startServer({ apiKey: API_KEY, authSecret: SECRET });

const ownRooms = async (username: string) =>
  (await server.fetch(`/me/rooms?username=${username}`)).json();

describe('the unread count', () => {
  test('is 0 on a first join, then that of the others’ messages until they are read', async () => {
    const [ana, ben, room] = [fresh('ana'), fresh('ben'), fresh('room')];
    const speaker = await server.enter(ana, room);
    for (let n = 1; n <= 3; n++) speaker.send({ type: 'message', content: `${n}` });
    await speaker.until((frame) => frame.type === 'message' && frame.seq === 3);
    const first = await server.connect();
    const position = async () => {
      const { unread, lastRead } = await join(first, room, { username: ben, since: '$' });
      return { unread, lastRead };
    };
    expect(await position()).toEqual({ unread: 0, lastRead: 3 });
    speaker.send({ type: 'message', content: '4' });
    speaker.send({ type: 'message', content: '5', id: '5' });
    const { messageId } = await speaker.untilType('ack');
    expect(await position()).toEqual({ unread: 2, lastRead: 3 });
    speaker.send({ type: 'delete', messageId });
    await first.untilType('update');
    expect(await position()).toEqual({ unread: 1, lastRead: 3 });
    // An edit is no new message.
    speaker.send({ type: 'message', content: '6', id: '6' });
    await speaker.settle();
    first.send({ type: 'read', room, seq: 4, id: 'r' });
    expect(await first.untilType('ack')).toEqual({ type: 'ack', id: 'r' });
    expect(await position()).toEqual({ unread: 1, lastRead: 4 });
    first.send({ type: 'message', content: 'and mine' });
    await speaker.until((frame) => frame.type === 'message' && frame.username === ben);
    expect(await position()).toMatchObject({ unread: 0 });
    expect(await position()).not.toMatchObject({ lastRead: 4 });
  });

  test('stops at a hundred', async () => {
    const [ana, ben, room] = [fresh('ana'), fresh('ben'), fresh('room')];
    const away = await server.enter(ben, room);
    await away.close();
    const speaker = await server.enter(ana, room);
    for (let n = 1; n <= 130; n++) speaker.send({ type: 'message', content: `${n}` });
    await speaker.until((frame) => frame.type === 'message' && frame.seq === 130);
    expect(await join(await server.connect(), room, { username: ben })).toMatchObject({
      unread: 100,
      lastRead: 0,
    });
    expect(await ownRooms(ana)).toMatchObject([{ name: room, unread: 0, lastRead: 130 }]);
    const posted = await server.post('/messages', { username: ben, room, content: 'by REST' });
    const { seq } = await posted.json();
    expect(await ownRooms(ben)).toMatchObject([{ unread: 0, lastRead: seq }]);
  });

  test('a read on one connection reaches the user’s other connections, and nobody else', async () => {
    const [ana, ben, room] = [fresh('ana'), fresh('ben'), fresh('room')];
    const phone = await server.enter(ana, room);
    const laptop = await server.enter(ana, fresh('elsewhere'));
    const other = await server.enter(ben, room);
    for (let n = 1; n <= 3; n++) other.send({ type: 'message', content: `${n}` });
    await phone.until((frame) => frame.type === 'message' && frame.seq === 3);
    phone.send({ type: 'read', room, seq: 2 });
    const read = { type: 'read', room, username: ana, seq: 2 };
    for (const client of [phone, laptop]) {
      expect(await client.untilType('read')).toEqual(read as never);
    }
    // Not back, not beyond the newest, and not twice.
    for (const seq of [1, 2, 99, 3, 50]) laptop.send({ type: 'read', room, seq });
    expect(await phone.untilType('read')).toEqual({ ...read, seq: 3 } as never);
    await laptop.settle();
    expect((await phone.settle()).filter(({ type }) => type === 'read')).toEqual([]);
    expect((await other.settle()).filter(({ type }) => type === 'read')).toEqual([]);
    phone.send({ type: 'read', room: fresh('nowhere'), seq: 1, id: 'n' });
    expect(await phone.untilType('error')).toMatchObject({ code: 'not_found', id: 'n' });
  });

  test('in a direct room the other person gets it too', async () => {
    const [ana, ben] = [fresh('ana'), fresh('ben')];
    const phone = await server.enter(ana, fresh('room'));
    const other = await server.enter(ben, fresh('room'));
    phone.send({ type: 'message', to: ben, content: 'read me' });
    const { room } = await other.untilType('message');
    other.send({ type: 'read', room, seq: 1 });
    expect(await phone.untilType('read')).toEqual({ type: 'read', room, username: ben, seq: 1 });
    expect(await ownRooms(ben)).toMatchObject([{ name: room, with: ana, unread: 0 }, {}]);
  });
});

describe('a user’s own rooms', () => {
  test('are listed with unread counts and last messages, direct ones too', async () => {
    const [ana, ben] = [fresh('ana'), fresh('ben')];
    const [one, two] = [`a-${fresh('room')}`, `z-${fresh('room')}`];
    const mine = await server.enter(ana, one);
    mine.send({ type: 'join', username: ana, room: two, protocol: 1 });
    await mine.untilType('joined');
    const other = await server.enter(ben, one);
    other.send({ type: 'message', content: 'first' });
    other.send({ type: 'message', content: 'second', id: 's' });
    const { messageId } = await other.untilType('ack');
    other.send({ type: 'delete', messageId });
    other.send({ type: 'message', to: ana, content: 'psst' });
    await mine.until((frame) => frame.type === 'message' && 'to' in frame);
    const found = await ownRooms(ana);
    expect(found).toMatchObject([
      {
        name: one,
        private: false,
        rev: 3,
        unread: 1,
        lastRead: 0,
        lastMessage: { content: 'first' },
      },
      { private: true, with: ben, rev: 1, unread: 1, lastMessage: { content: 'psst', to: ana } },
      { name: two, rev: 0, unread: 0, lastRead: 0, lastMessage: null },
    ]);
    expect(found[0].lastMessage).toMatchObject({ room: one, seq: 1 });
    const page = await server.fetch(`/me/rooms?username=${ana}&limit=2`);
    expect(await page.json()).toHaveLength(2);
    const next = /<([^>]+)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1] as string;
    const rest = await server.fetch(next);
    expect(await rest.json()).toMatchObject([{ name: two }]);
    expect(rest.headers.get('link')).toBeNull();
  });

  test('include rooms that the user was added to, and not those that it was removed from', async () => {
    const [owner, ana, room] = [fresh('owner'), fresh('ana'), fresh('room')];
    const [ownerToken, token] = [await mint({ sub: owner }), await mint({ sub: ana })];
    const own = async () => (await server.request('GET', '/me/rooms', token)).json();
    expect(await own()).toEqual([]);
    await server.request('POST', '/rooms', ownerToken, { name: room, private: true, topic: 'us' });
    await server.request('POST', '/messages', ownerToken, {
      username: owner,
      room,
      content: 'old',
    });
    await server.request('PUT', `/rooms/${room}/members/${ana}`, ownerToken);
    expect(await own()).toMatchObject([{ name: room, topic: 'us', private: true, unread: 0 }]);
    await server.request('POST', '/messages', ownerToken, {
      username: owner,
      room,
      content: 'new',
    });
    expect(await own()).toMatchObject([{ unread: 1, lastMessage: { content: 'new' } }]);
    await server.request('DELETE', `/rooms/${room}/members/${ana}`, ownerToken);
    expect(await own()).toEqual([]);
    const rooms = await (await server.request('GET', '/me/rooms', ownerToken)).json();
    expect(rooms).toMatchObject([{ name: room, lastRead: 2 }]);
  });

  test('need a user', async () => {
    expect((await server.fetch('/me/rooms')).status).toBe(401);
    expect((await server.request('GET', '/me/rooms', API_KEY)).status).toBe(400);
    const account = fresh('account');
    await server.register(account);
    expect((await server.fetch(`/me/rooms?username=${account}`)).status).toBe(401);
    const asked = await server.request('GET', `/me/rooms?username=${account}`, API_KEY);
    expect(await asked.json()).toEqual([]);
    expect((await server.fetch(`/me/rooms?username=${fresh('nobody')}`)).status).toBe(404);
  });
});
