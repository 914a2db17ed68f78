/** Cancels a timer; harmless when it has run already. */
export type Cancel = () => void;

/** The time, and timers. Every part is handed a clock, so that tests can turn it. */
export abstract class Clock {
  /** The time of day in milliseconds since 1970, which an operator may set forward or back. */
  abstract now(): number;

  /** Milliseconds since some moment in the past, for durations: it never goes back. */
  abstract monotonic(): number;

  /** Calls a function once, after `ms` milliseconds; a pending timer does not keep the process alive. */
  abstract timer(ms: number, then: () => void): Cancel;

  /** Calls a function every `ms` milliseconds. */
  every(ms: number, then: () => void): Cancel {
    let cancel = () => {};
    const wait = () => {
      cancel = this.timer(ms, () => {
        wait();
        then();
      });
    };
    wait();
    return () => cancel();
  }

  /** Returns after `ms` milliseconds. */
  sleep(ms: number): Promise<void> {
    return new Promise((done) => this.timer(ms, done));
  }

  /**
   * Calls a function at a time of day, however far away; in the next turn when the time is past.
   *
   * @param time milliseconds since 1970
   */
  at(time: number, then: () => void): Cancel {
    let cancel = () => {};
    const wait = () => {
      // The clock may be set meanwhile.
      const look = () => (this.now() < time ? wait() : then());
      cancel = this.timer(Math.max(0, time - this.now()), look);
    };
    wait();
    return () => cancel();
  }

  /** The time of day as ISO 8601. */
  timestamp(): string {
    return new Date(this.now()).toISOString();
  }
}

/** The longest time that the runtime's timers can take, in milliseconds; a longer one fires at once. */
const LONGEST_MS = 2 ** 31 - 1;

class SystemClock extends Clock {
  now(): number {
    return Date.now();
  }

  monotonic(): number {
    return performance.now();
  }

  timer(ms: number, then: () => void): Cancel {
    if (ms > LONGEST_MS) {
      let cancel = this.timer(LONGEST_MS, () => {
        cancel = this.timer(ms - LONGEST_MS, then);
      });
      return () => cancel();
    }
    const timer = setTimeout(then, ms).unref();
    return () => clearTimeout(timer);
  }

  /** Unlike a timer, a sleep keeps the process alive, since its caller waits. */
  override sleep(ms: number): Promise<void> {
    return Bun.sleep(ms);
  }
}

/** The clock of the machine. */
export const systemClock: Clock = new SystemClock();
