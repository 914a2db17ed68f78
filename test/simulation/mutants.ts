/**
 * `bun test/simulation/mutants.ts [name…]`: plants one fault after the other in a copy of the tree, and runs seeds
 * until the simulation finds it or the budget is spent.
 */
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const root = new URL('../../', import.meta.url).pathname;
const patches = join(root, 'test/simulation/mutants');

const { values, positionals } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    /** Seeds per fault. */
    seeds: { type: 'string', default: '8' },
    /** Simulated hours per seed. */
    hours: { type: 'string', default: '0.1' },
    jobs: { type: 'string', default: '2' },
  },
  allowPositionals: true,
});

interface Found {
  mutant: string;
  seed?: number;
  /** The breach that was seen. */
  breach?: string;
  seconds: number;
}

async function run(mutant: string): Promise<Found> {
  const folder = mkdtempSync(join(tmpdir(), 'mutant-'));
  const begun = performance.now();
  const seconds = () => Math.round((performance.now() - begun) / 1000);
  try {
    for (const part of ['src', 'test', 'client', 'package.json', 'tsconfig.json']) {
      cpSync(join(root, part), join(folder, part), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    const patch = ['git', 'apply', join(patches, `${mutant}.patch`)];
    const applied = Bun.spawnSync(patch, { cwd: folder });
    if (!applied.success) throw new Error(`${mutant} does not apply: ${applied.stderr}`);
    const { seed, seeds, hours } = values;
    const args = ['--seed', seed, '--seeds', seeds, '--hours', hours, '--lines', '1'];
    const child = Bun.spawn(['bun', 'test/simulation/cli.ts', ...args], {
      cwd: folder,
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const output = await new Response(child.stdout).text();
    if ((await child.exited) === 0) return { mutant, seconds: seconds() };
    const [, found, breach = ''] = /\nseed (\d+): (.*)\n$/.exec(output) ?? [];
    return { mutant, seed: Number(found), breach, seconds: seconds() };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const mutants = readdirSync(patches)
  .map((file) => file.replace('.patch', ''))
  .filter((name) => positionals.length === 0 || positionals.some((part) => name.includes(part)))
  .sort();
const results: Found[] = [];
const waiting = [...mutants];
const work = async () => {
  for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
    const found = await run(mutant);
    results.push(found);
    console.log(`${mutant}: ${found.breach ?? 'NOT FOUND'} (${found.seconds} s)`);
  }
};
await Promise.all(Array.from({ length: Number(values.jobs) }, work));

results.sort((a, b) => (a.mutant < b.mutant ? -1 : 1));
console.log('\n| planted fault | seeds | seen as |\n| --- | --- | --- |');
for (const { mutant, seed, breach } of results) {
  const tried = seed === undefined ? values.seeds : seed - Number(values.seed) + 1;
  console.log(`| ${mutant} | ${tried} | ${breach?.slice(0, 120) ?? '**not found**'} |`);
}
const count = results.filter(({ seed }) => seed !== undefined).length;
console.log(`\n${count} of ${results.length} found`);
process.exit(count === results.length ? 0 : 1);
