import { describe, expect, test } from 'bun:test';
import { API_KEY } from '../support/people.ts';
import { fresh, startServer } from '../support/server.ts';
import { mint, SECRET } from '../support/tokens.ts';

const server = await startServer({ apiKey: API_KEY, authSecret: SECRET });
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

const waiting = async (username: string) =>
  (await server.fetch(`/notifications?username=${username}`)).json();

/** A name without characters at which a mention could end. */
const plain = (prefix: string) => fresh(prefix).replaceAll('-', '');

describe('a mention', () => {
  test('reaches every connection of its user, in any room, and is kept until read', async () => {
    const [ana, ben, room] = [plain('Ana'), plain('Ben'), fresh('room')];
    const speaker = await server.enter(ana, room);
    const [phone, laptop] = [
      await server.enter(ben, fresh('elsewhere')),
      await server.enter(ben, fresh('elsewhere')),
    ];
    const content = `hey @${ben.toUpperCase()}, and @${ana}: mail me@${ben}.example`;
    speaker.send({ type: 'message', content, id: 'm' });
    const shown = await speaker.untilType('message');
    expect(shown.mentions).toEqual([ben, ana]);
    for (const client of [phone, laptop]) {
      expect(await client.untilType('notification')).toEqual({
        type: 'notification',
        id: expect.any(Number),
        kind: 'mention',
        room,
        message: expect.objectContaining({ id: shown.id, content, mentions: [ben, ana] }),
        createdAt: time,
        unread: 1,
      });
    }
    expect((await speaker.settle()).filter(({ type }) => type === 'notification')).toEqual([]);
    speaker.send({ type: 'message', content: `@${ben} again` });
    expect(await phone.untilType('notification')).toMatchObject({ unread: 2 });
    const found = await waiting(ben);
    expect(found).toMatchObject([
      { kind: 'mention', room, message: { content: `@${ben} again`, room, seq: 2 } },
      { kind: 'mention', room, message: { seq: 1 } },
    ]);
    // The next connection is told how many there are.
    const tablet = await server.enter(ben, room);
    expect(await tablet.untilType('notification')).toMatchObject({ id: found[0].id, unread: 2 });
    const read = (id: number, username: string) =>
      server.request('PUT', `/notifications/${id}/read?username=${username}`);
    expect((await read(found[0].id, ana)).status).toBe(404);
    expect((await read(found[0].id, ben)).status).toBe(204);
    expect((await read(found[0].id, ben)).status).toBe(404);
    expect(await waiting(ben)).toHaveLength(1);
    tablet.send({ type: 'read', room, seq: 1, id: 'r' });
    await tablet.untilType('ack');
    expect(await waiting(ben)).toEqual([]);
  });

  test('ends where the name does, whatever follows it', async () => {
    const id = plain('x');
    const [john, smith, taro, dotted] = [
      `john${id}`,
      `john${id}.smith`,
      `太郎${id}太`,
      `a.b-${id}`,
    ];
    for (const username of [john, smith, taro, dotted]) await server.post('/users', { username });
    const room = fresh('room');
    const speaker = await server.enter(fresh('ana'), room);
    for (const [content, mentions] of [
      [`@${john}.`, [john]],
      [`@${smith}, hi`, [smith]],
      [`@${smith}.`, [smith]],
      [`(@${john}) @${john}`, [john]],
      [`@${taro}さん、こんにちは`, [taro]],
      [`@${dotted}!`, [dotted]],
      [`@${john}ny x@${john} @@${john}`, undefined],
      ['@nobody-at-all @ @-', undefined],
    ] as const) {
      speaker.send({ type: 'message', content });
      const shown = await speaker.untilType('message');
      expect([content, shown.mentions]).toEqual([content, mentions as never]);
    }
  });

  test('follows an edit, and is gone with the message', async () => {
    const [ana, ben, room] = [plain('ana'), plain('ben'), fresh('room')];
    const other = await server.enter(ben, fresh('room'));
    const speaker = await server.enter(ana, room);
    speaker.send({ type: 'message', content: `hi @${ben}`, id: 'm' });
    const { messageId } = await speaker.untilType('ack');
    await other.untilType('notification');
    speaker.send({ type: 'edit', messageId, content: `hi @${ana} then` });
    expect(await speaker.untilType('update')).toMatchObject({ mentions: [ana] });
    expect(await waiting(ben)).toMatchObject([{ message: { content: `hi @${ana} then` } }]);
    speaker.send({ type: 'delete', messageId });
    await speaker.untilType('update');
    expect(await waiting(ben)).toEqual([]);
  });

  test('in a private room is shown to members only, as long as they are members', async () => {
    const [owner, ana, ben, room] = [plain('o'), plain('ana'), plain('ben'), fresh('room')];
    const ownerToken = await mint({ sub: owner });
    const tokens = { ana: await mint({ sub: ana }), ben: await mint({ sub: ben }) };
    for (const token of Object.values(tokens)) await server.request('GET', '/rooms', token);
    await server.request('POST', '/rooms', ownerToken, { name: room, private: true });
    await server.request('PUT', `/rooms/${room}/members/${ana}`, ownerToken);
    const clients = [
      await server.enter(ana, fresh('room'), tokens.ana),
      await server.enter(ben, fresh('room'), tokens.ben),
    ] as const;
    await server.request('POST', '/notifications', API_KEY, { to: [ana], data: 'before' });
    await clients[0].untilType('notification');
    const posted = await server.request('POST', '/messages', ownerToken, {
      username: owner,
      room,
      content: `@${ana} @${ben} secret`,
    });
    expect(await posted.json()).toMatchObject({ mentions: [ana] });
    expect(await clients[0].untilType('notification')).toMatchObject({ room, unread: 2 });
    expect((await clients[1].settle()).filter(({ type }) => type === 'notification')).toEqual([]);
    const list = async (token: string) =>
      (await server.request('GET', '/notifications', token)).json();
    expect(await list(tokens.ana)).toHaveLength(2);
    expect(await list(tokens.ben)).toEqual([]);
    await server.request('DELETE', `/rooms/${room}/members/${ana}`, ownerToken);
    expect(await list(tokens.ana)).toMatchObject([{ data: 'before' }]);
    // It is not even counted, nor in the way of older ones.
    const again = await server.enter(ana, fresh('room'), tokens.ana);
    const waits = { kind: 'notice', data: 'before', unread: 1 };
    expect(await again.untilType('notification')).toMatchObject(waits);
    await server.request('POST', '/notifications', API_KEY, { to: [ana], data: 1 });
    expect(await again.untilType('notification')).toMatchObject({ kind: 'notice', unread: 2 });
  });
});

describe('a notification', () => {
  test('of a direct message arrives with it', async () => {
    const [ana, ben] = [fresh('ana'), fresh('ben')];
    const away = await server.enter(ben, fresh('room'));
    await away.close();
    const speaker = await server.enter(ana, fresh('room'));
    for (const content of ['one', 'two']) speaker.send({ type: 'message', to: ben, content });
    await speaker.until((frame) => frame.type === 'message' && frame.seq === 2);
    const back = await server.enter(ben, fresh('room'));
    const told = await back.untilType('notification');
    expect(told).toMatchObject({ kind: 'direct', unread: 2, message: { content: 'two', to: ben } });
    back.send({ type: 'read', room: told.room, seq: 2 });
    await back.untilType('read');
    expect(await waiting(ben)).toEqual([]);
  });

  test('of a back end goes to names, to a role, or to everyone', async () => {
    const [ana, ben, boss] = [fresh('ana'), fresh('ben'), fresh('boss')];
    const token = await mint({ sub: boss, role: 'admin' });
    const clients = {
      ana: await server.enter(ana, fresh('room')),
      ben: await server.enter(ben, fresh('room')),
      boss: await server.enter(boss, fresh('room'), token),
    };
    const send = (to: unknown, data: unknown = { n: 1 }) =>
      server.request('POST', '/notifications', API_KEY, { to, data });
    const told = async () => {
      const seen = new Map<string, unknown[]>();
      for (const [name, client] of Object.entries(clients)) {
        const frames = await client.settle();
        seen.set(
          name,
          frames.flatMap((f) => (f.type === 'notification' ? [f.data] : [])),
        );
      }
      return Object.fromEntries(seen);
    };
    expect((await send([ana, ben.toUpperCase()], { for: 'two' })).status).toBe(204);
    const notice = await clients.ana.untilType('notification');
    expect(notice).toEqual({
      type: 'notification',
      id: expect.any(Number),
      kind: 'notice',
      data: { for: 'two' },
      createdAt: time,
      unread: 1,
    });
    expect(await clients.ben.untilType('notification')).toMatchObject({ unread: 1 });
    expect(await told()).toEqual({ ana: [], ben: [], boss: [] });
    await send('admin', 'admins');
    expect(await clients.boss.untilType('notification')).toMatchObject({ data: 'admins' });
    expect(await told()).toEqual({ ana: [], ben: [], boss: [] });
    await send('*', null);
    for (const client of Object.values(clients)) {
      expect(await client.untilType('notification')).toMatchObject({ data: null });
    }
    expect(await waiting(ana)).toMatchObject([{ data: null }, { data: { for: 'two' } }]);
    for (const [to, status] of [
      [[ana, fresh('nobody')], 404],
      [['not a name'], 400],
      [[], 400],
      ['moderators', 400],
      [7, 400],
    ] as const) {
      expect((await send(to)).status).toBe(status);
    }
    expect(await waiting(ana)).toHaveLength(2);
    const byUser = await server.request('POST', '/notifications', await mint({ sub: fresh('u') }), {
      to: [ana],
      data: 1,
    });
    expect(byUser.status).toBe(403);
  });

  test('is paged, newest first', async () => {
    const ana = fresh('ana');
    await server.post('/users', { username: ana });
    for (let n = 1; n <= 5; n++) {
      await server.request('POST', '/notifications', API_KEY, { to: [ana], data: n });
    }
    const seen: unknown[] = [];
    for (let path = `/notifications?username=${ana}&limit=2`; path; ) {
      const page = await server.fetch(path);
      seen.push(...(await page.json()).map(({ data }: { data: unknown }) => data));
      path = /<([^>]+)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1] ?? '';
    }
    expect(seen).toEqual([5, 4, 3, 2, 1]);
  });

  test('is not sent to protocol 0', async () => {
    const [ana, ben, room] = [plain('ana'), plain('ben'), fresh('room')];
    const basic = await server.join(ben, room);
    const speaker = await server.enter(ana, room);
    speaker.send({ type: 'message', content: `@${ben}` });
    speaker.send({ type: 'message', to: ben, content: 'psst' });
    await speaker.settle();
    const types = new Set([...(await basic.settle()), ...basic.received].map(({ type }) => type));
    expect([...types].sort()).toEqual(['error', 'message', 'system']);
    expect(await waiting(ben)).toHaveLength(2);
  });
});
