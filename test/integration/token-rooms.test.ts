import { describe, expect, test } from 'bun:test';
import type { ServerFrame } from '../../src/protocol/frames.ts';
import { API_KEY } from '../support/people.ts';
import { fresh, startServer } from '../support/server.ts';
import { mint, SECRET } from '../support/tokens.ts';

/** All that a token with `rooms` can see or do is in these rooms. */
const server = await startServer({ authSecret: SECRET, apiKey: API_KEY });
const { request } = server;

const [name, other] = [fresh('ana'), fresh('ben')];
const [lobby, cellar] = [fresh('lobby'), fresh('cellar')];
const whole = await mint({ sub: name });
const limited = await mint({ sub: name, rooms: [lobby] });
const ben = await server.enter(other, lobby);
ben.send({ type: 'join', username: other, room: cellar });
await ben.untilType('joined');
const mine = await server.enter(name, lobby, whole);
mine.send({ type: 'join', username: name, room: cellar });
await mine.untilType('joined');

const json = async (path: string, token: string) =>
  (await request('GET', path, token)).json() as Promise<Record<string, unknown>[]>;
const personal = (frames: ServerFrame[]) =>
  frames.flatMap((frame) =>
    ['message', 'notification', 'read'].includes(frame.type) && 'room' in frame
      ? [`${frame.type} ${frame.room?.startsWith('dm:') ? 'dm' : frame.room}`]
      : frame.type === 'notification'
        ? ['notice']
        : [],
  );

describe('a token that is limited to rooms', () => {
  test('gets notices, but nothing of other rooms, and no direct messages', async () => {
    const narrow = await server.enter(name, lobby, limited);
    const dms = await mint({ sub: name, rooms: [lobby, 'dm:*'] });
    const wide = await server.enter(name, lobby, dms);
    const star = await server.enter(name, lobby, await mint({ sub: name, rooms: ['*'] }));
    await narrow.settle();
    for (const room of [cellar, lobby]) ben.send({ type: 'message', room, content: `@${name}` });
    ben.send({ type: 'message', to: name, content: 'psst' });
    await mine.until((frame) => frame.type === 'notification' && frame.kind === 'direct');
    await star.until((frame) => frame.type === 'notification' && frame.room === cellar);
    mine.send({ type: 'read', room: cellar, seq: 1 });
    await mine.untilType('read');
    const notice = { to: [name], data: { n: 1 } };
    expect((await request('POST', '/notifications', API_KEY, notice)).status).toBe(204);
    const seen = [];
    for (const client of [mine, narrow, wide, star]) {
      const isNotice = (frame: ServerFrame) =>
        frame.type === 'notification' && frame.kind === 'notice';
      await client.until(isNotice);
      const from = client === mine ? 'mine' : 'other';
      seen.push({ from, frames: new Set(personal(client.received)) });
    }
    const inLobby = [`message ${lobby}`, `notification ${lobby}`, 'notice'];
    const direct = ['message dm', 'notification dm'];
    const inCellar = [`notification ${cellar}`, `read ${cellar}`];
    expect(seen.map(({ frames }) => [...frames].sort())).toEqual(
      [
        [...inLobby, ...direct, ...inCellar, `message ${cellar}`],
        inLobby,
        [...inLobby, ...direct],
        [...inLobby, ...inCellar],
      ].map((frames) => frames.sort()),
    );
    const counts = [mine, narrow, wide].map((client) => {
      const last = client.received.findLast((frame) => frame.type === 'notification');
      return last?.type === 'notification' ? last.unread : 0;
    });
    // The one of the cellar was read.
    expect(counts).toEqual([3, 2, 3]);
    const greeted = await server.enter(name, lobby, limited);
    expect(await greeted.untilType('notification')).toMatchObject({ kind: 'notice', unread: 2 });
  });

  test('lists these rooms, the users in them, and the notifications of them', async () => {
    const names = (found: Record<string, unknown>[]) => found.map((room) => room.name);
    expect(names(await json('/rooms?limit=100', limited))).toEqual([lobby]);
    expect(names(await json('/me/rooms', limited))).toEqual([lobby]);
    expect(names(await json('/me/rooms', whole)).length).toBe(3);
    const kinds = (await json('/notifications', limited)).map(({ kind, room }) => room ?? kind);
    expect(kinds).toEqual(['notice', lobby]);
    const hidden = (await json('/notifications', whole)).find(({ kind }) => kind === 'direct');
    const path = `/notifications/${hidden?.id}/read`;
    expect((await request('PUT', path, limited)).status).toBe(404);
    const cleo = await server.enter(fresh('cleo'), cellar);
    const away = (cleo.received.find(({ type }) => type === 'joined') as { username: string })
      .username;
    expect(await json('/users/active', limited)).toEqual([name, other].sort() as never);
    const online = async (token: string) => (await request('GET', `/users/${away}`, token)).json();
    expect(await online(limited)).toMatchObject({ online: false });
    expect(await online(whole)).toMatchObject({ online: true });
  });

  test('opens and creates no direct room', async () => {
    for (const rooms of [[lobby], ['*'], ['d*']]) {
      const token = await mint({ sub: name, rooms });
      const client = await server.enter(name, lobby, await mint({ sub: name, rooms: [lobby] }));
      client.send({ type: 'message', to: other, content: 'psst', id: 'm' });
      expect(await client.untilType('error')).toMatchObject({ code: 'forbidden' });
      const before = (await json('/me/rooms', whole)).find(({ with: whom }) => whom === other);
      const asked = await request('GET', `/messages?room=${before?.name}`, token);
      expect(asked.status).toBe(403);
    }
    const own = await mint({ sub: fresh('dan'), rooms: [lobby] });
    const stranger = fresh('eve');
    await request('POST', '/users', undefined, { username: stranger });
    const dan = await server.connect(own);
    dan.send({ type: 'join', room: lobby, protocol: 1 });
    await dan.untilType('joined');
    dan.send({ type: 'message', to: stranger, content: 'psst', id: 'm' });
    expect(await dan.untilType('error')).toMatchObject({ code: 'forbidden' });
    const listed = await json(`/me/rooms?username=${stranger}`, API_KEY);
    expect(listed).toEqual([]);
  });

  test('changes no password, ends no session, sends no notices, bans no users and reads no metrics', async () => {
    const admin = await mint({ sub: fresh('admin'), role: 'admin', rooms: ['*', 'dm:*'] });
    const asks = [
      request('PUT', '/me/password', admin, { password: 'another password' }),
      request('DELETE', '/sessions', admin),
      request('POST', '/notifications', admin, { to: '*', data: 1 }),
      request('PUT', `/users/${other}/ban`, admin),
      request('DELETE', `/users/${other}/ban`, admin),
      request('GET', '/metrics', admin),
    ];
    const answers = (await Promise.all(asks)).map((response) => response.json());
    for (const { code } of await Promise.all(answers)) expect(code).toBe('forbidden');
  });

  test('is widened or narrowed by a fresh one', async () => {
    const client = await server.enter(name, lobby, limited);
    client.send({ type: 'auth', token: whole, id: 'a' });
    await client.untilType('ack');
    ben.send({ type: 'message', to: name, content: 'now' });
    await client.until((frame) => frame.type === 'message' && frame.content === 'now');
    client.send({ type: 'auth', token: limited, id: 'b' });
    await client.until((frame) => frame.type === 'ack' && frame.id === 'b');
    ben.send({ type: 'message', to: name, content: 'not now' });
    await mine.until((frame) => frame.type === 'message' && frame.content === 'not now');
    // Notices of other tests may come at any time.
    const frames = personal(await client.settle()).filter((what) => what !== 'notice');
    expect(frames).toEqual([]);
  });
});
