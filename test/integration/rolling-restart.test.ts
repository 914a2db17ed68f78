import { expect } from 'bun:test';
import { freePort } from '../support/free-port.ts';
import { nginx, startNginx } from '../support/nginx.ts';
import { ownRedis, redisOnPath } from '../support/own-services.ts';
import { dataFolder, startReady } from '../support/process.ts';
import { Roamer } from '../support/roamer.ts';
import { freshPostgres, postgres, testWith } from '../support/services.ts';

const test = testWith({ nginx, ...redisOnPath, ...postgres });
const CLIENTS = 20;
const PAUSE_MS = 10;

test('two servers behind the nginx of examples/ restart one after the other under load: nothing acknowledged is lost, nothing comes twice', async () => {
  const ports = [await freePort(), await freePort()] as [number, number];
  const shared = {
    DATABASE_URL: await freshPostgres(),
    REDIS_URL: (await ownRedis()).url,
    AUTH_SECRET: crypto.randomUUID(),
    TRUST_PROXY: '127.0.0.1/32',
  };
  const start = (port: number) => startReady({ ...shared, PORT: `${port}` });
  const servers = await Promise.all(ports.map(start));
  const proxy = await startNginx(ports);
  const clients = Array.from(
    { length: CLIENTS },
    (_, n) => new Roamer(proxy.ws, `client${n}`, 'general'),
  );
  const until = async (holds: () => boolean) => {
    while (!holds()) await Bun.sleep(PAUSE_MS);
  };
  await until(() => clients.every(({ isLive }) => isLive));
  let isOver = false;
  const talking = (async () => {
    for (let n = 0; !isOver; n++) {
      clients[n % CLIENTS]?.say(`message ${n}`);
      await Bun.sleep(PAUSE_MS);
    }
  })();
  for (const [n, server] of servers.entries()) {
    const moved = clients.map(({ connects }) => connects);
    server.kill('SIGTERM');
    expect(await server.exited).toBe(0);
    await until(() => clients.every(({ isLive }) => isLive));
    expect(clients.some(({ connects }, i) => connects > (moved[i] ?? 0))).toBe(true);
    servers[n] = await start(ports[n] as number);
  }
  isOver = true;
  await talking;
  await until(() => clients.every(({ unacked }) => unacked === 0));
  const newest = Math.max(...clients.map(({ rev }) => rev));
  await until(() => clients.every(({ rev }) => rev === newest));

  expect(clients.flatMap(({ breaches }) => breaches)).toEqual([]);
  const [first] = clients as [Roamer];
  for (const { seen, acked } of clients) {
    expect([...seen].toSorted(([a], [b]) => a - b)).toEqual(
      [...first.seen].toSorted(([a], [b]) => a - b),
    );
    for (const [seq, content] of acked) expect(first.seen.get(seq)).toBe(content);
  }
  expect(first.seen.size).toBe(clients.reduce((sum, { acked }) => sum + acked.size, 0));
  for (const client of clients) client.stop();
  await proxy.stop();
}, 60_000);

test('behind the nginx of examples/ the server knows the client’s address, streams events, and keeps its metrics private', async () => {
  const ports = [await freePort(), await freePort()] as [number, number];
  await startReady({
    DATA_DIR: await dataFolder(),
    PORT: `${ports[0]}`,
    TRUST_PROXY: '127.0.0.1/32',
  });
  const proxy = await startNginx(ports);
  const info = await (await fetch(`${proxy.url}/ws-info`)).json();
  expect(info.websocketUrl).toBe(proxy.ws);
  expect((await fetch(`${proxy.url}/metrics`)).status).toBe(404);
  const stop = new AbortController();
  const events = await fetch(`${proxy.url}/events`, { signal: stop.signal });
  const reader = events.body?.pipeThrough(new TextDecoderStream() as never).getReader();
  expect((await reader?.read())?.value).toMatch(/^id: 0@/);
  const post = (path: string, body: object) =>
    fetch(proxy.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  await post('/users', { username: 'ana' });
  await post('/messages', { username: 'ana', content: 'hi' });
  expect((await reader?.read())?.value).toContain('"content":"hi"');
  stop.abort();
  await proxy.stop();
}, 60_000);
