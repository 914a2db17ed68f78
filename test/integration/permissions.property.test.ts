import { expect } from 'bun:test';
import { RedisClient } from 'bun';
import type { Client } from '../support/client.ts';
import { cuttableProxy } from '../support/cuttable-proxy.ts';
import { freePort } from '../support/free-port.ts';
import { ownPostgres, ownRedis, testWithOwnServices } from '../support/own-services.ts';
import { API_KEY } from '../support/people.ts';
import { startReady } from '../support/process.ts';
import { chooseSeed, seeded } from '../support/random.ts';
import { type Answer, type Door, Town } from '../support/town.ts';

const SERVERS = 3;
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const CHANGES = 12;
/** Contract 4, promise 9: what is committed holds everywhere within a second … */
const HOLDS_MS = 1000;
/** … and those inside are looked at again within five, and a little for the test's own haste. */
const INSIDE_MS = 6000;

/**
 * Contract 4, promise 9: random changes of rooms, members, bans, mutes, accounts and tokens on three
 * servers under faults. Whenever nothing changes for a second, every door of every server answers as the
 * database would, whether or not the faults last; and nobody who may not read hears anything.
 */
testWithOwnServices(
  'rights on every server are those that were committed last, whatever fails',
  async () => {
    const random = seeded(chooseSeed('permissions'));
    const [redis, postgres] = [await ownRedis(), await ownPostgres()];
    const secret = crypto.randomUUID();
    const start = async () => {
      const lines = {
        redis: await cuttableProxy(redis.url),
        postgres: await cuttableProxy(postgres.url),
      };
      const settings = {
        AUTH_SECRET: secret,
        API_KEY,
        PRESENCE_GRACE: '0',
        PORT: `${await freePort()}`,
        REDIS_URL: lines.redis.url,
        DATABASE_URL: lines.postgres.url,
      };
      return { settings, lines, isStopped: false, ...(await startReady(settings)) };
    };
    const servers = await Promise.all(Array.from({ length: SERVERS }, start));
    const alive = () => servers.filter(({ isStopped }) => !isStopped);
    const town = new Town(postgres.url, secret);
    await town.found((servers[0] as (typeof servers)[0]).url);
    const configure = async (name: string, value: string) => {
      const admin = new RedisClient(redis.url);
      await admin.send('CONFIG', ['SET', name, value]);
      admin.close();
    };

    /**
     * Each takes something away, and returns what gives it back before the doors are tried, or after. In this
     * order those of a round begin, so that none waits for what another has taken, and in reverse they end.
     */
    type Heal = () => unknown;
    const faults: Record<string, () => Promise<{ before?: Heal; after?: Heal }>> = {
      nothing: async () => ({}),
      async killServer() {
        const server = random.pick(servers);
        server.kill('SIGKILL');
        await server.exited;
        Object.assign(server, await startReady(server.settings));
        return {};
      },
      async restartRedis() {
        await redis.restart();
        return {};
      },
      async fillRedis() {
        await configure('maxmemory', '1');
        return { after: () => configure('maxmemory', '0') };
      },
      async makeRedisReadOnly() {
        await configure('min-replicas-to-write', '1');
        return { after: () => configure('min-replicas-to-write', '0') };
      },
      async muteServer() {
        const { lines } = random.pick(servers);
        lines.redis.refuse('XADD');
        return { after: () => lines.redis.mend() };
      },
      async cutRedisLine() {
        const { lines } = random.pick(servers);
        lines.redis.cut();
        return { after: () => lines.redis.mend() };
      },
      async delayRedisLine() {
        const { lines } = random.pick(servers);
        lines.redis.hold();
        return { after: () => lines.redis.release() };
      },
      async lockRoom() {
        return { before: await town.lock(postgres.url, random.pick(town.rooms)) };
      },
      async hangPostgres() {
        const { lines } = random.pick(servers);
        lines.postgres.hold();
        return { before: () => lines.postgres.release() };
      },
      async cutPostgres() {
        const { lines } = random.pick(servers);
        lines.postgres.cut();
        return { before: () => lines.postgres.mend() };
      },
      async stopServer() {
        const server = random.pick(servers);
        server.kill('SIGSTOP');
        server.isStopped = true;
        return {
          after: () => {
            server.kill('SIGCONT');
            server.isStopped = false;
          },
        };
      },
      async pauseRedis() {
        redis.pause();
        return { after: () => redis.resume() };
      },
    };

    const change = async () => {
      const { url } = random.pick(alive());
      const room = random.pick(town.rooms);
      const person = random.pick(town.people);
      const method = random.pick(['PUT', 'DELETE']);
      const action = random.pick(['private', 'members', 'bans', 'mutes', 'out', 'token', 'again']);
      if (action === 'private') {
        const isPrivate = random.integer(2) === 0;
        return town.rule(url, 'PATCH', `/rooms/${room}`, { private: isPrivate });
      }
      if (action === 'out') return town.rule(url, method, `/users/${person.name}/ban`);
      if (action === 'token') {
        if (!person.token) return;
        const status = await town.ask(url, 'DELETE', '/sessions', person.token);
        // Later than what has ended the old one.
        if (status === 204 && random.integer(2)) await Bun.sleep(20).then(() => town.renew(person));
        return;
      }
      if (action === 'again') {
        if (random.integer(3) > 0) return;
        await town.rule(url, 'DELETE', `/rooms/${room}`);
        return town.makeRoom(url, room, random.integer(2) === 0);
      }
      return town.rule(url, method, `/rooms/${room}/${action}/${person.name}`);
    };

    /** Every door that answers otherwise than the database would. */
    const wrong = async (): Promise<string[]> => {
      const truth = await town.truth();
      const checked = alive().flatMap(({ url }, n) =>
        town.people.map(async (person) => {
          const found: string[] = [];
          for (const room of town.rooms) {
            const expected = truth.get(`${person.name} ${room}`);
            if (!expected) continue;
            const answers = await town.answers(url, person, room);
            for (const [door, answer] of Object.entries(answers) as [Door, Answer][]) {
              if (answer === 'unknown' || answer === expected[door]) continue;
              found.push(`server ${n}: ${person.name} in ${room}: ${door} is ${answer}`);
            }
          }
          return found;
        }),
      );
      return (await Promise.all(checked)).flat();
    };

    const inside: { name: string; client: Client }[] = [];
    /** Returns those who hear what they may not, once that has lasted too long. */
    const eavesdroppers = async (): Promise<string[]> => {
      const deadline = performance.now() + INSIDE_MS;
      for (;;) {
        const truth = await town.truth();
        const said = `probe ${crypto.randomUUID()}`;
        for (const room of town.rooms) {
          const { url } = random.pick(alive());
          await town.rule(url, 'POST', '/messages', { username: 'owner', content: said, room });
        }
        await Bun.sleep(200);
        const found = inside.flatMap(({ name, client }) =>
          client.received.flatMap((frame) =>
            frame.type === 'message' &&
            frame.content === said &&
            truth.get(`${name} ${frame.room}`)?.read === 'no'
              ? [`${name} hears ${frame.room}`]
              : [],
          ),
        );
        if (found.length === 0 || performance.now() > deadline) return found;
      }
    };

    for (let round = 0; round < ROUNDS; round++) {
      for (const { client } of inside.splice(0)) client.socket.close();
      for (const person of town.people) {
        const client = await town.settle(random.pick(servers).url, person);
        if (client) inside.push({ name: person.name, client });
      }
      const picked = [random.pick(Object.keys(faults)), random.pick(Object.keys(faults))];
      const names = Object.keys(faults).filter((name) => picked.includes(name));
      const story = `round ${round}: ${names.join(', ')}`;
      const heals = [];
      for (const name of names) heals.unshift(await faults[name]?.());
      const changing = Array.from({ length: CHANGES }, async () => {
        await Bun.sleep(random.integer(1500));
        await change();
      });
      await Bun.sleep(1500);
      for (const heal of heals) await heal?.before?.();
      await Promise.all(changing);
      await town.quiet();
      await Bun.sleep(HOLDS_MS);
      const during = await wrong();
      const heard = await eavesdroppers();
      for (const heal of heals) await heal?.after?.();
      await town.quiet();
      await Bun.sleep(HOLDS_MS);
      const afterwards = await wrong();
      console.log(story);
      expect({ story, during, heard, afterwards }).toEqual({
        ...{ story, during: [], heard: [], afterwards: [] },
      });
    }
    for (const { client } of inside) client.socket.close();
    await town.close();
    for (const { kill, exited } of servers) {
      kill('SIGTERM');
      expect(await exited).toBe(0);
    }
  },
  180_000,
);
