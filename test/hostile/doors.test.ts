import { afterAll, describe, expect, test } from 'bun:test';
import { connect, type Socket } from 'bun';
import { memoryOf } from '../../bench/support.ts';
import { exchange, statusOf, UPGRADE } from '../support/exchange.ts';
import { startReady } from '../support/process.ts';
import { startServer } from '../support/server.ts';

/** Stands for a token; the server must print it nowhere. */
const TOKEN = 'do-not-log-this';

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
