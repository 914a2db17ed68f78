import type { RedisLink } from './redis-link.ts';

export interface LeaseEvents {
  /** This server had no lease: it has just begun, or others have taken it for dead. */
  onNone(): void;
  /** Another server's lease has lapsed. @param silent for how long at least it gave no sign of life, in milliseconds */
  onLapse(server: string, silent: number): void;
}

/** For so long a server counts as alive after a sign of life. */
const LEASE_MS = 5000;
/** To be renewed so often, in milliseconds. */
export const RENEW_MS = 1000;
/** How often in a row a server must be missing. */
const MISSES = 2;

/** Redis' own clock decides, so that no two servers need agree on the time. */
const RENEW = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  local known = redis.call('ZSCORE', KEYS[1], ARGV[1]) and 1 or 0
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return { known, unpack(redis.call('ZRANGE', KEYS[1], 0, -1)) }`;

/** Which servers are alive: each holds a lease in a sorted set, and renews it. */
export class Leases {
  /** The others, and how often in a row each was missing. */
  readonly #others = new Map<string, number>();
  #upSince = 0;

  /** @param key of the sorted set */
  constructor(
    private readonly link: RedisLink,
    private readonly key: string,
    private readonly server: string,
    private readonly events: LeaseEvents,
  ) {}

  /** The other servers that are alive, as far as is known. */
  get others(): string[] {
    return [...this.#others.keys()];
  }

  /** Redis is there again. The others need time to renew their leases too. */
  begin(): void {
    this.#upSince = performance.now();
  }

  /** Something came from this server. */
  heard(server: string): void {
    if (!this.#others.has(server)) this.#others.set(server, 0);
  }

  /** @throws what {@link RedisLink.send} throws */
  async renew(): Promise<void> {
    const reply = await this.link.send('EVAL', RENEW, 1, this.key, this.server, LEASE_MS);
    const [known, ...alive] = reply as [number, ...string[]];
    if (known === 0) this.events.onNone();
    for (const server of alive) if (server !== this.server) this.#others.set(server, 0);
    if (performance.now() - this.#upSince < LEASE_MS) return;
    for (const [server, missed] of this.#others) {
      if (alive.includes(server)) continue;
      this.#others.set(server, missed + 1);
      if (missed + 1 < MISSES) continue;
      this.#others.delete(server);
      this.events.onLapse(server, LEASE_MS);
    }
  }

  /** Gives the lease back. @throws what {@link RedisLink.send} throws */
  async end(): Promise<void> {
    await this.link.send('ZREM', this.key, this.server);
  }
}
