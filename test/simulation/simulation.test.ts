import { expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { chooseSeed } from '../support/random.ts';
import { testWithPostgres } from '../support/services.ts';
import { simulate } from './simulation.ts';

const root = new URL('../../', import.meta.url).pathname;
const patches = join(root, 'test/simulation/mutants');

/** About how many simulated milliseconds one second of an idle machine gets through. */
const MS_PER_SECOND = 60_000;
/** A bound of simulated time, so that a busy machine takes longer and tries no less. */
const SECONDS = Number(process.env.SIMULATION_SECONDS ?? 120);
/** A busy machine takes longer. */
const TIMEOUT_MS = 3600_000;
/** A seed's worth: a few times of faults, each with its quiet point. */
const RUN_MS = 6 * 60_000;

/** The first seed: another one for each commit, so that a failure can be repeated; outside of a repository, for each run. */
function firstSeed(): number {
  const { stdout } = Bun.spawnSync(['git', 'rev-parse', 'HEAD'], { cwd: root });
  const commit = Number.parseInt(stdout.toString().slice(0, 7), 16);
  if (process.env.SEED || Number.isNaN(commit)) return chooseSeed('simulation');
  console.log(`simulation: SEED=${commit}`);
  return commit;
}

/** @throws with the story, when a promise was broken */
async function run(seed: number, ms: number) {
  const { world, ...rest } = await simulate(seed, ms);
  const { breach } = world.story;
  if (!breach) return rest;
  const again = `bun run simulate --seed ${seed} --hours ${ms / 3600_000}`;
  throw new Error(`${world.story.latest(150).join('\n')}\n\n${breach.message}\n${again}`);
}

testWithPostgres(
  'one seed gives one story, byte for byte',
  async () => {
    const [one, other] = [await run(7, 100_000), await run(7, 100_000)];
    expect(one.lines).toBeGreaterThan(500);
    expect(other.hash).toBe(one.hash);
    expect((await run(8, 20_000)).hash).not.toBe(one.hash);
  },
  TIMEOUT_MS,
);

testWithPostgres(
  'three servers keep every promise to their clients, whatever fails',
  async () => {
    let seed = firstSeed();
    for (let left = SECONDS * MS_PER_SECOND; left > 0; seed++) {
      const { time } = await run(seed, Math.min(left, RUN_MS));
      left -= time;
    }
  },
  TIMEOUT_MS,
);

test('the planted faults still fit the program', () => {
  const files = readdirSync(patches);
  expect(files.length).toBe(22);
  const misfits = files.filter((file) => {
    const check = ['git', 'apply', '--check', join(patches, file)];
    return !Bun.spawnSync(check, { cwd: root }).success;
  });
  expect(misfits).toEqual([]);
});
