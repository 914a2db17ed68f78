/**
 * Repeats a property test with fresh seeds, several at once:
 *
 *     bun test/campaign.ts --runs 100 --at-once 3 test/integration/delivery.property.test.ts -t Postgres
 *
 * Prints a line a run; keeps the output of those that fail. Ends with 1 when any did. A run that waited for a
 * processor for most of its time says nothing about the server, whose deadlines pass meanwhile.
 */
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '100' },
    'at-once': { type: 'string', default: '3' },
    /** A pattern of the names of the tests. */
    test: { type: 'string', short: 't', default: '' },
  },
});
const runs = Number(values.runs);
const folder = mkdtempSync(join(tmpdir(), 'ws-chat-campaign-'));
let [begun, done, failed] = [0, 0, 0];

async function repeat(): Promise<void> {
  while (begun < runs) {
    begun += 1;
    const seed = Math.floor(Math.random() * 2 ** 32);
    const log = join(folder, `${seed}.log`);
    const from = performance.now();
    const output = openSync(log, 'w');
    const command = [process.execPath, 'test', '--timeout', '300000', ...files, '-t', values.test];
    const child = Bun.spawn(command, {
      env: { ...process.env, SEED: `${seed}`, REQUIRE_SERVICES: '1' },
      stdout: output,
      stderr: output,
    });
    let waited = 0;
    const sampling = setInterval(() => {
      waited = waitedFor(child.pid) ?? waited;
    }, 500);
    const isGood = (await child.exited) === 0;
    clearInterval(sampling);
    closeSync(output);
    done += 1;
    if (isGood) await Bun.file(log).delete();
    else failed += 1;
    const seconds = Math.round((performance.now() - from) / 1000);
    // With its descendants that have ended.
    const busy = Math.round(Number(child.resourceUsage()?.cpuTime.total) / 1e6);
    const times = `${seconds} s, ${busy} s busy, ${waited} s waiting for a processor`;
    const result = isGood ? 'passed' : `FAILED, see ${log}`;
    console.log(`${done}/${runs}: SEED=${seed} ${times}: ${result}`);
  }
}

/** The seconds for which the test itself, without its servers, was ready to run and did not; undefined where no one counts them. */
function waitedFor(pid: number): number | undefined {
  try {
    const [, waited] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ');
    return Math.round(Number(waited) / 1e9);
  } catch {
    return;
  }
}

console.log(`${files} ${values.test}: ${new Date().toISOString()}`);
await Promise.all(Array.from({ length: Number(values['at-once']) }, repeat));
console.log(`${runs} runs, ${failed} failed: ${new Date().toISOString()}`);
process.exit(failed === 0 ? 0 : 1);
