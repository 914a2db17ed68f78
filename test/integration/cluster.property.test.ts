import { expect } from 'bun:test';
import { Crowd, rooms } from '../support/crowd.ts';
import { cuttableProxy } from '../support/cuttable-proxy.ts';
import { freePort } from '../support/free-port.ts';
import { Observers } from '../support/observers.ts';
import { ownPostgres, ownRedis, testWithOwnServices } from '../support/own-services.ts';
import { startReady } from '../support/process.ts';
import { chooseSeed, seeded } from '../support/random.ts';

const SERVERS = 3;
const FAULTS = 24;
const STEPS_PER_FAULT = 50;
/** A lease of five seconds, seen to have lapsed by the second look; and the grace. */
const LEASE_MS = 8000;

/**
 * Contract 4 and 7: random clients on three servers, of which some are killed or hang, with their Redis
 * and their Postgres, which are killed, hang, lose what they had, or are cut off.
 */
testWithOwnServices(
  'every client of three servers ends with the same messages, whatever fails',
  async () => {
    const random = seeded(chooseSeed('cluster'));
    const [redis, postgres] = [await ownRedis(), await ownPostgres()];
    const shared = {
      AUTH_SECRET: crypto.randomUUID(),
      PRESENCE_GRACE: '1',
      // Counted in Redis, and never too many.
      MESSAGE_RATE: '100000',
      MESSAGE_BURST: '1000000',
    };
    const start = async () => {
      const port = await freePort();
      const lines = {
        redis: await cuttableProxy(redis.url),
        postgres: await cuttableProxy(postgres.url),
      };
      const settings = {
        ...shared,
        PORT: `${port}`,
        REDIS_URL: lines.redis.url,
        DATABASE_URL: lines.postgres.url,
      };
      return { settings, lines, isStopped: false, ...(await startReady(settings)) };
    };
    const servers = await Promise.all(Array.from({ length: SERVERS }, start));
    const crowd = new Crowd(random, 'resumed');
    // In turn, so that chance goes by the seed alone.
    let turn = 0;
    const observers = new Observers(rooms, () => {
      const running = servers.filter(({ isStopped }) => !isStopped);
      turn += 1;
      return (running[turn % running.length] as (typeof servers)[0]).url;
    });
    const on = new Map(crowd.devices.map((device) => [device, random.pick(servers)]));

    /** What will be mended by itself. */
    const healing = new Set<Promise<void>>();
    const later = (most: number, heal: () => void | Promise<void>) => {
      const healed = Bun.sleep(random.integer(most)).then(heal);
      healing.add(healed);
      void healed.then(() => healing.delete(healed));
    };
    let isRedisPaused = false;
    const faults = {
      async killServer() {
        const server = random.pick(servers);
        if (server.isStopped) return;
        server.kill('SIGKILL');
        await server.exited;
        Object.assign(server, await startReady(server.settings));
      },
      async stopServer() {
        const server = random.pick(servers);
        if (server.isStopped || servers.filter(({ isStopped }) => !isStopped).length === 1) return;
        server.isStopped = true;
        server.kill('SIGSTOP');
        later(8000, () => {
          server.kill('SIGCONT');
          server.isStopped = false;
        });
      },
      async killRedis() {
        if (isRedisPaused) return;
        await redis.kill();
        await redis.start();
      },
      async takeRedisAway() {
        if (isRedisPaused) return;
        isRedisPaused = true;
        await redis.kill();
        later(3000, async () => {
          await redis.start();
          isRedisPaused = false;
        });
      },
      async pauseRedis() {
        if (isRedisPaused) return;
        isRedisPaused = true;
        redis.pause();
        later(5000, () => {
          redis.resume();
          isRedisPaused = false;
        });
      },
      restartPostgres: () => postgres.restart(),
      async cut() {
        const { lines } = random.pick(servers);
        const line = random.pick([lines.redis, lines.redis, lines.postgres]);
        line.cut();
        await line.mend();
      },
    };

    const told: string[] = [];
    for (let step = 1; step <= FAULTS * STEPS_PER_FAULT; step++) {
      const device = random.pick(crowd.devices);
      if (on.get(device)?.isStopped) device.drop();
      if (!device.isConnected) {
        const server = random.pick(servers.filter(({ isStopped }) => !isStopped));
        on.set(device, server);
        if (await device.connect(server.ws)) crowd.enterSome(device);
      }
      await crowd.act(device, step);
      if (step % STEPS_PER_FAULT > 0) continue;
      const fault = random.pick(Object.keys(faults) as (keyof typeof faults)[]);
      told.push(fault);
      await faults[fault]();
    }
    await Promise.all(healing);
    console.log(`cluster: ${told.join(', ')}`);

    const [first] = servers as [(typeof servers)[0]];
    // Whoever is still there sees everything live: what no later change shows, too.
    for (const device of crowd.devices) if (device.isConnected) await device.settle();
    await crowd.catchUp(first.url, LEASE_MS);

    for (const device of crowd.devices) on.set(device, random.pick(servers));
    const stored = await crowd.finish((device) => on.get(device)?.ws ?? first.ws, first.url);
    await observers.check(first.url, stored);

    // All are where they are, on whichever server one asks.
    const isPresent = async (usernames: string[], asked: typeof servers) => {
      const since = performance.now();
      for (const { url } of asked) {
        for (const room of rooms) {
          const active = () => fetch(`${url}/users/active?room=${room}`).then((r) => r.json());
          while (!Bun.deepEquals(await active(), usernames)) {
            if (performance.now() - since > LEASE_MS) {
              expect({ url, room, active: await active() }).toEqual({
                url,
                room,
                active: usernames,
              });
            }
            await Bun.sleep(50);
          }
        }
      }
    };
    const names = crowd.authors.map(({ username }) => username);
    await isPresent(names, servers);
    // Those of a server that dies are gone when its lease has lapsed, and nobody else is.
    first.kill('SIGKILL');
    const rest = servers.slice(1);
    const left = names.filter((name) =>
      crowd.devices.some((device) => device.author.username === name && on.get(device) !== first),
    );
    await isPresent(left, rest);
    for (const { kill, exited } of rest) {
      kill('SIGTERM');
      expect(await exited).toBe(0);
    }
  },
  180_000,
);
