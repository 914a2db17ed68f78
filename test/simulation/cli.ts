/**
 * `bun run simulate --seed N --hours H`: runs a seed, and prints the events that led to a failure; `--only` takes a
 * pattern of the lines to print.
 */
import { parseArgs } from 'node:util';
import { simulate } from './simulation.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    /** How many seeds, one after the other. */
    seeds: { type: 'string', default: '1' },
    hours: { type: 'string', default: '1' },
    lines: { type: 'string', default: '150' },
    only: { type: 'string' },
  },
});
const first = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
for (let seed = first; seed < first + Number(values.seeds); seed++) await run(seed);

/** Ends the process with 1 when a promise was broken. */
async function run(seed: number): Promise<void> {
  console.log(`seed ${seed}, ${values.hours} h`);
  const [begun, before] = [performance.now(), process.cpuUsage()];
  const { time, hash, lines, faults, world } = await simulate(
    seed,
    Number(values.hours) * 3600_000,
  );
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(before);
  const busy = (user + system) / 1e6;
  console.log(
    `${(time / 60_000).toFixed(1)} min in ${seconds.toFixed(1)} s, ${busy.toFixed(1)} s of the processor: ` +
      `${(time / 1000 / busy).toFixed(0)} times as fast as it would be`,
  );
  console.log(`${lines} lines, hash ${hash.slice(0, 16)}`);
  console.log([...faults].map(([name, count]) => `${name} ${count}`).join(', '));
  const { breach } = world.story;
  if (!breach) return;
  const only = values.only === undefined ? undefined : new RegExp(values.only);
  console.log(world.story.latest(Number(values.lines), only).join('\n'));
  console.log(`\nseed ${seed}: ${breach.message}`);
  process.exit(1);
}
process.exit(0);
