/**
 * `bun run bench [name …] [--short]`: runs the named benchmarks, or all, and prints a table.
 * `reach` names all that have an aim, and writes their table and chart into docs/.
 */
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { client } from './client.ts';
import { cluster } from './cluster.ts';
import { connections } from './connections.ts';
import { durableMessages } from './durable-messages.ts';
import { fanOut } from './fan-out.ts';
import { flood } from './flood.ts';
import { handshakes } from './handshakes.ts';
import { history } from './history.ts';
import { hops } from './hops.ts';
import { hostile } from './hostile.ts';
import { latency } from './latency.ts';
import { others } from './others.ts';
import { refusals } from './refusals.ts';
import { writeReport } from './report.ts';
import { aimOf, figure, isReaching, type Result } from './result.ts';
import { resume } from './resume.ts';
import { rollingRestart } from './rolling-restart.ts';
import { searchCost } from './search-cost.ts';
import { slowReader } from './slow-reader.ts';
import type { Scale } from './support.ts';

const benchmarks: Record<string, (scale: Scale) => Promise<Result[]>> = {
  'fan-out': fanOut,
  others,
  latency,
  connections,
  resume,
  cluster,
  handshakes,
  client,
  'durable-messages': durableMessages,
  flood,
  history,
  hops,
  hostile: () => hostile(),
  refusals,
  'rolling-restart': rollingRestart,
  'search-cost': searchCost,
  'slow-reader': slowReader,
};

/** Benchmarks that have an aim. */
const reach = ['fan-out', 'others', 'latency', 'connections', 'resume', 'cluster', 'handshakes'];

/** Benchmarks that take minutes, and run only when they are named. */
const slow = ['history', 'hostile'];

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { short: { type: 'boolean', default: false } },
});
const all = Object.keys(benchmarks);
const unknown = positionals.filter((name) => name !== 'reach' && !all.includes(name));
if (unknown.length > 0) {
  console.error(`There is no benchmark "${unknown}"; there are reach, ${all.join(', ')}`);
  process.exit(1);
}
const isWhole = positionals.includes('reach');
const wanted = isWhole
  ? reach
  : all.filter((name) => (positionals[0] ? positionals.includes(name) : !slow.includes(name)));
const scale: Scale = values.short ? { rounds: 1, seconds: 2 } : { rounds: 3, seconds: 3 };

const [load = 0] = loadavg();
const measured: { command: string; results: Result[] }[] = [];
for (const command of wanted) {
  console.log(`running ${command} …`);
  try {
    const results = (await benchmarks[command]?.(scale)) ?? [];
    measured.push({ command, results });
  } catch (error) {
    // A failed benchmark does not stop the others.
    console.error(`${command} failed:`, error);
    process.exitCode = 1;
  }
}
const lines = measured.flatMap(({ command, results }) =>
  results.map((result) => ({ command, ...result })),
);
console.table(
  lines.map(({ command, what, value, peer, peerName, ...rest }) => ({
    command,
    what,
    'this server': figure(value),
    peer: figure(peer),
    'the peer is': peerName,
    ratio: figure(value / peer, 3),
    aim: aimOf(rest.aim),
  })),
);
if (isWhole) await writeReport(lines.filter(isReaching), scale, load);
process.exit();
