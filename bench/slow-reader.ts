/**
 * A hundred members of a busy room, one of which stops reading: the delay of the other 99, the memory of the
 * server, and the close code of that one. The peer is the same room while all of them read.
 */
import type { Result } from './result.ts';
import { memoryOf, runScript, startServer, withFolder } from './support.ts';

const load = { members: 100, messagesPerSecond: 250, seconds: 8 };

interface Outcome {
  p50: number;
  p99: number;
  /** The close code of the slow reader, if there was one. */
  code?: number;
}

export async function slowReader(): Promise<Result[]> {
  return withFolder(async (dataDir) => {
    const server = await startServer({ DATA_DIR: dataDir });
    const run = (isOneSlow: boolean) =>
      runScript<Outcome>('listeners.ts', { ...load, url: `${server.ws}/ws`, isOneSlow });
    const before = await run(false);
    const calm = memoryOf(server.pid);
    const slow = await run(true);
    const after = memoryOf(server.pid);
    await server.stop();
    console.log(
      `the slow one was closed with ${slow.code}; the server had ${Math.round(calm)} MiB before and ${Math.round(after)} MiB after`,
    );
    const peerName = 'the same while all read';
    return [
      { what: 'delay, ms, median of 99', value: slow.p50, peer: before.p50, peerName, aim: '≈ 1' },
      {
        what: 'delay, ms, 99th percentile',
        value: slow.p99,
        peer: before.p99,
        peerName,
        aim: '≈ 1',
      },
    ];
  });
}
