import { describe, expect, test } from 'bun:test';
import type { ServerFrame } from '../../src/protocol/frames.ts';
import { TIMING } from '../../src/ws/gateway.ts';
import { rawSocket } from '../support/raw-socket.ts';
import { fresh, startServer } from '../support/server.ts';

const atOnce = await startServer({ presenceGrace: 0 });
const withGrace = await startServer({ presenceGrace: 1 });
const quick = await startServer(
  { presenceGrace: 0 },
  { timing: { ...TIMING, pingEvery: 200, pongWithin: 150 } },
);
const patient = await startServer({ presenceGrace: 3600 });

const contents = (frames: ServerFrame[]) =>
  frames.flatMap((frame) => (frame.type === 'system' ? [frame.content] : []));

async function lastSeen(server: typeof atOnce, username: string): Promise<number> {
  const user = await (await server.fetch(`/users/${username}`)).json();
  return Date.parse(user.lastSeen);
}

describe('presence', () => {
  test('a second connection of a user is silent, and so is the end of all but the last', async () => {
    const room = fresh('room');
    const witness = await atOnce.join('witness', room);
    const first = await atOnce.join('ana', room);
    const second = await atOnce.join('ana', room);
    await first.close();
    second.send({ type: 'leave', room });
    await second.settle();
    await witness.until(
      (frame) => frame.type === 'system' && frame.content === 'ana left the chat',
    );
    expect(contents(witness.received)).toEqual([
      'Welcome witness!',
      'ana joined the chat',
      'ana left the chat',
    ]);
  });

  test('leaving is announced to the others, not to the user who leaves, and stores lastSeen', async () => {
    const room = fresh('room');
    const name = fresh('u');
    const witness = await patient.join('witness', room);
    const ana = await patient.join(name, room);
    const before = Date.now() - 1000;
    ana.send({ type: 'leave', username: name, room });
    expect(await ana.settle()).toEqual([]);
    await witness.until(
      (frame) => frame.type === 'system' && frame.content === `${name} left the chat`,
    );
    ana.send({ type: 'message', content: 'gone', room, id: 'x' });
    expect(await ana.expect('error')).toMatchObject({ code: 'not_joined' });
    let seen = Number.NaN;
    while (Number.isNaN(seen)) seen = await lastSeen(patient, name);
    expect(seen).toBeGreaterThan(before);
  });

  test('a leave without a room leaves all rooms', async () => {
    const rooms = [fresh('room'), fresh('room')];
    const witnesses = [];
    for (const room of rooms) witnesses.push(await patient.join('witness', room));
    const ana = await patient.connect();
    for (const room of rooms) ana.send({ type: 'join', username: 'ana', room });
    ana.send({ type: 'leave' });
    for (const witness of witnesses) {
      expect(await witness.expect('system')).toMatchObject({ content: 'ana joined the chat' });
      expect(await witness.expect('system')).toMatchObject({ content: 'ana left the chat' });
    }
    ana.send({ type: 'leave', id: 'again' });
    expect(await ana.untilType('error')).toMatchObject({ code: 'not_joined', id: 'again' });
  });

  test('a user whose connection was lost leaves when the grace period is over, with the time of the loss', async () => {
    const room = fresh('room');
    const name = fresh('u');
    const witness = await withGrace.join('witness', room);
    const ana = await withGrace.join(name, room);
    const cutAt = Date.now();
    await ana.close();
    const active = async () => (await withGrace.fetch(`/users/active?room=${room}`)).json();
    expect(await active()).toEqual([name, 'witness'].sort());
    expect(contents(await witness.settle())).toEqual([`${name} joined the chat`]);
    const left = await witness.expect('system');
    expect(left.content).toBe(`${name} left the chat`);
    expect(Date.parse(left.timestamp) - cutAt).toBeGreaterThan(900);
    expect(await active()).toEqual(['witness']);
    let seen = Number.NaN;
    while (Number.isNaN(seen)) seen = await lastSeen(withGrace, name);
    expect(seen - cutAt).toBeLessThan(900);
  });

  test('a user who reconnects within the grace period never left', async () => {
    const room = fresh('room');
    const witness = await withGrace.join('witness', room);
    await (await withGrace.join('ana', room)).close();
    const back = await withGrace.join('ana', room);
    // Another user's grace, begun later, has run out: so would have ana's.
    await (await withGrace.join('ben', room)).close();
    await witness.until(
      (frame) => frame.type === 'system' && frame.content === 'ben left the chat',
    );
    expect(contents(witness.received)).toEqual([
      'Welcome witness!',
      'ana joined the chat',
      'ben joined the chat',
      'ben left the chat',
    ]);
    back.send({ type: 'leave', room });
    expect(await witness.expect('system')).toMatchObject({ content: 'ana left the chat' });
  });

  test('a peer that answers no ping is dropped, in a busy room too, and a peer that answers is not', async () => {
    const room = fresh('room');
    const ana = await quick.join('ana', room);
    const dead = await rawSocket(quick.url);
    await dead.handshake;
    dead.send({ type: 'join', username: 'dead', room });
    await ana.until((frame) => frame.type === 'system' && frame.content === 'dead joined the chat');
    const talk = setInterval(() => ana.send({ type: 'message', content: 'talk' }), 20);
    await ana.until((frame) => frame.type === 'system' && frame.content === 'dead left the chat');
    clearInterval(talk);
    await dead.closeCode;
    expect(ana.socket.readyState).toBe(WebSocket.OPEN);
  });

  test('the active users are listed once, in order, by room and in all', async () => {
    const rooms = [fresh('room'), fresh('room')] as const;
    const [ana, ben, cy] = [fresh('a'), fresh('b'), fresh('c')].sort() as [string, string, string];
    const clients = [
      await patient.join(cy, rooms[0]),
      await patient.join(ana, rooms[0]),
      await patient.join(ana, rooms[1]),
      await patient.join(ben, rooms[1]),
    ];
    const active = async (query = '') => (await patient.fetch(`/users/active${query}`)).json();
    expect(await active(`?room=${rooms[0]}`)).toEqual([ana, cy]);
    expect(await active(`?room=${rooms[1]}`)).toEqual([ana, ben]);
    expect(await active(`?room=${fresh('empty')}`)).toEqual([]);
    const all: string[] = await active();
    expect(all).toEqual([...new Set(all)].sort());
    expect(all).toEqual(expect.arrayContaining([ana, ben, cy]));
    const page = await patient.fetch(`/users/active?room=${rooms[0]}&limit=1`);
    expect(await page.json()).toEqual([ana]);
    const next = page.headers.get('link')?.match(/<(.*)>; rel="next"/)?.[1] as string;
    expect(await (await patient.fetch(next)).json()).toEqual([cy]);
    expect(await (await patient.fetch(`/users/${ana}`)).json()).toMatchObject({ online: true });
    for (const client of clients) {
      client.send({ type: 'leave' });
      await client.settle();
    }
    expect(await (await patient.fetch(`/users/${ana}`)).json()).toMatchObject({ online: false });
    expect(await active()).not.toContain(ana);
  });

  test('above a hundred people, joins and leaves are gathered into one frame a second', async () => {
    const room = fresh('room');
    const witness = await atOnce.join('witness', room);
    const crowd = [];
    for (let n = 1; n <= 130; n++) crowd.push(await atOnce.join(`crowd${n}`, room));
    const joined = (frames: ServerFrame[]) =>
      contents(frames).reduce((sum, content) => {
        const gathered = /^(\d+) (?:people|person) joined the chat/.exec(content)?.[1];
        return sum + (gathered ? Number(gathered) : Number(/^crowd\d+ joined/.test(content)));
      }, 0);
    await witness.until(() => joined(witness.received) === 130);
    const named = contents(witness.received).filter((content) => content.startsWith('crowd'));
    expect(named).toHaveLength(99);
    // The gathered ones took a handful of frames, not 31.
    expect(contents(witness.received).length - named.length).toBeLessThan(10);

    const before = witness.received.length;
    for (const client of crowd) client.socket.close();
    const left = () =>
      contents(witness.received.slice(before)).reduce((sum, content) => {
        const gathered = /(\d+) (?:people|person) left the chat/.exec(content)?.[1];
        return sum + (gathered ? Number(gathered) : Number(/^crowd\d+ left/.test(content)));
      }, 0);
    await witness.until(() => left() === 130);
    expect(contents(witness.received.slice(before)).length).toBeLessThan(110);
  });
});
