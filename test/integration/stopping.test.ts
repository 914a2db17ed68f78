import { describe, expect, test } from 'bun:test';
import { fresh, startServer } from '../support/server.ts';

describe('a server that stops', () => {
  test('disconnects the clients of protocol 1 one after the other, each served until its turn', async () => {
    const server = await startServer();
    const room = fresh('room');
    const clients = await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const client = await server.connect();
        client.send({ type: 'join', username: `user${n}`, protocol: 1, room });
        await client.untilType('joined');
        return client;
      }),
    );
    const basic = await server.join('basic', room);
    const start = Date.now();
    const stopped = server.stop();
    const delays = await Promise.all(
      clients.map(async (client) => {
        const { reconnectIn } = await client.untilType('draining');
        return { client, reconnectIn };
      }),
    );
    const last = delays.toSorted((a, b) => a.reconnectIn - b.reconnectIn).at(-1);
    last?.client.send({ type: 'message', content: 'still here', id: 'late' });
    expect(await last?.client.untilType('ack')).toMatchObject({ id: 'late' });

    expect(new Set(delays.map(({ reconnectIn }) => reconnectIn)).size).toBe(40);
    for (const { client, reconnectIn } of delays) {
      expect(reconnectIn).toBeGreaterThan(0);
      expect(await client.closed).toMatchObject({ code: 1012 });
    }
    expect(await basic.closed).toMatchObject({ code: 1012 });
    expect(basic.received.filter(({ type }) => type === 'draining')).toEqual([]);
    await stopped;
    expect(Date.now() - start).toBeLessThan(5000);
  });

  test('is not ready from then on, and refuses new connections once it has ended', async () => {
    const server = await startServer();
    await server.stop();
    await expect(server.connect()).rejects.toThrow();
  });
});
