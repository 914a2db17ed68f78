import { expect, test } from 'bun:test';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SQL } from 'bun';
import { sql } from 'drizzle-orm';
import { openDatabase, rows } from '../../src/db/index.ts';
import { BreakableCluster, type Fault } from '../support/breakable-cluster.ts';
import { Eavesdroppers, overheard } from '../support/eavesdroppers.ts';
import type { Fault as DiskFault } from '../support/failing-disk.ts';
import { testWithOwnServices } from '../support/own-services.ts';
import { API_KEY } from '../support/people.ts';
import type { Heal } from '../support/postgres-faults.ts';
import { dataFolder, startReady, temporaryFolder } from '../support/process.ts';
import { chooseSeed, seeded } from '../support/random.ts';
import { Town, wrongDoors } from '../support/town.ts';

const SERVERS = 3;
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const EMBEDDED_ROUNDS = Number(process.env.ROUNDS ?? 2);
const CHANGES = 12;
/** How long changes and faults go on in a round. */
const CHANGING_MS = 1500;
/** Rule 9 of delivery: committed changes hold everywhere within a second … */
const HOLDS_MS = 1000;
/** … and those inside are looked at again within five, and a little for the test's own haste. */
const INSIDE_MS = 6000;

type Random = ReturnType<typeof seeded>;

/** Several changes, each at some moment of the next second and a half. */
async function changing(town: Town, random: Random, url: () => string): Promise<void> {
  const changes = Array.from({ length: CHANGES }, async () => {
    await Bun.sleep(random.integer(CHANGING_MS));
    await town.change(url());
  });
  await Promise.all(changes);
}

/**
 * Rule 9 of delivery: random changes of rooms, members, bans, mutes, accounts and tokens on three
 * servers under faults. Whenever nothing changes for a second, every door of every server answers as the
 * database would, whether or not the faults last; and nobody who may not read hears anything.
 */
testWithOwnServices(
  'rights on every server are those that were committed last, whatever fails',
  async () => {
    const random = seeded(chooseSeed('permissions'));
    const secret = crypto.randomUUID();
    const settings = { AUTH_SECRET: secret, API_KEY, PRESENCE_GRACE: '0' };
    const cluster = await BreakableCluster.start(SERVERS, settings);
    const { servers } = cluster;
    const db = new SQL(cluster.postgres.url, { max: 1 });
    const town = new Town((text) => db.unsafe(text), secret, random);
    await town.found((servers[0] as (typeof servers)[0]).url);
    const urls = () => cluster.running.map(({ url }) => url);
    const inside = new Eavesdroppers(town, random);
    // Restarting Postgres would cut the test's own connection to it.
    const { restartPostgres: _, ...faults } = cluster.faults;
    const named = [...Object.entries(faults), ['nothing', undefined]] as [string, Fault?][];
    /** The faults that would prevent the changes themselves. */
    const hindrances: unknown[] = ['rooms', 'connection to postgres'];

    /** Returns once nothing that was asked of the database is at work any more. */
    const quiet = async () => {
      for (;;) {
        const busy = await db`select pid from pg_stat_activity
          where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()`;
        if (busy.length === 0) return;
        await Bun.sleep(50);
      }
    };
    /** Every door that answers otherwise than the database would. */
    const wrong = async (): Promise<string[]> => {
      await quiet();
      await Bun.sleep(HOLDS_MS);
      const truth = await town.truth();
      const found = cluster.running.map(async ({ url }) =>
        wrongDoors(truth, await town.answers(url, truth)).map((door) => `${url}: ${door}`),
      );
      return (await Promise.all(found)).flat();
    };

    for (let round = 0; round < ROUNDS; round++) {
      await town.settleGuests(random.pick(servers).url);
      await inside.settle(servers.map(({ url }) => url));
      const picked = [random.pick(named), random.pick(named)];
      const chosen = named.filter((fault) => picked.includes(fault));
      const story = `round ${round}: ${chosen.map(([name]) => name).join(', ')}`;
      console.log(story);
      const [before, after]: [Heal[], Heal[]] = [[], []];
      for (const [, fault] of chosen) {
        const heal = await fault?.begin(random.pick(servers), random.pick(town.rooms));
        if (heal) (hindrances.includes(fault?.of) ? before : after).unshift(heal);
      }
      const changed = changing(town, random, () => random.pick(urls()));
      await Bun.sleep(CHANGING_MS);
      for (const heal of before) await heal();
      await changed;
      const during = await wrong();
      const receivers = await inside.within(INSIDE_MS, urls);
      for (const heal of after) await heal();
      const afterwards = await wrong();
      expect({ story, during, receivers, afterwards }).toEqual({
        ...{ story, during: [], receivers: [], afterwards: [] },
      });
    }
    inside.leave();
    await db.close();
    await cluster.stop();
  },
  900_000,
);

/** The fates of a server, or of the thread of its embedded database. */
const ends: (DiskFault | 'kill')[] = ['io error', 'exit', 'throw', 'hang', 'kill'];

test('rights on the embedded database are those that were committed last, whatever happens to its thread', async () => {
  const random = seeded(chooseSeed('permissions, embedded'));
  const secret = crypto.randomUUID();
  const folder = temporaryFolder();
  const [dataDir, fault] = [await dataFolder(), join(folder, 'fault')];
  const preload = new URL('../support/failing-disk.ts', import.meta.url).pathname;
  const settings = {
    ...{ AUTH_SECRET: secret, API_KEY, PRESENCE_GRACE: '0', DATA_DIR: dataDir, FAULT: fault },
    BUN_OPTIONS: `--preload ${preload}`,
  };
  let server = await startReady(settings);
  // Only one process at a time can open it.
  const town = new Town(
    async (text) => {
      const database = await openDatabase({ dataDir });
      const found = await rows<object>(database.db, sql.raw(text));
      await database.close();
      return found;
    },
    secret,
    random,
  );
  await town.found(server.url);
  const inside = new Eavesdroppers(town, random);
  for (let round = 0; round < EMBEDDED_ROUNDS; round++) {
    await town.settleGuests(server.url);
    const end = random.pick(ends);
    const story = `round ${round}: ${end}`;
    console.log(story);
    const changed = changing(town, random, () => server.url);
    await Bun.sleep(random.integer(CHANGING_MS));
    if (end === 'kill') server.kill('SIGKILL');
    else writeFileSync(fault, end);
    await changed;
    // A thread that nobody asks for anything meets nothing.
    rmSync(fault, { force: true });
    const isMet = end === 'kill' || existsSync(`${fault}.met`);
    rmSync(`${fault}.met`, { force: true });
    if (isMet) {
      if (end === 'hang') server.kill('SIGKILL');
      await server.exited;
      server = await startReady(settings);
    }
    // More changes, which must reach the connections inside.
    await inside.settle([server.url]);
    await changing(town, random, () => server.url);
    await Bun.sleep(HOLDS_MS);
    const receivers = await inside.probe([server.url]);
    const answers = await town.answers(server.url, new Map());
    inside.leave();
    server.kill('SIGTERM');
    expect(await server.exited).toBe(0);
    const truth = await town.truth();
    server = await startReady(settings);
    const afterwards = wrongDoors(truth, await town.answers(server.url, truth));
    expect({
      ...{
        story,
        during: wrongDoors(truth, answers),
        receivers: overheard(truth, receivers),
        afterwards,
      },
    }).toEqual({ story, during: [], receivers: [], afterwards: [] });
  }
  server.kill('SIGTERM');
  expect(await server.exited).toBe(0);
}, 900_000);
