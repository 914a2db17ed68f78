/**
 * One server and several: the processor time of a delivery in one busy room whose members are spread over
 * them. All servers share one core, so that time by the clock would say little.
 */
import { type Result, ratioAtMost } from './result.ts';
import {
  cpuOf,
  cpuOfAll,
  LOAD_CORE,
  median,
  redisUrl,
  runScript,
  type Scale,
  SERVER_CORE,
  type Server,
  startServer,
  withDatabase,
} from './support.ts';

const load = { members: 99, senders: 9, outstanding: 20, dialect: 'json' };
/**
 * Messages before those that are measured: three servers that share a core compile their code for three times as long
 * as one, and all of this is over then.
 */
const WARM_UP = 30_000;
const OURS = [process.execPath, 'src/index.ts'];
/** Starts servers with one database, for the time of `use`. */
export async function withServers<T>(
  count: number,
  env: object,
  use: (servers: Server[]) => Promise<T>,
) {
  return withDatabase(async (url) => {
    const shared = { DATABASE_URL: url, AUTH_SECRET: crypto.randomUUID(), ...env };
    const servers: Server[] = [];
    try {
      for (let n = 0; n < count; n++) servers.push(await startServer(shared, OURS, SERVER_CORE));
      return await use(servers);
    } finally {
      for (const { stop } of servers) await stop();
    }
  });
}

/** Deliveries a second; microseconds of the servers' processor time for each, and of the others' for each message. */
async function deliver(servers: Server[], seconds: number) {
  const cpu = () => [
    servers.reduce((sum, { pid }) => sum + cpuOf(pid), 0),
    cpuOfAll('redis-server'),
    cpuOfAll('postgres'),
  ];
  const urls = servers.map(({ ws }) => `${ws}/ws`);
  await runScript('members.ts', { ...load, seconds: 0, messages: WARM_UP, urls }, LOAD_CORE);
  const before = cpu();
  const { deliveries, total } = await runScript<{ deliveries: number; total: number }>(
    'members.ts',
    { ...load, seconds, urls },
    LOAD_CORE,
  );
  const [ours = 0, redis = 0, postgres = 0] = cpu().map(
    (after, n) => ((after - (before[n] as number)) / total) * 1e6,
  );
  const { members } = load;
  return { deliveries, cpu: ours, redis: redis * members, postgres: postgres * members };
}

/** Microseconds of processor time for each message of a room: of its server, and of one without users in the room. */
async function standBy(servers: Server[], seconds: number) {
  const [busy, bystander] = servers as [Server, Server];
  const before = [cpuOf(busy.pid), cpuOf(bystander.pid)] as const;
  const { total } = await runScript<{ total: number }>(
    'members.ts',
    { ...load, seconds, urls: [`${busy.ws}/ws`] },
    LOAD_CORE,
  );
  const each = (pid: number, from: number) => ((cpuOf(pid) - from) / (total / load.members)) * 1e6;
  return { busy: each(busy.pid, before[0]), bystander: each(bystander.pid, before[1]) };
}

export async function cluster({ rounds, seconds }: Scale): Promise<Result[]> {
  const withRedis = { REDIS_URL: redisUrl };
  const measure = (servers: Server[]) => deliver(servers, seconds);
  const kinds = {
    'one server': () => withServers(1, {}, measure),
    'one with Redis': () => withServers(1, withRedis, measure),
    'two servers': () => withServers(2, withRedis, measure),
    'three servers': () => withServers(3, withRedis, measure),
  };
  const measured: ({ kind: string } & Awaited<ReturnType<typeof deliver>>)[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const [kind, run] of Object.entries(kinds)) measured.push({ kind, ...(await run()) });
  }
  const of = (kind: string, what: 'deliveries' | 'cpu' | 'redis' | 'postgres') =>
    median(measured.filter((each) => each.kind === kind).map((each) => each[what]));
  console.table(
    Object.keys(kinds).map((kind) => ({
      kind,
      'deliveries/s': Math.round(of(kind, 'deliveries')),
      'µs of the servers’ CPU per delivery': Number(of(kind, 'cpu').toPrecision(3)),
      'of Redis’ per message': Number(of(kind, 'redis').toPrecision(3)),
      'of Postgres’ per message': Number(of(kind, 'postgres').toPrecision(3)),
    })),
  );

  const { busy, bystander } = await withServers(2, withRedis, (servers) =>
    standBy(servers, seconds),
  );
  return [
    {
      what: 'µs of CPU per delivery, 99 in a room on three servers',
      value: of('three servers', 'cpu'),
      peer: of('one server', 'cpu'),
      peerName: 'one server',
      aim: ratioAtMost(1.6),
    },
    {
      what: 'µs of CPU per message, on a server where nobody is in the room',
      value: bystander,
      peer: busy,
      peerName: 'the server of the room’s 99 members',
      aim: '< 0.1',
    },
  ];
}
