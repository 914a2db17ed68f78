import { flakyProxy } from './flaky-proxy.ts';
import { restartReady, startReady } from './process.ts';
import type { seeded } from './random.ts';

/** How long the network is away, or the server hangs, at most, in milliseconds. */
const MAX_FAULT_MS = 300;

/** A server that clients reach through a proxy, and the faults that a test may cause in both. */
export async function unreliableServer(
  settings: Record<string, string>,
  random: ReturnType<typeof seeded>,
) {
  let server = await startReady(settings);
  const { url } = server;
  const proxy = await flakyProxy(url);
  const restart = async (signal: 'SIGKILL' | 'SIGTERM') => {
    server.kill(signal);
    await server.exited;
    server = await restartReady({ ...settings, PORT: new URL(url).port });
  };
  return {
    /** Of the server itself: the same after a restart. */
    url,
    proxy,
    faults: {
      kill: () => restart('SIGKILL'),
      drain: () => restart('SIGTERM'),
      cut: async () => proxy.cutInTheMiddle(),
      away: async () => {
        proxy.isAway = true;
        await Bun.sleep(random.integer(MAX_FAULT_MS));
        proxy.isAway = false;
      },
      hang: async () => {
        server.kill('SIGSTOP');
        await Bun.sleep(random.integer(MAX_FAULT_MS));
        server.kill('SIGCONT');
      },
    },
    /** Stops the server. @returns its exit code */
    stop: () => {
      server.kill('SIGTERM');
      return server.exited;
    },
  };
}
