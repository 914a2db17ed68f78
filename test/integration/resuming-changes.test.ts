import { describe, expect, test } from 'bun:test';
import { eventsOf, type StreamEvent } from '../support/event-stream.ts';
import { API_KEY } from '../support/people.ts';
import { join } from '../support/protocol-1.ts';
import { fresh, startServer } from '../support/server.ts';
import { say, threeClients, updates } from '../support/three-clients.ts';

const server = await startServer({ apiKey: API_KEY });

describe('resuming changes (delivery rule 3)', () => {
  test('brings each message once, in its latest state, in rev order', async () => {
    const { room, phone, other, everyone } = await threeClients(server);
    const ids: number[] = [];
    for (let n = 1; n <= 5; n++) ids.push(await say(phone, everyone, { content: `m${n}` }));
    phone.send({ type: 'edit', messageId: ids[1], content: 'edited' });
    other.send({ type: 'react', messageId: ids[3], emoji: '👍' });
    await updates(everyone);
    await updates(everyone);
    phone.send({ type: 'edit', messageId: ids[1], content: 'edited again' });
    phone.send({ type: 'delete', messageId: ids[4] });
    await phone.settle();
    await other.settle();
    const late = await server.connect();
    const { messages, rev } = await join(late, room, { username: fresh('late'), since: 3 });
    expect(rev).toBe(9);
    const what = messages.map((m) => [m.type, m.id, m.rev, m.content]);
    expect(what).toEqual([
      ['update', ids[3], expect.any(Number), 'm4'],
      ['update', ids[1], 8, 'edited again'],
      ['update', ids[4], 9, ''],
    ]);
    const all = await join(await server.connect(), room, { username: fresh('late'), since: 0 });
    expect(all.messages.map(({ id }) => id)).toEqual([
      ids[0],
      ids[2],
      ids[3],
      ids[1],
      ids[4],
    ] as never);
    const tail = await join(await server.connect(), room, { username: fresh('late'), since: 8 });
    expect(tail.messages.map(({ id }) => id)).toEqual([ids[4]] as never);
    // A server that has just loaded the room from the database shows the same.
    for (const client of everyone) await client.close();
    const again = await startServer();
    const cold = await join(await again.connect(), room, { username: fresh('late'), since: 3 });
    expect(cold.messages.map((m) => [m.type, m.id, m.rev, m.content])).toEqual(what);
    const newcomer = await join(await again.connect(), room, { username: fresh('late') });
    expect(newcomer.messages.map(({ content }) => content)).toEqual([
      'm1',
      'edited again',
      'm3',
      'm4',
    ]);
  });

  test('streams bring updates too, and resume over them', async () => {
    const { room, phone, everyone } = await threeClients(server);
    const ids: number[] = [];
    for (let n = 1; n <= 3; n++) ids.push(await say(phone, everyone, { content: `m${n}` }));
    const listen = async (headers: Record<string, string> = {}) => {
      const stream = eventsOf(await server.fetch(`/events?room=${room}`, { headers }));
      const next = async () => (await stream.next()).value as StreamEvent;
      return { next, shown: async () => JSON.parse((await next()).data ?? '') };
    };
    const live = await listen();
    const start = await live.next();
    phone.send({ type: 'edit', messageId: ids[0], content: 'edited' });
    expect(await live.shown()).toMatchObject({ type: 'update', rev: 4, content: 'edited' });
    phone.send({ type: 'delete', messageId: ids[1] });
    expect((await live.next()).id).toMatch(/^5@/);
    const resumed = await listen({ 'last-event-id': start.id ?? '' });
    await resumed.next();
    expect(await resumed.shown()).toMatchObject({ id: ids[0], rev: 4 });
    expect(await resumed.shown()).toMatchObject({ id: ids[1], rev: 5, content: '' });
  });
});
