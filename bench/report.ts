/** Writes the results of the benchmarks of `reach`: the table of docs/performance.md and its chart. */
import { cpus } from 'node:os';
import { SQL } from 'bun';
import { chart } from './chart.ts';
import { peers } from './peers/index.ts';
import { versionOf } from './peers/peer.ts';
import { aimOf, figure, type Reaching, shareOf } from './result.ts';
import { postgresUrl, type Scale } from './support.ts';

const docs = new URL('../docs/', import.meta.url).pathname;
const BEGIN = '<!-- table: reach -->';
const END = '<!-- end -->';

export type Measured = Reaching & { command: string };

/** @param load the average load of the machine before */
export async function writeReport(results: Measured[], scale: Scale, load: number): Promise<void> {
  const conditions = await describe(scale, load);
  await Bun.write(`${docs}performance.svg`, chart(results, conditions));
  const file = `${docs}performance.md`;
  const text = await Bun.file(file).text();
  const [from, to] = [text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)];
  const shown = `\n\n${table(results)}\n\n${conditions.join('. ')}.\n\n`;
  await Bun.write(file, text.slice(0, from) + shown + text.slice(to));
  Bun.spawnSync([`${docs}../node_modules/.bin/biome`, 'format', '--write', file]);
  console.log(`${conditions.join('. ')}.\nwrote docs/performance.md and docs/performance.svg`);
}

/** The machine, the versions and the length of the measurement. */
async function describe({ rounds, seconds }: Scale, load: number): Promise<string[]> {
  const cores = cpus();
  const client = new SQL(postgresUrl, { max: 1 });
  const [row] = await client`show server_version`;
  await client.close();
  const versions = peers
    .filter(({ missing }) => !missing)
    .map((peer) => `${peer.name} ${peer.version()}`.trim());
  return [
    `${new Date().toISOString().slice(0, 10)}, ${cores.length} cores of ${cores[0]?.model.trim()}, load average before ${figure(load, 2)}`,
    `Bun ${Bun.version}, Node ${versionOf('node', '--version')}, Postgres ${row.server_version.split(' ')[0]}`,
    versions.join(', '),
    rounds === 1
      ? `One round of ${seconds} s, which is short`
      : `Medians of ${rounds} rounds of ${seconds} s`,
  ];
}

function table(results: Measured[]): string {
  const rows = results.map((result) => [
    `\`${result.command}\``,
    result.what,
    figure(result.value),
    `${figure(result.peer)}: ${result.peerName}`,
    figure(result.value / result.peer, 3),
    `${aimOf(result.aim)}${result.aim.of === 'ratio' ? ' × the peer' : ''}`,
    shareOf(result) >= 1 ? 'yes' : 'no',
  ]);
  const head = ['`bun run bench …`', 'measure', 'this server', 'a peer', 'ratio', 'reach', 'there'];
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}
