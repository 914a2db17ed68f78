/**
 * `bun bench/message-cpu.ts [members]`: the processor time of the server and of Postgres for each message, in a room
 * with ten senders, each with twenty messages outstanding. On a busy machine it says more than speed does.
 */
import { SQL } from 'bun';
import {
  cpuOf,
  cpuOfAll,
  LOAD_CORE,
  median,
  runScript,
  type Server,
  withDatabase,
  withServer,
} from './support.ts';

const ROUNDS = 3;
const SECONDS = 5;
const members = Number(process.argv[2] ?? 10);

/** The microseconds of each message between two moments of a load. */
async function measure({ ws, pid }: Server, databaseUrl: string) {
  const sql = new SQL(databaseUrl, { max: 1 });
  const now = async () => {
    const [{ stored }] = await sql`select sum(rev)::float8 as stored from rooms`;
    return { stored, server: cpuOf(pid), postgres: cpuOfAll('postgres'), at: performance.now() };
  };
  const load = { members, senders: 10, outstanding: 20, seconds: SECONDS, dialect: 'json' };
  const running = runScript('members.ts', { ...load, urls: [`${ws}/ws`] }, LOAD_CORE);
  await Bun.sleep(1500);
  const before = await now();
  await Bun.sleep(SECONDS * 1000 - 1000);
  const after = await now();
  await running;
  await sql.close();
  const messages = after.stored - before.stored;
  return {
    server: ((after.server - before.server) / messages) * 1e6,
    postgres: ((after.postgres - before.postgres) / messages) * 1e6,
    rate: messages / ((after.at - before.at) / 1000),
  };
}

const rounds: Awaited<ReturnType<typeof measure>>[] = [];
for (let round = 0; round < ROUNDS; round++) {
  rounds.push(
    await withDatabase((url) =>
      withServer({ DATABASE_URL: url }, (server) => measure(server, url)),
    ),
  );
}
const of = (name: 'server' | 'postgres' | 'rate') => median(rounds.map((round) => round[name]));
console.log(
  `${members} in the room: ${of('server').toFixed(1)} µs of the server and ${of('postgres').toFixed(1)} µs of Postgres for each message, at ${of('rate').toFixed(0)} messages/s`,
);
process.exit();
