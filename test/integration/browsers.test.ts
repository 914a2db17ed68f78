import { describe, expect, test } from 'bun:test';
import { rawSocket } from '../support/raw-socket.ts';
import { fresh, startServer } from '../support/server.ts';

const ours = 'https://app.example.com';
const theirs = 'https://evil.example';
const open = await startServer();
const closed = await startServer({ allowedOrigins: [ours, 'http://localhost:5173'] });

describe('pages of other origins', () => {
  test('may call the API where they are allowed, errors included', async () => {
    for (const [server, origin, allowed] of [
      [open, theirs, '*'],
      [closed, ours, ours],
      [closed, 'http://localhost:5173', 'http://localhost:5173'],
      [closed, theirs, null],
      [closed, 'null', null],
      [closed, `${ours}.evil.example`, null],
      [closed, 'http://app.example.com', null],
    ] as const) {
      for (const path of [
        '/rooms',
        '/messages?room=no-such-room',
        '/events?token=bad',
        '/nowhere',
      ]) {
        const response = await server.fetch(path, { headers: { origin } });
        const got = response.headers.get('access-control-allow-origin');
        expect({ origin, path, got }).toEqual({ origin, path, got: allowed });
        expect(response.headers.get('access-control-allow-credentials')).toBeNull();
        await response.body?.cancel();
      }
    }
  });

  test('learn from a preflight what they may send', async () => {
    const response = await closed.fetch('/users/ana/ban', {
      method: 'OPTIONS',
      headers: {
        origin: ours,
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'authorization',
      },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe(ours);
    expect(response.headers.get('access-control-allow-methods')).toContain('PUT');
    expect(response.headers.get('access-control-allow-headers')).toContain('authorization');
  });

  test('get a WebSocket only where they are allowed; programs, which name no origin, always', async () => {
    const status = async (server: typeof open, headers: string[]) =>
      (await (await rawSocket(server.url, headers)).handshake).slice(9, 12);
    expect(await status(open, [`Origin: ${theirs}`])).toBe('101');
    expect(await status(closed, [`Origin: ${ours}`])).toBe('101');
    expect(await status(closed, [`Origin: ${ours.toUpperCase()}`])).toBe('101');
    expect(await status(closed, [])).toBe('101');
    expect(await status(closed, [`Origin: ${closed.url}`])).toBe('101');
    for (const origin of [theirs, 'null', '', `${ours}.evil.example`, `${closed.url}0`]) {
      expect({ origin, got: await status(closed, [`Origin: ${origin}`]) }).toEqual({
        origin,
        got: '403',
      });
    }
  });
});

describe('every reply (OWASP, HTTP headers)', () => {
  test('has the same headers whether a handshake or another request is refused', async () => {
    for (const [server, headers] of [
      [open, {}],
      [open, { origin: theirs }],
      [closed, {}],
      [closed, { origin: ours }],
    ] as const) {
      const response = await server.fetch('/events?token=bad', { headers });
      const sent = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      sent.push('authorization: Bearer bad');
      const [head = '', body] = (await (await rawSocket(server.url, sent)).handshake).split(
        '\r\n\r\n',
      );
      const [status, ...lines] = head.split('\r\n');
      expect(status).toStartWith('HTTP/1.1 401 ');
      const withoutDate = (found: Iterable<[string, string]>) =>
        [...found].filter(([name]) => name !== 'date').sort();
      expect(
        withoutDate(
          lines.map((line) => {
            const [name = '', value = ''] = line.split(/: (.*)/);
            return [name.toLowerCase(), value];
          }),
        ),
      ).toEqual(withoutDate(response.headers));
      expect(JSON.parse(body as string)).toEqual(await response.json());
    }
  });

  test('forbids browsers to run scripts of other hosts, and to guess types', async () => {
    const room = fresh('room');
    const paths = ['/', '/test', '/swagger', '/tester.js', '/rooms', '/ws-info', '/nowhere'];
    for (const path of [...paths, `/messages?room=${room}`, '/events', '/swagger/json']) {
      const response = await open.fetch(path, { redirect: 'manual' });
      await response.body?.cancel();
      const { headers } = response;
      const policy = Object.fromEntries(
        (headers.get('content-security-policy') ?? '').split('; ').map((rule) => {
          const [name = '', ...sources] = rule.split(' ');
          return [name, sources.join(' ')];
        }),
      );
      expect({ path, ...policy }).toMatchObject({
        path,
        'default-src': "'none'",
        'script-src': "'self'",
        'style-src': "'self'",
        'frame-ancestors': "'none'",
        'base-uri': "'none'",
      });
      expect({ path, sniff: headers.get('x-content-type-options') }).toEqual({
        path,
        sniff: 'nosniff',
      });
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
    }
  });

  test('that holds a token may not be cached', async () => {
    const username = fresh('u');
    await open.register(username);
    const session = { username, password: 'correct horse battery' };
    const response = await open.post('/sessions', session);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect((await open.fetch('/test')).headers.get('cache-control')).toBe('no-cache');
  });
});
