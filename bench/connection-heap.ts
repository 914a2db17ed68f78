/**
 * `bun bench/connection-heap.ts`: the objects and KiB on the heap of this server for each open connection that has
 * joined, all in one room and each in its own. Memory of the process, which `bench connections` measures, follows
 * the heap's capacity and says less.
 */
import { heapStats } from 'bun:jsc';
import { createApp } from '../src/app.ts';
import { readSettings } from '../src/config.ts';
import { openDatabase } from '../src/db/index.ts';
import { createLogger } from '../src/log.ts';
import { withDatabase } from './support.ts';

const CONNECTIONS = 2000;

/** The heap without garbage: its size includes what objects hold outside of it, which is let go only bit by bit. */
async function heap() {
  for (let n = 0; n < 5; n++) {
    Bun.gc(true);
    await Bun.sleep(500);
  }
  const { objectCount, heapSize, objectTypeCounts } = heapStats();
  return { objectCount, bytes: heapSize, objectTypeCounts };
}

/** Opens connections from another process. @returns the function that closes them */
async function hold(input: object): Promise<() => Promise<void>> {
  const script = new URL('./idle-connections.ts', import.meta.url).pathname;
  const child = Bun.spawn([process.execPath, script, JSON.stringify({ ...input, isHeld: true })], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  for await (const _ of child.stdout) break;
  return async () => {
    child.stdin.end();
    await child.exited;
  };
}

await withDatabase(async (databaseUrl) => {
  const database = await openDatabase({ databaseUrl, dataDir: '' });
  const settings = {
    ...readSettings({ MESSAGE_RATE: '0', REQUEST_RATE: '0', MAX_CONNECTIONS_PER_IP: '0' }),
    port: 0,
  };
  const app = await createApp({ settings, database, log: createLogger('silent') });
  const url = `${app.listen().replace('http', 'ws')}/ws`;
  const open = (connections: number, together: number) =>
    hold({ url, pid: process.pid, connections, together });
  const release = await open(200, 10);
  for (const [where, together] of [
    ['all in one room', CONNECTIONS * 2],
    ['each in its own', 1],
  ] as const) {
    const before = await heap();
    const close = await open(CONNECTIONS, together);
    const after = await heap();
    const each = (value: number) => value / CONNECTIONS;
    const types = Object.entries(after.objectTypeCounts)
      .map(([type, n]): [string, number] => [type, each(n - (before.objectTypeCounts[type] ?? 0))])
      .filter(([, n]) => n > 0.5)
      .sort(([, a], [, b]) => b - a);
    console.log(
      `${where}: ${each(after.objectCount - before.objectCount).toFixed(1)} objects, ${(each(after.bytes - before.bytes) / 1024).toFixed(2)} KiB`,
    );
    console.log(`  ${types.map(([type, n]) => `${type} ${n.toFixed(1)}`).join(', ')}`);
    await close();
    await Bun.sleep(8000);
  }
  await release();
  await app.stop();
  await database.close();
});
process.exit();
