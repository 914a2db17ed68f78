/** Sums of times are off by less than this; a permit must not hang on it. */
const ROUNDING_MS = 1e-6;

/** What may be done so often by each. */
export interface Permits {
  /** @returns the seconds to wait for a permit; 0 when there is one, and it is taken */
  take(key: string): number | Promise<number>;
  /** Puts a permit back that was not needed. */
  giveBack(key: string): void;
}

/**
 * A bucket of permits for each key: `burst` of them at first, and `rate` new ones a second. Kept as the
 * time at which a bucket will be full again, so that a full one needs no place at all.
 *
 * @see https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
 */
export class RateLimit implements Permits {
  readonly #fullAt = new Map<string, number>();
  readonly #interval: number;
  readonly #tolerance: number;

  /** @param rate permits a second; 0 for no limit */
  constructor(rate: number, burst: number) {
    this.#interval = rate === 0 ? 0 : 1000 / rate;
    this.#tolerance = burst * this.#interval;
  }

  /** The number of buckets that are not full. */
  get size(): number {
    return this.#fullAt.size;
  }

  take(key: string): number {
    const wait = this.wait(key);
    if (wait === 0 && this.#interval > 0) {
      const now = performance.now();
      const fullAt = Math.max(now, this.#fullAt.get(key) ?? 0) + this.#interval;
      // Set anew it is the youngest; the oldest are the first to be full.
      this.#fullAt.delete(key);
      this.#forgetFull(now);
      this.#fullAt.set(key, fullAt);
    }
    return wait;
  }

  /** The seconds until there is a permit; 0 when there is one. None is taken. */
  wait(key: string): number {
    const now = performance.now();
    const untilFull = Math.max(0, (this.#fullAt.get(key) ?? 0) - now);
    const wait = untilFull + this.#interval - this.#tolerance;
    return wait > ROUNDING_MS ? wait / 1000 : 0;
  }

  giveBack(key: string): void {
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

/** So many within a time, and it is too much. */
export class Strikes {
  readonly #at: number[] = [];

  /** @param within milliseconds */
  constructor(
    private readonly limit: number,
    private readonly within: number,
  ) {}

  /** One more. @returns whether that is too much */
  add(): boolean {
    const now = performance.now();
    this.#at.push(now);
    while (this.#at.length > 0 && (this.#at[0] as number) < now - this.within) this.#at.shift();
    return this.#at.length >= this.limit;
  }
}
