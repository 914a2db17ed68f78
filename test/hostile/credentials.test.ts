import { describe, expect, test } from 'bun:test';
import { exchange, statusOf, UPGRADE } from '../support/exchange.ts';
import { fresh, startServer } from '../support/server.ts';
import { mint, SECRET } from '../support/tokens.ts';

const server = await startServer({ authSecret: SECRET });

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
    statusOf(await exchange(server.url, `GET ${path} HTTP/1.1`, 'Host: localhost', ...lines));
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

test('the names of tokens are text, not values that can be converted to text', async () => {
  for (const sub of [['ana'], 5, { toString: 'ana' }, null, true]) {
    const token = await mint({ sub } as never);
    expect((await server.request('GET', '/rooms', token)).status).toBe(401);
  }
});
