import { readFileSync } from 'node:fs';
import { Client } from './client.ts';

/** Attempts before a delay counts: a busy machine causes delays by itself, now and then. */
const TRIES = 3;
/** From ping to ping, in milliseconds. */
const PING_EVERY_MS = 2;

/** A client in a room of its own that measures, again and again, how long the server takes to answer. */
export class Witness {
  private constructor(
    private readonly client: Client,
    private readonly pid: number,
  ) {}

  /**
   * @param server its address of `/ws`, and its process
   * @param apiKey so that the frames are not counted
   */
  static async join({ ws, pid }: { ws: string; pid: number }, apiKey?: string): Promise<Witness> {
    const client = await Client.connect(apiKey === undefined ? ws : `${ws}?token=${apiKey}`);
    const username = `witness-${crypto.randomUUID().slice(0, 8)}`;
    client.send({ type: 'join', username, room: username, protocol: 1 });
    await client.untilType('joined');
    return new Witness(client, pid);
  }

  /**
   * @param by the kind of frame: a message needs the database
   * @returns the longest time, in milliseconds, that a pong or an ack took while something was done
   */
  async delayDuring(act: () => Promise<unknown>, by: 'ping' | 'message'): Promise<number> {
    let longest = 0;
    let isOver = false;
    const acting = act().finally(() => {
      isOver = true;
    });
    // It may fail long before it is awaited.
    acting.catch(() => {});
    do {
      const start = performance.now();
      if (by === 'ping') {
        this.client.send({ type: 'ping' });
        await this.client.untilType('pong');
      } else {
        this.client.send({ type: 'message', content: 'x', id: crypto.randomUUID() });
        await this.client.untilType('ack');
      }
      longest = Math.max(longest, performance.now() - start);
      await Bun.sleep(PING_EVERY_MS);
    } while (!isOver);
    await acting;
    this.client.forget();
    return longest;
  }

  /** The same of the quickest of a few tries; more are made only while it was slower than `enough`. */
  async leastDelay(
    act: () => Promise<unknown>,
    enough: number,
    by: 'ping' | 'message' = 'ping',
  ): Promise<number> {
    let least = Infinity;
    for (let tries = 0; tries < TRIES && least > enough; tries++) {
      const before = loopTimeOf(this.pid);
      const delay = await this.delayDuring(act, by);
      const worked = loopTimeOf(this.pid) - before;
      // A pong waits for the event loop alone: the time beyond its work is the machine's delay.
      const isOfLoop = by === 'ping' && worked < delay;
      least = Math.min(least, isOfLoop ? worked : delay);
    }
    return least;
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

/**
 * How long the event loop of a process has been at work, in milliseconds; unlike a delay, it says the same on a
 * busy machine. On Linux only.
 *
 * @see https://docs.kernel.org/scheduler/sched-stats.html
 */
export function loopTimeOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8');
    return Number(stat.split(' ')[0]) / 1e6;
  } catch {
    return Number.NaN;
  }
}
