import { expect } from 'bun:test';
import { RedisClient } from 'bun';
import { type CuttableProxy, cuttableProxy } from './cuttable-proxy.ts';
import { freePort } from './free-port.ts';
import { type OwnService, ownPostgres, ownRedis } from './own-services.ts';
import { type Heal, postgresFaults } from './postgres-faults.ts';
import { restartReady, startReady } from './process.ts';

/** A server process, with a proxy in front of its Redis and its Postgres. */
export interface ClusterServer extends Awaited<ReturnType<typeof startReady>> {
  settings: Record<string, string>;
  proxies: { redis: CuttableProxy; postgres: CuttableProxy };
  isStopped: boolean;
}

/** A fault. It returns the function that ends it, or nothing if it has ended by itself. */
export interface Fault {
  /** The part that is broken meanwhile: everything of that kind, or that of one server. */
  of: 'redis' | 'postgres' | 'rooms' | 'server' | 'connection to redis' | 'connection to postgres';
  begin(server: ClusterServer, room: string): Promise<Heal | undefined>;
}

const once = (fail: () => Promise<unknown>) => async () => {
  await fail();
  return undefined;
};

/** Servers that act as one over a Redis and a Postgres of their own, all of which can be broken. */
export class BreakableCluster {
  /** Several may begin in this order, so that none waits for a lock of another. */
  readonly faults = {
    killServer: {
      of: 'server',
      begin: async (server) => {
        server.kill('SIGKILL');
        await server.exited;
        Object.assign(server, await restartReady(server.settings));
        return undefined;
      },
    },
    restartRedis: { of: 'redis', begin: once(() => this.redis.restart()) },
    restartPostgres: { of: 'postgres', begin: once(() => this.postgres.restart()) },
    fillRedis: { of: 'redis', begin: () => this.#configure('maxmemory', '1', '0') },
    makeRedisReadOnly: {
      of: 'redis',
      begin: () => this.#configure('min-replicas-to-write', '1', '0'),
    },
    muteServer: {
      of: 'connection to redis',
      begin: async ({ proxies }) => {
        proxies.redis.refuse('XADD');
        return () => proxies.redis.mend();
      },
    },
    cutRedisLine: {
      of: 'connection to redis',
      begin: async ({ proxies }) => {
        proxies.redis.cut();
        return () => proxies.redis.mend();
      },
    },
    delayRedisLine: {
      of: 'connection to redis',
      begin: async ({ proxies }) => {
        proxies.redis.hold();
        return () => proxies.redis.release();
      },
    },
    lockRoom: this.#failPostgres('lockRoom', 'rooms'),
    commitLate: this.#failPostgres('commitLate'),
    hangPostgres: this.#failPostgres('hangPostgres'),
    cutPostgres: this.#failPostgres('cutPostgres'),
    stopServer: {
      of: 'server',
      begin: async (server) => {
        server.kill('SIGSTOP');
        server.isStopped = true;
        return () => {
          server.kill('SIGCONT');
          server.isStopped = false;
        };
      },
    },
    takeRedisAway: {
      of: 'redis',
      begin: async () => {
        await this.redis.kill();
        return () => this.redis.start();
      },
    },
    pauseRedis: {
      of: 'redis',
      begin: async () => {
        this.redis.pause();
        return () => this.redis.resume();
      },
    },
  } satisfies Record<string, Fault>;

  private constructor(
    readonly redis: OwnService,
    readonly postgres: OwnService,
    readonly servers: ClusterServer[],
  ) {}

  static async start(
    count: number,
    shared: Record<string, string> = {},
  ): Promise<BreakableCluster> {
    const [redis, postgres] = [await ownRedis(), await ownPostgres()];
    const secret = { AUTH_SECRET: crypto.randomUUID() };
    const start = async (): Promise<ClusterServer> => {
      const proxies = {
        redis: await cuttableProxy(redis.url),
        postgres: await cuttableProxy(postgres.url),
      };
      const settings = {
        ...secret,
        ...shared,
        PORT: `${await freePort()}`,
        REDIS_URL: proxies.redis.url,
        DATABASE_URL: proxies.postgres.url,
      };
      return { settings, proxies, isStopped: false, ...(await startReady(settings)) };
    };
    const servers: ClusterServer[] = [];
    // One after the other, which a busy machine can do in time.
    while (servers.length < count) servers.push(await start());
    return new BreakableCluster(redis, postgres, servers);
  }

  /** The servers that are not stopped. */
  get running(): ClusterServer[] {
    return this.servers.filter(({ isStopped }) => !isStopped);
  }

  /** Stops servers, which must exit cleanly. */
  async stop(servers = this.servers): Promise<void> {
    for (const { kill, exited } of servers) {
      kill('SIGTERM');
      expect(await exited).toBe(0);
    }
  }

  #configure(name: string, bad: string, good: string): Promise<Heal> {
    return configureRedis(this.redis.url, name, bad, good);
  }

  #failPostgres(
    name: keyof typeof postgresFaults,
    of: 'rooms' | 'connection to postgres' = 'connection to postgres',
  ): Fault {
    const fail = postgresFaults[name];
    return { of, begin: ({ proxies }, room) => fail(this.postgres.url, proxies.postgres, room) };
  }
}

/** Gives a Redis a bad setting, and then a good one again. */
export async function configureRedis(
  url: string,
  name: string,
  bad: string,
  good: string,
): Promise<Heal> {
  const set = async (value: string) => {
    const admin = new RedisClient(url);
    await admin.send('CONFIG', ['SET', name, value]);
    admin.close();
  };
  await set(bad);
  return () => set(good);
}
