/** `bun run bench [name]`: runs the benchmarks, all or one, and prints a table. */
import { client } from './client.ts';
import { cluster } from './cluster.ts';
import { connections } from './connections.ts';
import { durableMessages } from './durable-messages.ts';
import { fanOut } from './fan-out.ts';
import { flood } from './flood.ts';
import { history } from './history.ts';
import { refusals } from './refusals.ts';
import { resume } from './resume.ts';
import { rollingRestart } from './rolling-restart.ts';
import { searchCost } from './search-cost.ts';
import { slowReader } from './slow-reader.ts';
import type { Result } from './support.ts';

const benchmarks: Record<string, () => Promise<Result[]>> = {
  client,
  cluster,
  connections,
  'durable-messages': durableMessages,
  'fan-out': fanOut,
  flood,
  history,
  refusals,
  resume,
  'rolling-restart': rollingRestart,
  'search-cost': searchCost,
  'slow-reader': slowReader,
};

/** These take minutes, and run only when they are named. */
const slow = ['history'];

const wanted = process.argv[2];
if (wanted && !(wanted in benchmarks)) {
  console.error(
    `There is no benchmark "${wanted}"; there are ${Object.keys(benchmarks).join(', ')}`,
  );
  process.exit(1);
}

const results: Result[] = [];
for (const [name, run] of Object.entries(benchmarks)) {
  if (wanted ? wanted !== name : slow.includes(name)) continue;
  console.log(`running ${name} …`);
  results.push(...(await run()));
}
console.table(
  results.map(({ what, value, peer, peerName, aim }) => ({
    what,
    'this server': Number(value.toPrecision(4)),
    peer: Number(peer.toPrecision(4)),
    'the peer is': peerName,
    ratio: Number((value / peer).toFixed(2)),
    aim,
  })),
);
process.exit();
