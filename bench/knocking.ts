import { LOAD_CORE, memoryOf, runScript, type Server } from './support.ts';

const chat = { members: 20, messagesPerSecond: 100, isOneSlow: false };
/** So many knock, of whom no more than a thousand wait for an answer at a time. */
const knocking = { perSecond: 6000, atMost: 1000 };

/** Of the messages in a room where people talk, in milliseconds. */
export interface Delays {
  p50: number;
  p99: number;
}

/** The delays of a chat of twenty at a steady pace. */
export function talk(url: string, seconds: number): Promise<Delays> {
  return runScript<Delays>('listeners.ts', { ...chat, url, seconds }, LOAD_CORE);
}

/** The same while others knock at a door, who are not let in. */
export async function talkAmid(
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
  // They knock from before the others talk until after.
  const length = seconds + 4;
  const input = { ...knocking, url, door, seconds: length };
  const [statuses, delays] = await Promise.all([
    runScript<Record<string, number>>('knockers.ts', input, LOAD_CORE),
    talk(ws + path, seconds + 2),
  ]);
  clearInterval(watch);
  console.log(
    `${JSON.stringify(statuses)} at ${door} in ${length} s; the server had ${Math.round(before)} MiB before, ${Math.round(most)} at most`,
  );
  return delays;
}
