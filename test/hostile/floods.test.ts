import { afterAll, describe, expect, test } from 'bun:test';
import { memoryOf } from '../../bench/support.ts';
import { readSettings } from '../../src/config.ts';
import { Client } from '../support/client.ts';
import { API_KEY } from '../support/people.ts';
import { dataFolder, startReady } from '../support/process.ts';
import { fresh, startServer } from '../support/server.ts';
import { until } from '../support/until.ts';
import { Witness } from '../support/witness.ts';

/** The delay, in milliseconds, that others may have; the event loop itself works less than that. */
const MOST_MS = 500;
const { trustProxy } = readSettings({ TRUST_PROXY: '127.0.0.1,::1' });

const times = <T>(count: number, make: (n: number) => T) =>
  Array.from({ length: count }, (_, n) => make(n));

test('messages that come too fast delay no other client, with or without ids', async () => {
  const server = await startReady({
    DATA_DIR: await dataFolder(),
    MESSAGE_RATE: '20',
    MESSAGE_BURST: '40',
    API_KEY,
  });
  afterAll(() => server.kill('SIGKILL'));
  const witness = await Witness.join(server, API_KEY);
  const before = memoryOf(server.pid);
  const flood = async () => {
    const clients = await Promise.all(
      times(60, async (n) => {
        const client = await Client.connect(server.ws);
        client.send({ type: 'join', username: `flood-${n}`, room: 'flood', protocol: 1 });
        await client.untilType('joined');
        return client;
      }),
    );
    for (const client of clients) {
      for (let n = 0; n < 600; n++) {
        client.send({ type: 'message', content: 'x', id: crypto.randomUUID() });
      }
    }
    expect(await Promise.all(clients.map(async ({ closed }) => (await closed).code))).toEqual(
      times(60, () => 4429),
    );
  };
  const delay = await witness.leastDelay(flood, MOST_MS);
  console.log(
    `sixty floods: ${Math.round(delay)} ms, ${Math.round(memoryOf(server.pid) - before)} MiB`,
  );
  expect(delay).toBeLessThan(MOST_MS);
  expect(memoryOf(server.pid) - before).toBeLessThan(400);
}, 60_000);

describe('clients that sign in from one address', () => {
  const signIn = (url: string, address: string, path = '/sessions') =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': address },
      body: JSON.stringify({ username: fresh('u'), password: 'correct horse battery' }),
    });

  for (const path of ['/sessions', '/users']) {
    test(`take turns with those of other addresses, at POST ${path}`, async () => {
      const server = await startServer(trustProxy && { trustProxy });
      // More requests than may wait in all, and another as soon as one is answered.
      let isOver = false;
      let refused = 0;
      const crowd = times(100, async () => {
        while (!isOver) {
          const { status } = await signIn(server.url, '203.0.113.1', path);
          if (status === 503) refused += 1;
          await Bun.sleep(20);
        }
      });
      await until('no more may wait', () => refused > 0);
      const statuses: number[] = [];
      for (let n = 0; n < 8; n++) {
        statuses.push((await signIn(server.url, '198.51.100.1', path)).status);
      }
      isOver = true;
      await Promise.all(crowd);
      expect(statuses).toEqual(times(8, () => (path === '/users' ? 201 : 401)));
    }, 60_000);
  }
});
