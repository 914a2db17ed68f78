import { describe, expect, test } from 'bun:test';
import { eventsOf, type StreamEvent } from '../support/event-stream.ts';
import { fresh, startServer } from '../support/server.ts';

const server = await startServer();
const json = async (path: string) => (await server.fetch(path)).json();

describe('a message (docs/protocol.md)', () => {
  test('is one and the same object in live frames, joined, history, notifications, Server-Sent Events and REST', async () => {
    const [ana, ben, room] = [fresh('ana'), fresh('ben'), fresh('room')];
    const writer = await server.enter(ana, room);
    const reader = await server.enter(ben, room);
    const stream = eventsOf(await server.fetch(`/events?room=${room}`));
    await stream.next();
    writer.send({ type: 'message', content: 'first' });
    const { id: replyTo } = await writer.untilType('message');
    writer.send({ type: 'message', content: `hi @${ben}`, data: { n: 1 }, id: 'm', replyTo });
    const { type, ...message } = await reader.until(
      (frame) => frame.type === 'message' && frame.seq === 2,
    );
    expect(type).toBe('message');
    expect(message).toEqual({
      id: expect.any(Number),
      room,
      seq: 2,
      rev: 2,
      userId: expect.any(Number),
      username: ana,
      content: `hi @${ben}`,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      replyTo,
      data: { n: 1 },
      mentions: [ben],
      clientId: 'm',
    } as never);

    expect((await reader.untilType('notification')).message).toEqual(message as never);
    reader.send({ type: 'history', room });
    const shown = { type, ...message };
    expect((await reader.untilType('history')).messages[1]).toEqual(shown as never);
    const late = await server.connect();
    late.send({ type: 'join', username: ben, room, protocol: 1 });
    expect((await late.untilType('joined')).messages[1]).toEqual(shown as never);
    await stream.next();
    const event: StreamEvent = (await stream.next()).value;
    expect(JSON.parse(event.data ?? '')).toEqual(shown);
    await stream.return(undefined);
    expect((await json(`/messages?room=${room}`))[1]).toEqual(message);
    expect((await json(`/notifications?username=${ben}`))[0].message).toEqual(message);
    const [own] = await json(`/me/rooms?username=${ana}`);
    expect(own.lastMessage).toEqual(message);
  });

  test('names its recipient in `to`; a direct room names the other person in `with`', async () => {
    const [ana, ben] = [fresh('ana'), fresh('ben')];
    const [a, b] = [await server.enter(ana, fresh('room')), await server.enter(ben, fresh('room'))];
    a.send({ type: 'message', to: ben, content: 'psst' });
    for (const client of [a, b]) {
      expect(await client.untilType('message')).toMatchObject({ username: ana, to: ben });
    }
    for (const [one, other] of [
      [ana, ben],
      [ben, ana],
    ] as const) {
      const rooms = await json(`/me/rooms?username=${one}`);
      const [direct] = rooms.filter(({ name }: { name: string }) => name.startsWith('dm:'));
      expect(direct).toMatchObject({ with: other, lastMessage: { to: ben } });
      expect(direct).not.toHaveProperty('to');
    }
  });

  test('has empty content when only data was sent, through every door', async () => {
    const room = fresh('room');
    const ana = await server.enter('ana', room);
    const basic = await server.join('basic', room);
    ana.send({ type: 'message', data: { move: 'e4' } });
    expect(await ana.untilType('message')).toMatchObject({ content: '', data: { move: 'e4' } });
    expect(await basic.untilType('message')).toMatchObject({ content: '', data: { move: 'e4' } });
    basic.send({ type: 'message', data: [1], content: '' });
    expect(await ana.untilType('message')).toMatchObject({ content: '', data: [1] });
    const posted = await server.post('/messages', { username: 'ana', room, data: 7 });
    expect(posted.status).toBe(201);
    expect(await posted.json()).toMatchObject({ content: '', data: 7 });
    for (const nothing of [{}, { data: null }, { data: 1, content: ' ' }]) {
      ana.send({ type: 'message', ...nothing });
      expect(await ana.untilType('error')).toMatchObject({
        code: 'invalid_frame',
        content: expect.stringContaining('"content"'),
      });
      const refused = await server.post('/messages', { username: 'ana', room, ...nothing });
      expect(refused.status).toBe(400);
    }
  });
});
