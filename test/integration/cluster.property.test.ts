import { expect } from 'bun:test';
import { BreakableCluster, type ClusterServer, type Fault } from '../support/breakable-cluster.ts';
import { Crowd, rooms } from '../support/crowd.ts';
import { Observers } from '../support/observers.ts';
import { testWithOwnServices } from '../support/own-services.ts';
import { chooseSeed, seeded } from '../support/random.ts';

const SERVERS = 3;
const FAULTS = 20;
const STEPS_PER_FAULT = 50;
/** Between looks at whether another fault may begin. */
const PAUSE_MS = 100;
/** How long a fault lasts at most. */
const LASTS_MS = 3000;
/** A lease of five seconds, seen to have lapsed by the second look; and the grace. */
const LEASE_MS = 8000;

/** The parts that all servers share. */
const SHARED: Fault['of'][] = ['redis', 'postgres', 'rooms'];
type FaultName = keyof BreakableCluster['faults'];

/**
 * Delivery over several servers: random clients on three servers, of which some are killed, hang, or cannot publish, with
 * their Redis and their Postgres, which are killed, hang, take no writes, lose their data, are cut off, or
 * commit changes that nobody waits for any more.
 */
testWithOwnServices(
  'every client of three servers ends with the same messages, whatever fails',
  async () => {
    const random = seeded(chooseSeed('cluster'));
    const cluster = await BreakableCluster.start(SERVERS, {
      PRESENCE_GRACE: '1',
      // Counted in Redis, and never too many.
      MESSAGE_RATE: '100000',
      MESSAGE_BURST: '1000000',
    });
    const { servers } = cluster;
    const crowd = new Crowd(random, 'resumed');
    // In turn, so that chance goes by the seed alone.
    let turn = 0;
    const observers = new Observers(rooms, () => {
      turn += 1;
      return (cluster.running[turn % cluster.running.length] as ClusterServer).url;
    });
    const on = new Map(crowd.devices.map((device) => [device, random.pick(servers)]));

    // Each fault, and then some of them again, in any order.
    const names = Object.keys(cluster.faults) as FaultName[];
    const again = Array.from({ length: FAULTS - names.length }, () => random.pick(names));
    const plan = random.shuffle([...names, ...again]).map((name) => ({
      name,
      server: random.pick(servers),
      room: random.pick(rooms),
      lasts: random.integer(LASTS_MS),
    }));
    /** The broken parts, with the promises of their repair. */
    const healing = new Map<string, Promise<void>>();
    const key = (of: Fault['of'], server: ClusterServer) =>
      SHARED.includes(of) ? of : `${of} ${servers.indexOf(server)}`;
    const mayBegin = ({ name, server }: (typeof plan)[0]) => {
      if (healing.has(key(cluster.faults[name].of, server))) return false;
      // No server starts without its database.
      if (name === 'killServer') return !healing.has(key('connection to postgres', server));
      return name !== 'stopServer' || cluster.running.length > 1;
    };
    const begin = async ({ name, server, room, lasts }: (typeof plan)[0]) => {
      const { of, begin }: Fault = cluster.faults[name];
      const heal = await begin(server, room);
      if (!heal) return;
      const healed = Bun.sleep(lasts).then(async () => {
        await heal();
        healing.delete(key(of, server));
      });
      healing.set(key(of, server), healed);
    };

    for (let step = 1, left = STEPS_PER_FAULT; left > 0; step++) {
      if (plan.length === 0) left -= 1;
      const device = random.pick(crowd.devices);
      if (on.get(device)?.isStopped) device.drop();
      if (!device.isConnected) {
        const server = random.pick(cluster.running);
        on.set(device, server);
        if (await device.connect(server.ws)) crowd.enterSome(device);
      }
      await crowd.act(device, step);
      if (step % STEPS_PER_FAULT > 0) continue;
      const next = plan.findIndex(mayBegin);
      if (next === -1) await Bun.sleep(PAUSE_MS);
      for (const fault of next === -1 ? [] : plan.splice(next, 1)) {
        console.log(`cluster: step ${step}, ${fault.name} ${servers.indexOf(fault.server)}`);
        await begin(fault);
      }
    }
    await Promise.all(healing.values());

    const [first] = servers as [ClusterServer];
    // Clients that are still connected see everything live, also changes that no later one replaces.
    for (const device of crowd.devices) if (device.isConnected) await device.settle();
    await crowd.catchUp(first.url, LEASE_MS);

    for (const device of crowd.devices) on.set(device, random.pick(servers));
    const stored = await crowd.finish((device) => on.get(device)?.ws ?? first.ws, first.url);
    await observers.check(first.url, stored);

    // All are where they are, on whichever server one asks.
    const isPresent = async (usernames: string[], asked: ClusterServer[]) => {
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
    const usernames = crowd.authors.map(({ username }) => username);
    await isPresent(usernames, servers);
    // Those of a server that dies are gone when its lease has lapsed, and nobody else is.
    first.kill('SIGKILL');
    const rest = servers.slice(1);
    const left = usernames.filter((name) =>
      crowd.devices.some((device) => device.author.username === name && on.get(device) !== first),
    );
    await isPresent(left, rest);
    await cluster.stop(rest);
  },
  900_000,
);
