import { expect, test } from 'bun:test';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { SQL } from 'bun';
import { startReady, temporaryFolder } from '../support/process.ts';
import { PASSWORD } from '../support/server.ts';
import { freshPostgres, testWithPostgres } from '../support/services.ts';
import { mint } from '../support/tokens.ts';

const post = (url: string, body: object) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

/** Registers ana, if she is not, and signs her in. */
async function tokenFrom(url: string): Promise<string> {
  const account = { username: 'ana', password: PASSWORD };
  await post(`${url}/users`, account);
  return (await (await post(`${url}/sessions`, account)).json()).token;
}

/** 200 where the token is good, 401 where it is not. */
async function statusOf(url: string, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(`${url}/me/rooms`, { headers })).status;
}

testWithPostgres(
  'servers that start at once with nothing but DATABASE_URL draw one secret, and accept each other’s tokens',
  async () => {
    const DATABASE_URL = await freshPostgres();
    const servers = await Promise.all([1, 2, 3].map(() => startReady({ DATABASE_URL })));
    for (const { url } of servers) {
      const token = await tokenFrom(url);
      const statuses = await Promise.all(servers.map((other) => statusOf(other.url, token)));
      expect(statuses).toEqual([200, 200, 200]);
    }
    const client = new SQL(DATABASE_URL, { max: 1 });
    const [{ value }, ...others] = await client`select value from secrets`;
    await client.close();
    expect(others).toEqual([]);
    expect(value).toMatch(/^[\w-]{43}$/);
    const [first] = servers;
    expect(await statusOf(first?.url ?? '', await mint({ sub: 'ana' }, value))).toBe(200);
  },
);

test('the secret of the embedded database is that of the next start, unless AUTH_SECRET is set, and its owner’s alone', async () => {
  const DATA_DIR = join(temporaryFolder(), 'data');
  const AUTH_SECRET = crypto.randomUUID();
  const during = async (settings: Record<string, string>, use: (url: string) => Promise<void>) => {
    const server = await startReady({ DATA_DIR, ...settings });
    await use(server.url);
    server.kill('SIGTERM');
    expect(await server.exited).toBe(0);
  };
  let token = '';
  await during({}, async (url) => {
    token = await tokenFrom(url);
  });
  await during({ AUTH_SECRET }, async (url) => {
    expect(await statusOf(url, token)).toBe(401);
    expect(await statusOf(url, await mint({ sub: 'ana' }, AUTH_SECRET))).toBe(200);
  });
  await during({}, async (url) => {
    expect(await statusOf(url, token)).toBe(200);
    expect(await statusOf(url, await mint({ sub: 'ana' }, AUTH_SECRET))).toBe(401);
  });
  await during({ DATA_DIR: 'memory' }, async (url) => {
    expect(await statusOf(url, token)).toBe(401);
  });
  expect(statSync(join(DATA_DIR, 'postgres')).mode & 0o077).toBe(0);
});
