import type { Clock } from '../lib/clock.ts';

/** Sums of times are off by less than this, and must not cost a permit. */
const ROUNDING_MS = 1e-6;

/** Permits for each key, at a rate. */
export interface RateLimiter<Key = string> {
  /** @returns the seconds to wait for a permit; 0 when one was free and is taken */
  take(key: Key): number | Promise<number>;
  /** Returns a permit that was not needed. */
  refund(key: Key): void;
}

/**
 * A bucket of permits for each key: `burst` of them at first, and `rate` new ones a second. A bucket is kept as
 * the time at which it will be full again, so that a full one takes no memory.
 *
 * @see https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
 */
export class TokenBucket<Key = string> implements RateLimiter<Key> {
  readonly #fullAt = new Map<Key, number>();
  readonly #interval: number;
  readonly #tolerance: number;

  readonly #clock: Clock;

  /** @param options `rate`: permits a second, 0 for no limit */
  constructor({ clock, rate, burst }: { clock: Clock; rate: number; burst: number }) {
    this.#clock = clock;
    this.#interval = rate === 0 ? 0 : 1000 / rate;
    this.#tolerance = burst * this.#interval;
  }

  /** The number of buckets that are not full. */
  get size(): number {
    return this.#fullAt.size;
  }

  take(key: Key): number {
    const wait = this.wait(key);
    if (wait === 0 && this.#interval > 0) {
      const now = this.#clock.monotonic();
      const fullAt = Math.max(now, this.#fullAt.get(key) ?? 0) + this.#interval;
      // Set again, the entry is the youngest; the oldest ones are the first to be full.
      this.#fullAt.delete(key);
      this.#forgetFull(now);
      this.#fullAt.set(key, fullAt);
    }
    return wait;
  }

  /** The seconds until a permit is free, which is not taken; 0 when one is free now. */
  wait(key: Key): number {
    const now = this.#clock.monotonic();
    const untilFull = Math.max(0, (this.#fullAt.get(key) ?? 0) - now);
    const wait = untilFull + this.#interval - this.#tolerance;
    return wait > ROUNDING_MS ? wait / 1000 : 0;
  }

  refund(key: Key): void {
    const fullAt = this.#fullAt.get(key);
    if (fullAt !== undefined) this.#fullAt.set(key, fullAt - this.#interval);
  }

  #forgetFull(now: number): void {
    for (const [key, fullAt] of this.#fullAt) {
      if (fullAt > now) return;
      this.#fullAt.delete(key);
    }
  }
}

/** Counts offences: a number of them within a time is too much. */
export class Strikes {
  readonly #at: number[] = [];

  /** @param options `within`: milliseconds */
  constructor(private readonly options: { clock: Clock; limit: number; within: number }) {}

  /** Counts one more offence. @returns whether that is too much */
  add(): boolean {
    const { clock, limit, within } = this.options;
    const now = clock.monotonic();
    this.#at.push(now);
    while (this.#at.length > 0 && (this.#at[0] as number) < now - within) this.#at.shift();
    return this.#at.length >= limit;
  }
}
