import type { Clock } from '../../lib/clock.ts';
import type { RedisLink } from './link.ts';

export interface LeaseEvents {
  /** This server had no lease: it has just started, or the others have counted it as dead. */
  onNone(): void;
  /** Another server's lease has lapsed. @param silent the least time since its last sign of life, in milliseconds */
  onLapse(server: string, silent: number): void;
}

/** How long a server counts as alive after a sign of life, in milliseconds. */
const LEASE_MS = 5000;
/** How often a lease must be renewed, in milliseconds. */
export const RENEW_MS = 1000;
/** How often in a row a server must be missing before it counts as dead. */
const MISSES = 2;

/** Redis' own clock decides, so that servers need not agree on the time. */
const RENEW = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  local known = redis.call('ZSCORE', KEYS[1], ARGV[1]) and 1 or 0
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return { known, unpack(redis.call('ZRANGE', KEYS[1], 0, -1)) }`;

/** The live servers: each holds a lease in a sorted set, and renews it. */
export class Leases {
  /** The other servers, and how often in a row each was missing. */
  readonly #others = new Map<string, number>();
  #upSince = 0;

  /** @param options `key`: of the sorted set */
  constructor(
    private readonly options: {
      link: RedisLink;
      clock: Clock;
      key: string;
      server: string;
      events: LeaseEvents;
    },
  ) {}

  /** The other servers that are known to be alive. */
  get others(): string[] {
    return [...this.#others.keys()];
  }

  /** Starts again after an outage of Redis. The others need time to renew their leases too. */
  begin(): void {
    this.#upSince = this.options.clock.monotonic();
  }

  /** Notes a sign of life of a server. */
  noteAlive(server: string): void {
    if (!this.#others.has(server)) this.#others.set(server, 0);
  }

  /** Forgets a server that has announced its stop. */
  forget(server: string): void {
    this.#others.delete(server);
  }

  /** @throws the errors of {@link RedisLink.send} */
  async renew(): Promise<void> {
    const { link, clock, key, server: own, events } = this.options;
    const reply = await link.send('EVAL', RENEW, 1, key, own, LEASE_MS);
    const [known, ...alive] = reply as [number, ...string[]];
    if (known === 0) events.onNone();
    for (const server of alive) if (server !== own) this.#others.set(server, 0);
    if (clock.monotonic() - this.#upSince < LEASE_MS) return;
    for (const [server, missed] of this.#others) {
      if (alive.includes(server)) continue;
      this.#others.set(server, missed + 1);
      if (missed + 1 < MISSES) continue;
      this.#others.delete(server);
      events.onLapse(server, LEASE_MS);
    }
  }

  /** Gives the lease back. @throws the errors of {@link RedisLink.send} */
  async end(): Promise<void> {
    const { link, key, server } = this.options;
    await link.send('ZREM', key, server);
  }
}
