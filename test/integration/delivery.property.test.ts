import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { Crowd, rooms } from '../support/crowd.ts';
import { Observers } from '../support/observers.ts';
import { startReady, temporaryFolder } from '../support/process.ts';
import { chooseSeed, seeded } from '../support/random.ts';
import { freshPostgres, testWithPostgres } from '../support/services.ts';

const STEPS = 1500;
const KILL_EVERY = 300;

/** Contract 4, promises 1 to 6 and 8: random clients, changes and cuts, a server that is killed. */
async function deliversEverything(settings: Record<string, string>): Promise<void> {
  const random = seeded(chooseSeed('delivery'));
  let server = await startReady(settings);
  const port = new URL(server.url).port;
  const crowd = new Crowd(random);
  const observers = new Observers(rooms, () => server.url);
  for (let step = 1; step <= STEPS; step++) {
    const device = random.pick(crowd.devices);
    if (!device.isConnected && (await device.connect(server.ws))) crowd.enterSome(device);
    await crowd.act(device, step);
    if (step % KILL_EVERY === 0) {
      server.kill('SIGKILL');
      await server.exited;
      server = await startReady({ ...settings, PORT: port });
    }
  }
  await observers.check(server.url, await crowd.finish(() => server.ws, server.url));
  server.kill('SIGTERM');
  expect(await server.exited).toBe(0);
}

test('every client ends with the same messages, each in its latest state, on the embedded database', async () => {
  await deliversEverything({ DATA_DIR: join(temporaryFolder(), 'data'), PRESENCE_GRACE: '0' });
}, 300_000);

testWithPostgres(
  'every client ends with the same messages, each in its latest state, on Postgres',
  async () => {
    await deliversEverything({ DATABASE_URL: await freshPostgres(), PRESENCE_GRACE: '0' });
  },
  300_000,
);
