import { expect, test } from 'bun:test';
import type { ChangeFrame, ServerFrame } from '../../src/protocol/frames.ts';
import type { Client } from '../support/client.ts';
import { fresh, startServer } from '../support/server.ts';

const server = await startServer();

async function enter(username: string, room: string, more: object): Promise<Client> {
  const client = await server.connect();
  client.send({ type: 'join', username, room, protocol: 1, ...more });
  await client.untilType('joined');
  return client;
}

const isChange = ({ type }: ServerFrame) => ['message', 'update', 'changes'].includes(type);
const unpacked = (frames: ServerFrame[]) =>
  frames
    .filter(isChange)
    .flatMap((frame) => (frame.type === 'changes' ? frame.changes : [frame as ChangeFrame]));

/** Reads to the change with this `rev`. @returns the frames, packed as they came */
async function read(client: Client, rev: number): Promise<ServerFrame[]> {
  const frames: ServerFrame[] = [];
  while (unpacked(frames).at(-1)?.rev !== rev) frames.push(await client.next());
  return frames;
}

test('a join with `batch` gets changes together that were committed together, in the same order and nothing else', async () => {
  const room = fresh('room');
  const writer = await enter('writer', room, {});
  const [batched, single] = [
    await enter('b', room, { batch: true }),
    await enter('s', room, { batch: false }),
  ];
  const COUNT = 400;
  const content = 'x'.repeat(2000);
  for (let n = 0; n < COUNT; n++) writer.send({ type: 'message', room, content });
  const [packed, bare] = [await read(batched, COUNT), await read(single, COUNT)];
  expect(unpacked(packed)).toEqual(unpacked(bare));
  expect(bare.some(({ type }) => type === 'changes')).toBe(false);
  const frames = packed.flatMap((frame) => (frame.type === 'changes' ? [frame] : []));
  expect(frames.length).toBeGreaterThan(0);
  for (const frame of frames) {
    expect(frame.room).toBe(room);
    expect(frame.changes.length).toBeGreaterThan(1);
    expect(JSON.stringify(frame).length).toBeLessThanOrEqual(256 * 1024);
    const revs = frame.changes.map(({ rev }) => rev);
    expect(revs).toEqual(revs.map((_, n) => (revs[0] ?? 0) + n));
  }
});

test('a single change and frames that are not stored come unbatched', async () => {
  const room = fresh('room');
  const [ana, ben] = [await enter('ana', room, {}), await enter('ben', room, { batch: true })];
  ana.send({ type: 'message', room, content: 'one', id: 'm' });
  const { messageId } = await ana.untilType('ack');
  expect(await ben.untilType('message')).toMatchObject({ content: 'one' });
  ana.send({ type: 'edit', messageId, content: 'two' });
  expect(await ben.untilType('update')).toMatchObject({ content: 'two' });
  ana.send({ type: 'event', room, name: 'e' });
  expect(await ben.untilType('event')).toMatchObject({ name: 'e' });
  ana.send({ type: 'typing', room });
  expect(await ben.untilType('typing')).toMatchObject({ username: 'ana' });
  // One's own typing is not shown to oneself, and what follows it is.
  ben.send({ type: 'typing', room });
  await enter('cleo', room, {});
  expect(await ben.untilType('presence')).toMatchObject({ username: 'cleo' });
  expect(ben.received.filter(({ type }) => type === 'typing')).toHaveLength(1);
});

test('each join of the room sets or clears its batching, and so does leaving', async () => {
  const room = fresh('room');
  const ana = await enter('ana', room, {});
  const ben = await enter('ben', room, { batch: true });
  for (const batch of [undefined, true, false]) {
    ben.send({ type: 'join', username: 'ben', room, batch });
    await ben.untilType('joined');
    const from = ben.received.length;
    for (let n = 0; n < 200; n++) ana.send({ type: 'message', room, content: `${n}` });
    ana.send({ type: 'history', room, limit: 1 });
    const { messages } = await ana.untilType('history');
    await read(ben, messages[0]?.rev ?? 0);
    const came = ben.received.slice(from);
    const changes = unpacked(came);
    expect(changes).toHaveLength(200);
    expect(new Set(changes.map(({ rev }) => rev)).size).toBe(200);
    if (!batch) expect(came.some(({ type }) => type === 'changes')).toBe(false);
  }
  ben.send({ type: 'leave', room });
  await ben.untilType('left');
  ana.send({ type: 'message', room, content: 'gone?' });
  await ana.until((frame) => frame.type === 'message' && frame.content === 'gone?');
  expect((await ben.settle()).filter(isChange)).toEqual([]);
});
