import { expect, test } from 'bun:test';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Crowd, rooms } from '../support/crowd.ts';
import { cuttableProxy } from '../support/cuttable-proxy.ts';
import type { Fault as DiskFault } from '../support/failing-disk.ts';
import { Observers } from '../support/observers.ts';
import { postgresFaults } from '../support/postgres-faults.ts';
import {
  dataFolder,
  restartReady,
  type ServerProcess,
  startReady,
  temporaryFolder,
} from '../support/process.ts';
import { chooseSeed, seeded } from '../support/random.ts';
import { freshPostgres, testWithPostgres } from '../support/services.ts';

const STEPS = 1599;
const FAULT_EVERY = 150;
/** The steps that are taken while something is wrong. */
const FAULT_LASTS = 60;
/** Long enough for a commit to come late, and to be looked for again; also on a busy machine. */
const CAUGHT_UP_MS = 30_000;
/** How long a fault lasts at most. */
const LASTS_MS = 3000;
/** Between tries to reach a server that is away. */
const AGAIN_MS = 10;

/** A fault that lasts for so many milliseconds, unless it ends by itself. */
type Fault = (server: ServerProcess, lasts: number, room: string) => Promise<void>;

/**
 * Rules 1 to 6 and 8 of delivery: random clients, changes and cuts, a server that is killed, and more.
 *
 * @param holes where an answer can be lost while the server goes on, a change may be replaced before it is found;
 *   then clients resume, and the end shows whether they lack anything
 */
async function deliversEverything(
  settings: Record<string, string>,
  more: Record<string, Fault>,
  holes: 'resumed' | 'forbidden',
): Promise<void> {
  const random = seeded(chooseSeed('delivery'));
  let server = await startReady(settings);
  const port = new URL(server.url).port;
  const crowd = new Crowd(random, holes);
  const observers = new Observers(rooms, () => server.url);
  const faults: Record<string, Fault> = {
    async kill({ kill, exited }) {
      kill('SIGKILL');
      await exited;
    },
    ...more,
  };
  const fail = async () => {
    const name = random.pick(Object.keys(faults));
    console.log(`delivery: ${name}`);
    await faults[name]?.(server, random.integer(LASTS_MS), random.pick(rooms));
    const isOver = await Promise.race([server.exited, Bun.sleep(0)]);
    if (isOver !== undefined) server = await restartReady({ ...settings, PORT: port });
  };
  let failing = Promise.resolve();
  for (let step = 1; step <= STEPS; step++) {
    const device = random.pick(crowd.devices);
    if (!device.isConnected) {
      if (await device.connect(server.ws)) crowd.enterSome(device);
      else await Bun.sleep(AGAIN_MS);
    }
    await crowd.act(device, step);
    if (step % FAULT_EVERY === 0) failing = fail();
    if (step % FAULT_EVERY !== FAULT_LASTS) continue;
    await failing;
    // Clients that are still connected see everything live, also changes that no later one replaces.
    for (const device of crowd.devices) if (device.isConnected) await device.settle();
    await crowd.catchUp(server.url, CAUGHT_UP_MS);
  }
  await observers.check(server.url, await crowd.finish(() => server.ws, server.url));
  server.kill('SIGTERM');
  expect(await server.exited).toBe(0);
}

test('every client ends with the same messages, each in its latest state, on the embedded database', async () => {
  const folder = temporaryFolder();
  const place = join(folder, 'fault');
  const disk =
    (fault: DiskFault): Fault =>
    async ({ kill, exited }, lasts) => {
      writeFileSync(place, fault);
      await Bun.sleep(lasts);
      rmSync(place);
      // A thread that was asked for nothing has met nothing.
      if (!existsSync(`${place}.met`)) return;
      rmSync(`${place}.met`);
      if (fault === 'hang') kill('SIGKILL');
      await exited;
    };
  const preload = new URL('../support/failing-disk.ts', import.meta.url).pathname;
  await deliversEverything(
    {
      DATA_DIR: await dataFolder(),
      PRESENCE_GRACE: '0',
      FAULT: place,
      BUN_OPTIONS: `--preload ${preload}`,
    },
    {
      failDisk: disk('io error'),
      endThread: disk('exit'),
      breakThread: disk('throw'),
      hangThread: disk('hang'),
    },
    'forbidden',
  );
}, 900_000);

testWithPostgres(
  'every client ends with the same messages, each in its latest state, on Postgres',
  async () => {
    const url = await freshPostgres();
    const line = await cuttableProxy(url);
    const faults = Object.entries(postgresFaults).map(([name, begin]): [string, Fault] => [
      name,
      async (_, lasts, room) => {
        const heal = await begin(url, line, room);
        await Bun.sleep(lasts);
        await heal();
      },
    ]);
    await deliversEverything(
      { DATABASE_URL: line.url, PRESENCE_GRACE: '0' },
      Object.fromEntries(faults),
      'resumed',
    );
  },
  900_000,
);
