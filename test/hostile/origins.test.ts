import { describe, expect, test } from 'bun:test';
import { exchange, statusOf, UPGRADE } from '../support/exchange.ts';
import { fresh, startServer } from '../support/server.ts';

const theirs = 'https://evil.example';
const ours = 'https://app.example.com';

describe('pages of other origins', () => {
  test('change nothing, whatever the type of their bodies', async () => {
    const server = await startServer({ allowedOrigins: [ours] });
    const room = fresh('room');
    const writer = await server.join('writer', room);
    const send = (origin: string, type: string) =>
      server.fetch('/messages', {
        method: 'POST',
        headers: { origin, 'content-type': type },
        body: JSON.stringify({ username: 'writer', room, content: 'hi' }),
      });
    for (const origin of [theirs, 'null', 'http://app.example.com', `${server.url}0`]) {
      expect({ origin, status: (await send(origin, 'application/json')).status }).toEqual({
        origin,
        status: 403,
      });
      expect((await send(origin, 'text/plain')).status).toBe(403);
    }
    for (const [method, path] of [
      ['POST', '/users'],
      ['POST', '/sessions'],
      ['PUT', '/me/password'],
      ['PATCH', '/messages/1'],
      ['DELETE', '/messages/1'],
    ] as const) {
      const init = { method, headers: { origin: theirs, 'content-type': 'application/json' } };
      const reply = await server.fetch(path, {
        ...init,
        ...(method !== 'DELETE' && { body: '{}' }),
      });
      expect({ path, status: reply.status }).toEqual({ path, status: 403 });
    }
    expect(await (await server.fetch(`/messages?room=${room}`)).json()).toEqual([]);
    for (const origin of [ours, server.url]) {
      expect((await send(origin, 'application/json')).status).toBe(201);
    }
    await writer.close();
  });

  test('are not our own by a name that resolves to us, nor by another scheme', async () => {
    const server = await startServer({ allowedOrigins: [ours] });
    const { port } = new URL(server.url);
    const handshake = async (host: string, origin: string) =>
      statusOf(
        await exchange(
          server.url,
          'GET /ws HTTP/1.1',
          `Host: ${host}`,
          `Origin: ${origin}`,
          ...UPGRADE,
        ),
      );
    expect(await handshake(`127.0.0.1:${port}`, `http://127.0.0.1:${port}`)).toBe(101);
    expect(await handshake(`localhost:${port}`, `http://localhost:${port}`)).toBe(101);
    expect(await handshake(`[::1]:${port}`, `http://[::1]:${port}`)).toBe(101);
    expect(await handshake(`127.0.0.1:${port}`, `https://127.0.0.1:${port}`)).toBe(403);
    expect(await handshake(`evil.example:${port}`, `http://evil.example:${port}`)).toBe(403);
    expect(await handshake('app.example.com', ours)).toBe(101);
  });
});
