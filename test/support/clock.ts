import { type Cancel, Clock } from '../../src/lib/clock.ts';

interface Timer {
  due: number;
  then(): void;
}

/** A clock that stands still until a test turns it. */
export class TestClock extends Clock {
  #elapsed = 0;
  #timers: Timer[] = [];

  /** @param startedAt the time of day at which it begins, in milliseconds since 1970 */
  constructor(private startedAt = Date.UTC(2026, 0, 1)) {
    super();
  }

  now(): number {
    return this.startedAt + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  timer(ms: number, then: () => void): Cancel {
    const timer = { due: this.#elapsed + Math.max(0, ms), then };
    // Timers of the same time run in the order in which they were set.
    const next = this.#timers.findIndex(({ due }) => due > timer.due);
    this.#timers.splice(next === -1 ? this.#timers.length : next, 0, timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** The number of timers that wait. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Turns the clock by `ms` milliseconds: each timer runs at its time, and its work goes on as far as it can. */
  async advance(ms: number): Promise<void> {
    await settle();
    const end = this.#elapsed + ms;
    for (;;) {
      const [next] = this.#timers;
      if (!next || next.due > end) break;
      this.#timers.shift();
      this.#elapsed = Math.max(this.#elapsed, next.due);
      next.then();
      await settle();
    }
    this.#elapsed = end;
    await settle();
  }

  /** The machine sleeps: time passes without timers, and those that are due run afterwards. */
  async suspend(ms: number): Promise<void> {
    this.#elapsed += ms;
    await this.advance(0);
  }

  /** Sets the time of day, as an operator does; timers do not mind. */
  set(time: number): void {
    this.startedAt = time - this.#elapsed;
  }
}

/** Returns when all work that waits only for its turn has gone as far as it can. */
export async function settle(): Promise<void> {
  for (let n = 0; n < 3; n++) await new Promise((done) => setImmediate(done));
}
