import type { Clock } from './clock.ts';

/** How many arrivals make a rush, at least. */
const MANY = 2000;
/** A rush is also at least this share of all that are there, so that the pause for it is rare where it is long. */
const SHARE = 1 / 4;
/** A rush is over when nobody has come for so long, in milliseconds. */
const OVER_MS = 300;

/**
 * Collects the garbage of a rush of arrivals, once it is over. The runtime lets its heap grow to twice what is in use
 * before it collects all garbage, and afterwards, when little happens, it would keep what the rush has left.
 */
export class Rush {
  #arrivals = 0;
  #isWatched = false;

  constructor(private readonly clock: Clock) {}

  /** @param present how many are there now */
  arrived(present: number): void {
    this.#arrivals += 1;
    if (this.#isWatched || this.#arrivals < Math.max(MANY, present * SHARE)) return;
    this.#isWatched = true;
    this.#watch(this.#arrivals);
  }

  #watch(seen: number): void {
    this.clock.timer(OVER_MS, () => {
      if (this.#arrivals > seen) return this.#watch(this.#arrivals);
      this.#arrivals = 0;
      this.#isWatched = false;
      Bun.gc(true);
    });
  }
}
