import type { RedisLink } from '../bus/redis/link.ts';
import { Batcher } from '../lib/batcher.ts';
import type { Clock } from '../lib/clock.ts';
import { type RateLimiter, TokenBucket } from './token-bucket.ts';

/**
 * Keeps for each key the time, by Redis' clock, at which its bucket will be full again; see {@link TokenBucket}.
 * Returns the seconds to wait as text, since Redis cuts numbers to integers.
 */
const TAKE = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + time[2] / 1000
  local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
  local waits = {}
  for n, key in ipairs(KEYS) do
    local full = math.max(now, tonumber(redis.call('GET', key) or 0))
    local isTaken = ARGV[n + 2] == '1'
    local wait = isTaken and full + interval - tolerance - now or 0
    if wait < 0.01 then
      wait = 0
      full = isTaken and full + interval or full - interval
      if full > now then
        redis.call('SET', key, string.format('%.3f', full), 'PX', math.ceil(full - now))
      else
        redis.call('DEL', key)
      end
    end
    waits[n] = string.format('%.6f', wait / 1000)
  end
  return waits`;

/** How long a message waits for Redis, in milliseconds, before its server counts it by itself. */
const PATIENCE_MS = 300;

/** A permit that is taken or, otherwise, refunded. */
interface Asked {
  key: string;
  isTaken: boolean;
}

/** A {@link TokenBucket} over all servers; while Redis is away each server has its own. */
export class RedisTokenBucket implements RateLimiter {
  readonly #own: TokenBucket;
  // One batch after the other, so that the answers come in the order of the requests, from Redis or from here.
  readonly #asked = new Batcher({ run: (asked: Asked[]) => this.#ask(asked) });

  /** @param options `prefix`: of the keys in Redis; `rate`: permits a second, 0 for no limit */
  constructor(
    private readonly options: {
      redis: RedisLink;
      clock: Clock;
      prefix: string;
      rate: number;
      burst: number;
    },
  ) {
    this.#own = new TokenBucket(options);
  }

  take(key: string): number | Promise<number> {
    return this.options.rate === 0 ? 0 : this.#asked.add({ key, isTaken: true });
  }

  refund(key: string): void {
    if (this.options.rate > 0) void this.#asked.add({ key, isTaken: false });
  }

  async #ask(asked: Asked[]): Promise<number[]> {
    const keys = asked.map(({ key }) => `${this.options.prefix}:${key}`);
    const interval = 1000 / this.options.rate;
    const args = [interval, this.options.burst * interval, ...asked.map((each) => +each.isTaken)];
    try {
      const waits = await Promise.race([
        this.options.redis.send('EVAL', TAKE, keys.length, ...keys, ...args),
        this.options.clock.sleep(PATIENCE_MS).then(() => Promise.reject(new Error('Redis hangs'))),
      ]);
      return (waits as string[]).map(Number);
    } catch {
      return asked.map(({ key, isTaken }) => {
        if (isTaken) return this.#own.take(key);
        this.#own.refund(key);
        return 0;
      });
    }
  }
}
