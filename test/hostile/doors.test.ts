import { afterAll, describe, expect, test } from 'bun:test';
import { connect, type Socket } from 'bun';
import { memoryOf } from '../../bench/support.ts';
import { startReady } from '../support/process.ts';
import { fresh, startServer } from '../support/server.ts';
import { mint, SECRET } from '../support/tokens.ts';

const UPGRADE = [
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
];
/** Stands for a token; it must be nowhere in what the server prints. */
const TOKEN = 'do-not-log-this';

/** Sends lines as they are over a connection of their own. @returns what came back */
async function exchange(url: string, ...lines: string[]): Promise<string> {
  const { hostname, port } = new URL(url);
  const reply = Promise.withResolvers<string>();
  let text = '';
  const socket = await connect({
    hostname,
    port: Number(port),
    socket: {
      data(_, bytes) {
        text += bytes.toString();
        const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
        const [head = '', ...body] = text.split('\r\n\r\n');
        if (text.includes('\r\n\r\n') && body.join('\r\n\r\n').length >= length && head) {
          reply.resolve(text);
        }
      },
      close: () => reply.resolve(text),
    },
  });
  socket.write([...lines, '', ''].join('\r\n'));
  return reply.promise.finally(() => socket.terminate());
}

/** Sends chunks until there is a reply and 100 MB are sent, or the connection ends. */
async function sendEndlessly(url: string, route: string): Promise<{ reply: string }> {
  const { hostname, port } = new URL(url);
  const chunk = Buffer.from(`10000\r\n${'x'.repeat(65536)}\r\n`);
  const over = Promise.withResolvers<void>();
  let reply = '';
  let rest = Buffer.alloc(0);
  let sent = 0;
  const pour = (socket: Socket) => {
    for (;;) {
      if (rest.length === 0) {
        if (sent > 100e6 && reply !== '') return over.resolve();
        rest = chunk;
      }
      const taken = socket.write(rest);
      if (taken <= 0) return;
      sent += taken;
      rest = rest.subarray(taken);
    }
  };
  const socket = await connect({
    hostname,
    port: Number(port),
    socket: {
      data: (_, bytes) => {
        reply += bytes.toString();
      },
      drain: pour,
      close: () => over.resolve(),
    },
  });
  const head = [`${route} HTTP/1.1`, 'Host: a', 'Content-Type: application/json'];
  socket.write([...head, 'Transfer-Encoding: chunked', '', ''].join('\r\n'));
  pour(socket);
  await over.promise;
  socket.terminate();
  return { reply };
}

const statusOf = (reply: string) => Number(reply.split(' ')[1]);

const logging = await startReady({ DATA_DIR: 'memory', LOG_LEVEL: 'debug', REQUEST_RATE: '0' });
afterAll(() => logging.kill('SIGKILL'));

describe('requests that no browser sends', () => {
  const { url } = logging;

  /** Requests that our own routes refuse; each with problem+json and the headers of every reply. */
  const ours: [what: string, lines: string[], status: number][] = [
    ['a Host with a space', [`GET /ws?token=${TOKEN} HTTP/1.1`, 'Host: a b'], 400],
    ['the same on a handshake', [`GET /ws?token=${TOKEN} HTTP/1.1`, 'Host: a b', ...UPGRADE], 400],
    ['a Host with a path', [`GET /rooms?q=${TOKEN} HTTP/1.1`, 'Host: a@b/c?d#'], 400],
    ['a Host with a wrong port', [`GET /rooms?q=${TOKEN} HTTP/1.1`, 'Host: a:99999'], 400],
    ['an empty Host', [`GET /rooms?q=${TOKEN} HTTP/1.1`, 'Host: '], 400],
    ['HTTP/1.0 without a Host', [`GET /rooms?q=${TOKEN} HTTP/1.0`], 400],
    ['CONNECT', ['CONNECT * HTTP/1.1', 'Host: x'], 400],
    ['a handshake over HTTP/1.0 without a Host', ['GET /ws HTTP/1.0', ...UPGRADE], 400],
    ['two Hosts', ['GET /ws HTTP/1.1', 'Host: a', 'Host: b', ...UPGRADE], 400],
    [
      'a subprotocol',
      ['GET /ws HTTP/1.1', 'Host: a', ...UPGRADE, 'Sec-WebSocket-Protocol: z'],
      400,
    ],
    [
      'an old version',
      ['GET /ws HTTP/1.1', 'Host: a', ...UPGRADE.slice(0, 3), 'Sec-WebSocket-Version: 8'],
      426,
    ],
    ['no version', ['GET /ws HTTP/1.1', 'Host: a', ...UPGRADE.slice(0, 3)], 426],
    [
      'a key of the wrong length',
      [
        'GET /ws HTTP/1.1',
        'Host: a',
        ...UPGRADE.slice(0, 2),
        'Sec-WebSocket-Key: x',
        'Sec-WebSocket-Version: 13',
      ],
      400,
    ],
    [
      'a key that is not base64',
      [
        'GET /ws HTTP/1.1',
        'Host: a',
        ...UPGRADE.slice(0, 2),
        'Sec-WebSocket-Key: dGhlIHNhbXBsZ*Bub25jZQ==',
        'Sec-WebSocket-Version: 13',
      ],
      400,
    ],
    [
      'a body of 3 MB, with its length',
      ['POST /users HTTP/1.1', 'Host: a', 'Content-Length: 3000000'],
      413,
    ],
    [
      'a body of 3 MB, with its length twice',
      ['POST /users HTTP/1.1', 'Host: a', 'Content-Length: 3000000', 'Content-Length: 3000000'],
      413,
    ],
    [
      'a body of an impossible length',
      ['POST /users HTTP/1.1', 'Host: a', 'Content-Length: 9007199254740991'],
      413,
    ],
    [
      'a token twice',
      [`GET /ws?token=${TOKEN}&token=${TOKEN} HTTP/1.1`, 'Host: a', ...UPGRADE],
      401,
    ],
    [
      'a token twice, for events',
      [`GET /events?token=${TOKEN}&token=${TOKEN} HTTP/1.1`, 'Host: a'],
      401,
    ],
    ['a path that is no UTF-8', ['GET /users/%ff HTTP/1.1', 'Host: a'], 400],
    ['a path with half an escape', ['GET /users/%zz HTTP/1.1', 'Host: a'], 400],
    ['a backslash', ['GET /users/..\\ws HTTP/1.1', 'Host: a'], 400],
  ];
  for (const [what, lines, status] of ours) {
    test(`${what}: ${status}, problem+json and all headers`, async () => {
      const reply = await exchange(url, ...lines);
      expect(statusOf(reply)).toBe(status);
      expect(reply).toMatch(/content-type: application\/problem\+json/i);
      expect(reply).toMatch(/x-content-type-options: nosniff/i);
      expect(reply).toMatch(/content-security-policy: default-src 'none'/i);
      expect(reply).not.toContain(TOKEN);
    });
  }

  test('a refusal of another version names the supported one: RFC 6455, section 4.4', async () => {
    const lines = ['GET /ws HTTP/1.1', 'Host: a', ...UPGRADE.slice(0, 3)];
    for (const version of [[], ['Sec-WebSocket-Version: 8']]) {
      const reply = await exchange(url, ...lines, ...version);
      expect(reply).toMatch(/^sec-websocket-version: 13\r$/im);
      expect(reply).toMatch(/^upgrade: websocket\r$/im);
    }
  });

  test('a body without a declared length is read up to the limit: 413, and no more of it is kept', async () => {
    const before = memoryOf(logging.pid);
    const body = await sendEndlessly(url, 'POST /users');
    expect(statusOf(body.reply)).toBe(413);
    expect(body.reply).toMatch(/content-type: application\/problem\+json/i);
    expect(body.reply).toMatch(/content-security-policy: default-src 'none'/i);
    // A route without a body reads none.
    expect(statusOf((await sendEndlessly(url, 'DELETE /sessions')).reply)).toBe(401);
    expect(memoryOf(logging.pid) - before).toBeLessThan(60);
  });

  test('a body without a declared length within the limit is accepted', async () => {
    const json = JSON.stringify({ username: 'chunky' });
    const lines = ['POST /users HTTP/1.1', 'Host: a', 'Content-Type: application/json'];
    const chunks = [...json].map((each) => `1\r\n${each}\r\n`).join('');
    const chunked = ['Transfer-Encoding: chunked', '', `${chunks}0`];
    const reply = await exchange(url, ...lines, ...chunked);
    expect(statusOf(reply)).toBe(201);
    expect(reply).toContain('"chunky"');
  });

  test('handshakes without "Connection: Upgrade" are refused', async () => {
    const lines = ['GET /ws HTTP/1.1', 'Host: a', UPGRADE[0] as string, ...UPGRADE.slice(2)];
    expect(statusOf(await exchange(url, ...lines))).toBeWithin(400, 427);
  });

  test('load balancers get an answer in HTTP/1.0, without a Host', async () => {
    for (const path of ['/health', '/ready']) {
      const reply = await exchange(url, `GET ${path} HTTP/1.0`);
      expect(statusOf(reply)).toBe(200);
      expect(reply).toContain('"status"');
    }
  });

  test('the log has no part of a URL, and no line of our code', async () => {
    logging.kill('SIGTERM');
    const { stdout, stderr } = await logging.output;
    expect(stdout + stderr).not.toContain(TOKEN);
    expect(stderr).toBe('');
    expect(stdout).not.toMatch(/\.ts:\d+|at <anonymous>/);
  });
});

describe('every request is counted', () => {
  for (const [what, lines] of [
    ['requests with a bad Host', ['GET /rooms HTTP/1.1', 'Host: a b']],
    ['requests without a Host', ['GET /rooms HTTP/1.0']],
    ['/ws without a handshake', ['GET /ws HTTP/1.1', 'Host: a']],
    ['handshakes with a bad token', ['GET /ws?token=x HTTP/1.1', 'Host: a', ...UPGRADE]],
    ['paths that only look like /ws', ['GET /users/..\\ws HTTP/1.1', 'Host: a', ...UPGRADE]],
    ['probes by another method', ['POST /health HTTP/1.1', 'Host: a', 'Content-Length: 0']],
  ] as const) {
    test(what, async () => {
      const server = await startServer({ requestRate: 1 });
      const replies = [];
      for (let n = 0; n < 8; n++) replies.push(await exchange(server.url, ...lines));
      expect(replies.map(statusOf)).toContain(429);
    });
  }
});

const named = await startServer({ authSecret: SECRET });
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

describe('metrics', () => {
  test('without a key are for programs on this machine, but not for pages in its browsers', async () => {
    const server = await startServer();
    const ask = async (headers: Record<string, string>, host = 'localhost') =>
      statusOf(
        await exchange(
          server.url,
          'GET /metrics HTTP/1.1',
          `Host: ${host}`,
          ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
        ),
      );
    expect(await ask({})).toBe(200);
    expect(await ask({}, '127.0.0.1:3000')).toBe(200);
    expect(await ask({ 'Sec-Fetch-Site': 'cross-site' })).toBe(401);
    expect(await ask({ 'Sec-Fetch-Site': 'none' })).toBe(401);
    expect(await ask({ Origin: 'http://localhost:3000' })).toBe(401);
    expect(await ask({}, 'evil.example')).toBe(401);
  });

  test('are for admins', async () => {
    const server = await startServer({ authSecret: SECRET });
    const status = async (claims: object) => {
      const token = await mint({ sub: fresh('u'), ...claims });
      return (await server.request('GET', '/metrics', token)).status;
    };
    expect(await status({ role: 'admin' })).toBe(200);
    expect(await status({ role: 'user' })).toBe(403);
  });
});

test('a valid token is refused if it is given twice, or beside another', async () => {
  const [good, other] = await Promise.all([
    mint({ sub: fresh('ana') }),
    mint({ sub: fresh('ben') }),
  ]);
  const ask = async (path: string, ...lines: string[]) =>
    statusOf(await exchange(named.url, `GET ${path} HTTP/1.1`, 'Host: localhost', ...lines));
  for (const second of [good, other, '']) {
    const query = `token=${good}&token=${second}`;
    expect(await ask(`/ws?${query}`, ...UPGRADE)).toBe(401);
    expect(await ask(`/events?${query}`)).toBe(401);
  }
  expect(await ask(`/ws?token=${good}`, ...UPGRADE)).toBe(101);
});

test('a token in a query counts on "/ws" and "/events" alone', async () => {
  const server = await startServer({ authSecret: SECRET, auth: 'required' });
  const token = await mint({ sub: fresh('ana'), role: 'admin' });
  expect(
    statusOf(await exchange(server.url, `GET /events?token=${token} HTTP/1.1`, 'Host: a')),
  ).toBe(200);
  const others = server.routes.filter(({ path }) => !['/ws', '/events'].includes(path));
  for (const { method, path } of others) {
    const ask = async (query: string) => {
      const at = path.replace(/:\w+/g, '1').replace('*', 'nothing');
      const body = ['POST', 'PUT', 'PATCH'].includes(method) ? { body: '{}' } : {};
      const headers = { 'content-type': 'application/json' };
      const init = { method, headers, redirect: 'manual', ...body } as const;
      const reply = await server.fetch(`${at}${query}`, init);
      await reply.body?.cancel();
      return reply.status;
    };
    const without = await ask('');
    expect({ method, path, isSame: [without, 400].includes(await ask(`?token=${token}`)) }).toEqual(
      {
        method,
        path,
        isSame: true,
      },
    );
  }
}, 60_000);

describe('names', () => {
  test('have only visible characters', async () => {
    for (const invisible of [
      '\u{16FE4}',
      '\u{13440}',
      '\u{1BC9D}',
      '\u2D7F',
      '\u{1107F}',
      '\u3164',
      '\u034f',
      '\u180f',
    ]) {
      const reply = await named.post('/users', { username: `ana${invisible}` });
      expect({ invisible, status: reply.status }).toEqual({ invisible, status: 400 });
    }
    for (const name of ['ကျော်', 'ភាសា', 'é\u0323', 'नमस्ते', '김철수']) {
      expect((await named.post('/users', { username: name })).status).toBeWithin(200, 202);
    }
  });

  test('of tokens are text, not values that can be converted to text', async () => {
    for (const sub of [['ana'], 5, { toString: 'ana' }, null, true]) {
      const token = await mint({ sub } as never);
      expect((await named.request('GET', '/rooms', token)).status).toBe(401);
    }
  });
});
