import { LOAD_CORE, memoryOf, runScript, type Server } from './support.ts';

const chat = { members: 20, messagesPerSecond: 100, isOneSlow: false };
/** A second, with no more than a thousand at a time waiting for an answer. */
const refused = { perSecond: 6000, atMost: 1000 };

/** Percentiles of the milliseconds from sending a message to each of its deliveries. */
export interface Delays {
  p50: number;
  p99: number;
}

/** Delays in a room of twenty, at a steady pace. */
export function delays(url: string, seconds: number): Promise<Delays> {
  return runScript<Delays>('listeners.ts', { ...chat, url, seconds }, LOAD_CORE);
}

/** The same while other clients try to sign in, or to connect, and are refused. */
export async function delaysDuring(
  door: 'ws' | 'sessions',
  { ws, http: url, pid }: Server,
  path: string,
  seconds: number,
): Promise<Delays> {
  const before = memoryOf(pid);
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, memoryOf(pid));
  }, 50);
  // The refused clients begin before the chat and end after it.
  const length = seconds + 4;
  const input = { ...refused, url, door, seconds: length };
  const [statuses, measured] = await Promise.all([
    runScript<Record<string, number>>('refused-clients.ts', input, LOAD_CORE),
    delays(ws + path, seconds + 2),
  ]);
  clearInterval(watch);
  console.log(
    `${JSON.stringify(statuses)} at ${door} in ${length} s; the server had ${Math.round(before)} MiB before, ${Math.round(most)} at most`,
  );
  return measured;
}
