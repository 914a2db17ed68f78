import { expect, test } from 'bun:test';
import { fresh, startServer } from '../support/server.ts';

const server = await startServer();

async function metrics(): Promise<string> {
  return (await server.fetch('/metrics')).text();
}

const countOf = async (name: string) =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await metrics())?.[1]);

test('the times to the ack and to the delivery are measured for each message, and for no edit', async () => {
  const room = fresh('room');
  const ana = await server.enter(fresh('ana'), room);
  const counts = () =>
    Promise.all(['ack', 'delivery'].map((kind) => countOf(`ws_chat_${kind}_seconds_count`)));
  const before = await counts();
  for (const id of ['m1', 'm2', 'm3']) ana.send({ type: 'message', room, content: 'hi', id });
  await ana.until((frame) => frame.type === 'ack' && frame.id === 'm3');
  const [first] = await (await server.fetch(`/messages?room=${room}`)).json();
  ana.send({ type: 'edit', messageId: first.id, content: 'hello', id: 'e1' });
  await ana.until((frame) => frame.type === 'ack' && frame.id === 'e1');
  const after = await counts();
  expect(after.map((count, n) => count - (before[n] ?? 0))).toEqual([3, 3]);
});

test('docs/metrics.md has every metric of ours, and no other but that of Redis', async () => {
  const text = await Bun.file(new URL('../../docs/metrics.md', import.meta.url)).text();
  const listed = [...text.matchAll(/^\| `(ws_chat_\w+)`/gm)].map(([, name]) => name);
  const served = [...(await metrics()).matchAll(/^# TYPE (ws_chat_\w+)/gm)].map(([, name]) => name);
  expect(listed.filter((name) => name !== 'ws_chat_redis_up').sort()).toEqual(served.sort());
});
