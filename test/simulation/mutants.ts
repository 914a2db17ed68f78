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
    /** Simulated minutes per seed. */
    minutes: { type: 'string', default: '8' },
  },
  allowPositionals: true,
});

const parts = ['src', 'test', 'client', 'package.json', 'tsconfig.json'];
/** The tree as it is now, since it may change meanwhile. */
const original = mkdtempSync(join(tmpdir(), 'mutant-'));
for (const part of parts) cpSync(join(root, part), join(original, part), { recursive: true });

/** @returns a copy of the tree with the fault */
function plant(mutant: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'mutant-'));
  cpSync(original, folder, { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const patch = join(original, 'test/simulation/mutants', `${mutant}.patch`);
  const applied = Bun.spawnSync(['git', 'apply', patch], { cwd: folder });
  if (!applied.success) throw new Error(`${mutant} does not apply: ${applied.stderr}`);
  return folder;
}

/** Runs seeds of a copy, in this process: the packages are there already. */
async function search(mutant: string): Promise<string> {
  const folder = plant(mutant);
  try {
    const { simulate } = await import(join(folder, 'test/simulation/simulation.ts'));
    const first = Number(values.seed);
    let minutes = 0;
    for (let seed = first; seed < first + Number(values.seeds); seed++) {
      const { time, world } = await simulate(seed, Number(values.minutes) * 60_000);
      minutes += time / 60_000;
      const { breach } = world.story;
      if (!breach) continue;
      const seen = breach.message.split('\n')[0].slice(0, 120);
      return `| ${mutant} | ${seed - first + 1} | ${minutes.toFixed(1)} min | ${seen} |`;
    }
    return `| ${mutant} | ${values.seeds} | ${minutes.toFixed(1)} min | **not found** |`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const mutants = readdirSync(patches)
  .map((file) => file.replace('.patch', ''))
  .filter((name) => positionals.length === 0 || positionals.some((part) => name.includes(part)))
  .sort();
console.log('| planted fault | seeds | simulated | seen as |\n| --- | --- | --- | --- |');
const rows: string[] = [];
for (const mutant of mutants) {
  const row = await search(mutant);
  rows.push(row);
  console.log(row);
}
rmSync(original, { recursive: true });
const missed = rows.filter((row) => row.includes('**not found**')).length;
console.log(`\n${rows.length - missed} of ${rows.length} found`);
process.exit(missed > 0 ? 1 : 0);
