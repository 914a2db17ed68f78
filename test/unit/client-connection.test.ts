import { expect, test } from 'bun:test';
import { closeCodes } from '../../src/errors.ts';
import { begin, contents, SECOND } from '../support/client-scene.ts';
import { settle } from '../support/clock.ts';

const HOUR = 3600 * SECOND;

test('after two hours asleep the client connects at once, once, and gets the changes of the meantime', async () => {
  const { server, clock, chat, room } = await begin();
  server.say('general', 'before');
  await settle();
  // The server has dropped the connection long ago; the machine has not noticed.
  const [old] = server.sockets;
  server.sockets.delete(old as never);
  for (let n = 0; n < 700; n++) server.say('general', `${n}`);
  await clock.suspend(2 * HOUR);
  await clock.advance(0);
  expect(chat.status.state).toBe('live');
  expect(contents(room)).toEqual(['before', ...Array.from({ length: 700 }, (_, n) => `${n}`)]);
  expect(server.sockets.size).toBe(1);
  expect(server.connects).toBe(2);
});

test('a client that is offline for a day tries less and less often, and sends its messages in order', async () => {
  const { server, clock, chat, room, statuses } = await begin();
  server.isAway = true;
  server.close(1006);
  for (let hour = 0; hour < 24; hour++) {
    void room.send(`${hour}`);
    await clock.advance(HOUR);
  }
  expect(chat.status).toMatchObject({ state: 'reconnecting', nextTry: expect.any(Number) });
  const tries = server.connects;
  // Every 30 s in the end.
  expect(tries).toBeLessThan(24 * 120 + 20);
  expect(tries).toBeGreaterThan(24 * 120 - 20);
  expect(clock.pending).toBeLessThan(5);
  expect(contents(room)).toEqual(Array.from({ length: 24 }, (_, n) => `${n}`));
  server.isAway = false;
  await clock.wake();
  await clock.advance(SECOND);
  expect(server.room('general').messages.map(({ content }) => content)).toEqual(contents(room));
  expect(room.messages.every(({ state }) => state === 'sent')).toBe(true);
  expect(statuses.map(({ state }) => state)).toContain('reconnecting');
});

test('fifty rooms are entered a few at a time, and are all live again after a cut', async () => {
  const { server, clock, chat } = await begin();
  const entering: (() => void)[] = [];
  let most = 0;
  server.intercept = (frame, socket) => {
    if (frame.type !== 'join' || frame.isLate) return false;
    entering.push(() => server.handle({ ...frame, isLate: true }, socket));
    most = Math.max(most, entering.length);
    return true;
  };
  const rooms = Array.from({ length: 50 }, (_, n) => chat.room(`room-${n}`));
  await settle();
  for (let enter = entering.shift(); enter; enter = entering.shift()) {
    enter();
    await settle();
  }
  expect(rooms.every(({ status }) => status.state === 'live')).toBe(true);
  expect(most).toBe(8);
  server.intercept = () => false;
  server.close(1006);
  for (const { name } of rooms) server.say(name, 'meanwhile');
  await clock.advance(5 * SECOND);
  expect(rooms.map(({ messages }) => messages.at(-1)?.content)).toEqual(
    rooms.map(() => 'meanwhile'),
  );
  expect(server.sockets.size).toBe(1);
});

test('an invalid frame is reported, and the client resumes', async () => {
  const { server, clock, chat, room, errors } = await begin();
  const [socket] = server.sockets;
  socket?.tell('this is no JSON');
  await settle();
  expect(errors.map(({ code }) => code)).toEqual(['protocol']);
  server.say('general', 'meanwhile');
  await clock.advance(5 * SECOND);
  expect(chat.status.state).toBe('live');
  expect(contents(room)).toEqual(['meanwhile']);
});

test('a connection to a silent server is given up, and a frame without an answer is sent again', async () => {
  const { server, clock, chat, room } = await begin();
  let isForgotten = true;
  server.intercept = ({ type }) => type === 'message' && isForgotten;
  const sent = room.send('hi');
  await clock.advance(60 * SECOND);
  isForgotten = false;
  await clock.advance(60 * SECOND);
  expect((await sent).seq).toBe(1);
  server.isSilent = true;
  await clock.advance(40 * SECOND);
  expect(chat.status.state).not.toBe('live');
  server.isSilent = false;
  await clock.advance(40 * SECOND);
  expect(chat.status.state).toBe('live');
});

/** The codes that the server has, and the one of the runtime; a client that flooded waits a minute. */
const afterClose = [
  ...Object.values(closeCodes).map(({ code, reconnect }) => [code, reconnect] as const),
  [1009, 'no'] as const,
];

test.each(afterClose)(
  'a client whose connection was closed with %i reconnects: %s',
  async (code, when) => {
    const { server, clock, chat } = await begin();
    await clock.advance(10 * SECOND);
    server.close(code, 'why');
    const { status } = chat;
    const wait = status.state === 'reconnecting' ? status.nextTry - clock.now() : undefined;
    if (when === 'no' || when === 'token') {
      expect(status).toEqual({ state: 'closed', reason: 'why' });
      await clock.advance(HOUR);
      expect(server.connects).toBe(1);
      return;
    }
    if (when === 'now') expect(wait).toBe(0);
    if (code === closeCodes.flooding.code) expect(wait).toBeGreaterThanOrEqual(60 * SECOND);
    else if (when === 'later') expect(wait).toBe(500);
    await clock.advance(70 * SECOND);
    expect(chat.status.state).toBe('live');
    expect(server.sockets.size).toBe(1);
  },
);

test('a draining server is left as soon as it announces its stop', async () => {
  const { server, clock, chat } = await begin();
  await clock.advance(10 * SECOND);
  for (const socket of server.sockets) socket.tell({ type: 'draining', reconnectIn: 300 });
  await clock.advance(299);
  expect(server.connects).toBe(1);
  await clock.advance(1);
  expect(server.connects).toBe(2);
  expect(server.sockets.size).toBe(1);
  expect(chat.status.state).toBe('live');
});

test('a token is fetched again before it expires, and after', async () => {
  let issued = 0;
  const { server, clock, chat } = await begin({ token: async () => `token ${++issued}` });
  const shown = () =>
    server.received.filter(({ token }) => token).map(({ type, token }) => [type, token]);
  expect(shown()).toEqual([['join', 'token 1']]);
  for (const socket of server.sockets) socket.tell({ type: 'expiring', seconds: 60 });
  await settle();
  expect(shown().at(-1)).toEqual(['auth', 'token 2']);
  await clock.advance(10 * SECOND);
  server.close(closeCodes.unauthorized.code, 'expired');
  await clock.advance(SECOND);
  expect(shown().at(-1)).toEqual(['join', 'token 3']);
  expect(chat.status.state).toBe('live');
  // A token that is refused again and again is the end.
  server.intercept = (_, socket) => {
    socket.end(closeCodes.unauthorized.code, 'bad');
    return true;
  };
  await clock.advance(10 * SECOND);
  server.close(closeCodes.unauthorized.code, 'bad');
  await clock.advance(HOUR);
  expect(chat.status).toEqual({ state: 'closed', reason: 'bad' });
  expect(issued).toBeLessThan(10);
});

test('a listener that throws harms no other, and is reported', async () => {
  const { server, room, errors } = await begin();
  const seen: string[] = [];
  room.on('message', () => {
    throw new Error('a fault of the application');
  });
  room.on('message', ({ content }) => seen.push(content));
  server.say('general', 'hi');
  await settle();
  expect(seen).toEqual(['hi']);
  expect(errors.map(({ code }) => code)).toEqual(['listener']);
});
