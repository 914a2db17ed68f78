import { describe, expect, test } from 'bun:test';
import { API_KEY } from '../support/people.ts';
import { join } from '../support/protocol-1.ts';
import { fresh, startServer } from '../support/server.ts';
import { mint, SECRET } from '../support/tokens.ts';

const server = await startServer({ apiKey: API_KEY, authSecret: SECRET });

/** Two people with two connections each, in rooms that have nothing to do with each other. */
async function scene() {
  const [ana, ben] = [fresh('ana'), fresh('ben')];
  const [phone, laptop] = [
    await server.enter(ana, fresh('room')),
    await server.enter(ana, fresh('room')),
  ];
  const others = [await server.enter(ben, fresh('room')), await server.enter(ben, fresh('room'))];
  return { ana, ben, phone, laptop, others, everyone: [phone, laptop, ...others] };
}

describe('a direct message', () => {
  test('comes to all connections of both people, whatever they joined, and to nobody else', async () => {
    const { ana, ben, phone, others, everyone } = await scene();
    const stranger = await server.enter(fresh('x'), 'general');
    phone.send({ type: 'message', to: ben.toUpperCase(), content: 'psst', id: 'd' });
    const shown = await Promise.all(everyone.map((client) => client.untilType('message')));
    const { room } = shown[0] as { room: string };
    expect(room).toMatch(/^dm:[0-9a-f-]{36}$/);
    for (const message of shown) {
      expect(message).toMatchObject({
        room,
        seq: 1,
        rev: 1,
        username: ana,
        to: ben,
        content: 'psst',
      });
    }
    expect(await phone.untilType('ack')).toMatchObject({ id: 'd', room, seq: 1 });
    others[0]?.send({ type: 'message', to: ana, content: 'yes?' });
    for (const client of everyone) {
      expect(await client.untilType('message')).toMatchObject({ room, seq: 2, to: ana });
    }
    others[1]?.send({ type: 'react', messageId: shown[0]?.id, emoji: '👀' });
    phone.send({ type: 'edit', messageId: shown[0]?.id, content: 'hello' });
    for (const client of everyone) {
      const revs = [await client.untilType('update'), await client.untilType('update')];
      expect(revs.map(({ rev }) => rev)).toEqual([3, 4]);
    }
    const seen = [...(await stranger.settle()), ...stranger.received];
    expect(JSON.stringify(seen)).not.toContain(room);
  });

  test('has history, resume and search like any room, joined or not', async () => {
    const { ana, ben, phone, laptop, others } = await scene();
    for (let n = 1; n <= 5; n++) phone.send({ type: 'message', to: ben, content: `secret ${n}` });
    const { room } = (await laptop.until(
      (frame) => frame.type === 'message' && frame.seq === 5,
    )) as {
      room: string;
    };
    const joined = await join(laptop, room, { username: ana, since: 2 });
    expect(joined.messages.map(({ seq }) => seq)).toEqual([3, 4, 5]);
    expect(joined.messages[0]).toMatchObject({ to: ben });
    await laptop.settle();
    others[0]?.send({ type: 'message', to: ana, content: 'got it' });
    // Each device sees a message once, whether it has joined the room or not.
    for (const client of [phone, laptop]) {
      await client.until((frame) => frame.type === 'message' && frame.seq === 6);
      const again = (await client.settle()).filter(({ type }) => type === 'message');
      expect(again).toEqual([]);
    }
    laptop.send({ type: 'history', room, limit: 2 });
    const history = await laptop.untilType('history');
    expect(history.messages.map(({ content }) => content)).toEqual(['secret 5', 'got it']);
    laptop.send({ type: 'typing', room });
    expect(await others[0]?.untilType('typing')).toMatchObject({ room, username: ana });
    expect((await phone.settle()).filter(({ type }) => type === 'typing')).toEqual([]);
    laptop.send({ type: 'message', room, content: 'by its room' });
    expect(await others[0]?.untilType('message')).toMatchObject({ room, to: ben, seq: 7 });
    const found = await server.fetch(
      `/messages/search?q=secret&room=${encodeURIComponent(room)}&username=${ben}`,
    );
    expect(await found.json()).toHaveLength(5);
    laptop.send({ type: 'leave', room });
    await laptop.untilType('left');
    phone.send({ type: 'message', to: ben, content: 'after leaving' });
    expect(await laptop.untilType('message')).toMatchObject({ seq: 8 });
  });

  test('is the same over REST', async () => {
    const { ana, ben, everyone } = await scene();
    const posted = await server.post('/messages', { username: ana, to: ben, content: 'by curl' });
    expect(posted.status).toBe(201);
    const message = await posted.json();
    expect(message).toMatchObject({ username: ana, to: ben, seq: 1 });
    for (const client of everyone) {
      expect(await client.untilType('message')).toMatchObject({ id: message.id, to: ben });
    }
    const page = await server.fetch(`/messages?room=${message.room}&username=${ben}`);
    expect(await page.json()).toEqual([message]);
  });

  test('is stored once, and keeps its order among those sent at once', async () => {
    const { ben, phone, others } = await scene();
    for (let n = 0; n < 50; n++) {
      phone.send({ type: 'message', to: ben, content: `${n}`, id: `${n % 25}` });
    }
    const acks: unknown[] = [];
    for (let n = 0; n < 50; n++) {
      const reply = await phone.until(({ type }) => type === 'ack' || type === 'error');
      acks.push('code' in reply ? reply.code : 'seq' in reply && reply.seq);
    }
    const inOrder = Array.from({ length: 25 }, (_, n) => n + 1);
    expect(acks.filter((each) => typeof each === 'number')).toEqual(inOrder);
    expect(acks.filter((each) => each === 'conflict')).toHaveLength(25);
    await others[0]?.until((frame) => frame.type === 'message' && frame.seq === 25);
    const shown = others[0]?.received.flatMap((frame) =>
      frame.type === 'message' ? [Number(frame.content)] : [],
    );
    expect(shown).toEqual(inOrder.map((n) => n - 1));
  });

  test('to oneself is stored, for the sender alone', async () => {
    const { ana, phone, laptop, others } = await scene();
    phone.send({ type: 'message', to: ana, content: 'milk, eggs' });
    for (const client of [phone, laptop]) {
      expect(await client.untilType('message')).toMatchObject({ to: ana, content: 'milk, eggs' });
    }
    expect((await laptop.settle()).filter(({ type }) => type === 'notification')).toEqual([]);
    expect((await others[0]?.settle())?.filter(({ type }) => type === 'message')).toEqual([]);
  });

  test('without a recipient, by protocol 0, or to a room as well, is refused', async () => {
    const { ben, phone } = await scene();
    const basic = await server.join(fresh('basic'), fresh('room'));
    for (const [client, frame, code] of [
      [phone, { to: fresh('nobody') }, 'not_found'],
      [phone, { to: 'not a name' }, 'invalid_frame'],
      [phone, { to: ben, room: 'general' }, 'invalid_frame'],
      [basic, { to: ben }, 'invalid_frame'],
    ] as const) {
      client.send({ type: 'message', content: 'x', id: 'n', ...frame });
      const error = await client.untilType('error');
      expect(error).toMatchObject({ code, id: 'n' });
      if ('to' in frame && frame.to === 'not a name')
        expect(error.content).toStartWith('"to" must');
    }
  });
});

describe('a direct room', () => {
  test('does not exist for anyone else, admins included', async () => {
    const { ana, ben, phone, laptop } = await scene();
    phone.send({ type: 'message', to: ben, content: 'psst' });
    const { room, id } = await laptop.untilType('message');
    const admin = fresh('admin');
    const token = await mint({ sub: admin, role: 'admin' });
    const stranger = await server.enter(admin, fresh('room'), token);
    for (const frame of [
      { type: 'join', username: admin, room },
      { type: 'read', room, seq: 1 },
      { type: 'edit', messageId: id, content: 'x' },
      { type: 'delete', messageId: id },
      { type: 'react', messageId: id, emoji: '👍' },
    ]) {
      stranger.send({ protocol: frame.type === 'join' ? 1 : undefined, ...frame, id: 'x' });
      expect(await stranger.untilType('error')).toMatchObject({ code: 'not_found', id: 'x' });
    }
    for (const [method, path, body] of [
      ['GET', `/messages?room=${room}`],
      ['GET', `/messages/search?q=psst&room=${room}`],
      ['GET', `/events?room=${room}`],
      ['GET', `/rooms/${room}`],
      ['PATCH', `/rooms/${room}`, { topic: 'x' }],
      ['DELETE', `/rooms/${room}`],
      ['PUT', `/rooms/${room}/members/${admin}`],
      ['PUT', `/rooms/${room}/bans/${ana}`],
      ['POST', `/rooms/${room}/events`, { name: 'x' }],
      ['PATCH', `/messages/${id}`, { content: 'x' }],
      ['DELETE', `/messages/${id}`],
      ['PUT', `/messages/${id}/reactions/${encodeURIComponent('👍')}`],
    ] as const) {
      for (const shown of [token, API_KEY]) {
        const response = await server.request(method, path, shown, body);
        expect([method, path, response.status]).toEqual([method, path, 404]);
      }
    }
    for (const shown of [token, API_KEY]) {
      const listed = await (await server.request('GET', '/rooms', shown)).text();
      expect(listed).not.toContain('dm:');
    }
    expect(await (await server.fetch(`/users/active?room=${room}`)).json()).toEqual([]);
    // A back end that speaks for one of the two is one of the two.
    const asBen = await server.request('GET', `/messages?room=${room}&username=${ben}`, API_KEY);
    expect(await asBen.json()).toHaveLength(1);
  });

  test('cannot be created, taken over or left by name', async () => {
    const { ana, ben, phone, laptop } = await scene();
    phone.send({ type: 'join', username: ana, room: 'dm:mine', protocol: 1, id: 'j' });
    expect(await phone.untilType('error')).toMatchObject({ code: 'not_found', id: 'j' });
    const made = await server.request('POST', '/rooms', API_KEY, { name: 'dm:mine' });
    expect(made.status).toBe(400);
    phone.send({ type: 'message', to: ben, content: 'psst' });
    const { room } = await laptop.untilType('message');
    const token = await mint({ sub: ben });
    for (const [method, path, status] of [
      ['DELETE', `/rooms/${room}`, 403],
      ['PATCH', `/rooms/${room}`, 403],
      ['PUT', `/rooms/${room}/members/${ana}`, 403],
      ['DELETE', `/rooms/${room}/members/${ben}`, 409],
      ['PUT', `/rooms/${room}/bans/${ana}`, 403],
    ] as const) {
      const body = method === 'PATCH' ? { topic: 'x' } : undefined;
      const response = await server.request(method, path, token, body);
      expect([method, path, response.status]).toEqual([method, path, status]);
    }
    const basic = await server.join(ana, fresh('room'));
    basic.send({ type: 'join', username: ana, room, id: 'j' });
    expect(await basic.untilType('error')).toMatchObject({ code: 'invalid_frame', id: 'j' });
  });

  test('is the same room whichever of the two writes first, or both at once', async () => {
    const [one, other] = [fresh('one'), fresh('other')];
    const clients = [
      await server.enter(one, fresh('room')),
      await server.enter(other, fresh('room')),
    ] as const;
    clients[0].send({ type: 'message', to: other, content: 'hi' });
    clients[1].send({ type: 'message', to: one, content: 'hi' });
    const rooms = new Set<string>();
    for (const client of clients) {
      for (let n = 0; n < 2; n++) rooms.add((await client.untilType('message')).room);
    }
    expect(rooms.size).toBe(1);
  });

  test('is open to a token only if its rooms allow it', async () => {
    const { ben } = await scene();
    const username = fresh('bound');
    const token = await mint({ sub: username, rooms: ['team-*'] });
    const room = `team-${username}`;
    const client = await server.enter(username, room, token);
    client.send({ type: 'message', to: ben, content: 'x', id: 'x' });
    expect(await client.untilType('error')).toMatchObject({ code: 'forbidden', id: 'x' });
    const wider = await mint({ sub: username, rooms: ['team-*', 'dm:*'] });
    client.send({ type: 'auth', token: wider });
    client.send({ type: 'message', to: ben, content: 'x', id: 'y' });
    expect(await client.untilType('ack')).toMatchObject({ id: 'y', seq: 1 });
  });
});
