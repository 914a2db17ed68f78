import { describe, expect, test } from 'bun:test';
import { join, range, roomWith, seqs } from '../support/protocol-1.ts';
import { fresh, startServer } from '../support/server.ts';

const server = await startServer();
const timestamp = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/);

describe('protocol 1', () => {
  test('a join gets a single `joined` reply, and the others get presence instead of system frames', async () => {
    const room = fresh('room');
    const ana = await server.connect();
    expect(await join(ana, room, { id: 'j1' })).toEqual({
      type: 'joined',
      id: 'j1',
      room,
      username: 'ana',
      rev: 0,
      epoch: uuid,
      messages: [],
      complete: true,
      reset: false,
      unread: 0,
      lastRead: 0,
      users: ['ana'],
      userCount: 1,
    });
    const ben = await server.connect();
    ben.send({ type: 'join', username: 'ben', protocol: 1, room });
    expect(await ben.expect('joined')).toMatchObject({ users: ['ana', 'ben'], userCount: 2 });
    const online = { type: 'presence', room, username: 'ben', status: 'online', timestamp };
    expect(await ana.next()).toEqual(online as never);
    ben.send({ type: 'leave', id: 'l1' });
    expect(await ben.next()).toEqual({ type: 'left', id: 'l1', room });
    expect(await ana.next()).toEqual({ ...online, status: 'offline' } as never);
  });

  test('a message carries its rev, its data and its client id, and both protocols share the room', async () => {
    const room = fresh('room');
    const ana = await server.connect();
    await join(ana, room);
    const basic = await server.join('basic', room);
    await ana.expect('presence');
    const data = { move: ['e2', 'e4'], nested: { n: 1.5, ok: true, nothing: null } };
    ana.send({ type: 'message', room, content: 'my move', id: 'm1', data });
    const message = {
      type: 'message',
      id: expect.any(Number),
      room,
      seq: 1,
      rev: 1,
      userId: expect.any(Number),
      username: 'ana',
      content: 'my move',
      createdAt: timestamp,
      data,
      clientId: 'm1',
    };
    expect(await ana.untilType('message')).toEqual(message as never);
    const { clientId, rev, userId, createdAt, ...shown } = message;
    expect(await basic.expect('message')).toEqual({ ...shown, timestamp } as never);
    const [stored] = await (await server.fetch(`/messages?room=${room}`)).json();
    expect(stored).toMatchObject({ data, clientId: 'm1', rev: 1 });
    const late = await server.connect();
    expect((await join(late, room)).messages).toEqual([message] as never);
  });

  test('data counts when a resent id is compared', async () => {
    const room = fresh('room');
    const ana = await server.connect();
    await join(ana, room);
    const message = { type: 'message', content: 'x', id: 'm1', data: { a: [1, 'é"\\'] } };
    ana.send(message);
    ana.send(message);
    const first = await ana.untilType('ack');
    expect(await ana.untilType('ack')).toEqual(first);
    ana.send(message);
    expect(await ana.untilType('ack')).toEqual(first);
    const [one, two] = [
      { b: 1, c: { d: [], e: 2 } },
      { c: { e: 2, d: [] }, b: 1 },
    ];
    ana.send({ ...message, id: 'order', data: one });
    const ordered = await ana.untilType('ack');
    ana.send({ ...message, id: 'order', data: two });
    expect(await ana.untilType('ack')).toEqual(ordered);
    ana.send({ ...message, data: { a: [2] } });
    expect(await ana.untilType('error')).toMatchObject({ code: 'conflict', id: 'm1' });
    ana.send({ ...message, data: undefined });
    expect(await ana.untilType('error')).toMatchObject({ code: 'conflict', id: 'm1' });
  });

  test('data that is too deep is refused and harms no other message', async () => {
    const room = fresh('room');
    const ana = await server.connect();
    await join(ana, room);
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    ana.send(`{"type":"message","content":"x","id":"deep","data":${deep}}`);
    ana.send({ type: 'message', content: 'fine', data: 'NUL \0 and half a pair \ud800', id: 'f' });
    expect(await ana.expect('error')).toMatchObject({ code: 'invalid_frame', id: 'deep' });
    expect(await ana.untilType('message')).toMatchObject({ data: 'NUL \0 and half a pair \ud800' });
  });

  test('history pages by seq, oldest first, and says whether there is more', async () => {
    const room = await roomWith(server, 120);
    const ana = await server.connect();
    await join(ana, room);
    const history = async (query: object) => {
      ana.send({ type: 'history', room, id: 'h', ...query });
      const reply = await ana.expect('history');
      expect(reply).toMatchObject({ id: 'h', room });
      return { seqs: seqs(reply), more: reply.more };
    };
    expect(await history({})).toEqual({ seqs: range(71, 120), more: true });
    expect(await history({ before: 71, limit: 100 })).toEqual({ seqs: range(1, 70), more: false });
    expect(await history({ before: 1 })).toEqual({ seqs: [], more: false });
    expect(await history({ after: 0, limit: 2 })).toEqual({ seqs: [1, 2], more: true });
    expect(await history({ after: 118 })).toEqual({ seqs: [119, 120], more: false });
    expect(await history({ after: 10, before: 13 })).toEqual({ seqs: [11, 12], more: false });
    ana.send({ type: 'history', room, limit: 101, id: 'h' });
    expect(await ana.expect('error')).toMatchObject({ code: 'invalid_frame', id: 'h' });
    ana.send({ type: 'history', room: 'elsewhere', id: 'h' });
    expect(await ana.expect('error')).toMatchObject({ code: 'not_joined', id: 'h' });
  });

  test('a page of history stays within 256 KiB, and nothing is lost by it', async () => {
    const room = await roomWith(server, 100, (n) => `${n}${'x'.repeat(3990)}`);
    const ana = await server.connect();
    await join(ana, room);
    const all: number[] = [];
    for (let before = 101, more = true; more; ) {
      ana.send({ type: 'history', room, before, limit: 100 });
      const page = await ana.expect('history');
      expect(Buffer.byteLength(JSON.stringify(page.messages))).toBeLessThanOrEqual(256 * 1024);
      all.unshift(...seqs(page));
      before = all[0] as number;
      more = page.more;
    }
    expect(all).toEqual(range(1, 100));
  });

  test('a ping is answered at once, with its `sentAt`', async () => {
    const ana = await server.connect();
    await join(ana, fresh('room'));
    ana.send({ type: 'ping', sentAt: 123.5, id: 'p' });
    expect(await ana.next()).toEqual({ type: 'pong', id: 'p', sentAt: 123.5, timestamp });
    ana.send({ type: 'ping' });
    expect(await ana.next()).toEqual({ type: 'pong', timestamp });
  });

  test('the first join fixes the protocol', async () => {
    const room = fresh('room');
    const ana = await server.connect();
    await join(ana, room);
    ana.send({ type: 'join', username: 'ana', protocol: 0, room, id: 'x' });
    expect(await ana.expect('error')).toMatchObject({ code: 'conflict', id: 'x' });
    const basic = await server.join('basic', room);
    basic.send({ type: 'join', username: 'basic', protocol: 1, room });
    expect(await basic.expect('error')).toMatchObject({ code: 'conflict' });
    for (const type of ['history', 'typing']) {
      basic.send({ type, id: type });
      expect(await basic.expect('error')).toMatchObject({ code: 'unknown_type', id: type });
    }
    basic.send({ type: 'message', content: 'x', replyTo: 1 });
    expect(await basic.expect('error')).toMatchObject({ code: 'invalid_frame' });
    const other = await server.connect();
    for (const since of [-1, 1.5, 'x', null]) {
      other.send({ type: 'join', username: 'ana', protocol: 1, room, since });
      expect(await other.expect('error')).toMatchObject({ code: 'invalid_frame' });
    }
    other.send({ type: 'join', username: 'ana', room, since: 1 });
    expect(await other.expect('error')).toMatchObject({ code: 'invalid_frame' });
    other.send({ type: 'join', username: 'ana', protocol: 2, room });
    expect(await other.expect('error')).toMatchObject({ code: 'invalid_frame' });
  });

  test('above a hundred people, presence is not pushed and `users` has a hundred names', async () => {
    const room = fresh('room');
    const ana = await server.connect();
    await join(ana, room);
    for (let n = 1; n <= 110; n++) await server.join(`p${n}`, room);
    const late = await server.connect();
    late.send({ type: 'join', username: 'late', protocol: 1, room });
    const { users, userCount } = await late.expect('joined');
    expect([users.length, userCount]).toEqual([100, 112]);
    expect((await ana.settle()).filter(({ type }) => type === 'presence')).toHaveLength(99);
  });
});
