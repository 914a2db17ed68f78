import type { Platform } from '../../client/index.ts';
import type { Cancel } from '../../src/lib/clock.ts';
import { settle, TestClock } from './clock.ts';

/** The platform of a client, with a clock that stands still until a test turns it. */
export class FakePlatform extends TestClock implements Platform {
  readonly #wakers = new Set<() => void>();

  constructor() {
    super();
    // The client passes it on by itself.
    this.now = this.now.bind(this);
  }

  /** The highest value of chance. */
  random(): number {
    return 1;
  }

  after(ms: number, then: () => void): Cancel {
    return this.timer(ms, then);
  }

  onWake(run: () => void): () => void {
    this.#wakers.add(run);
    return () => void this.#wakers.delete(run);
  }

  /** The network or the tab is back. */
  async wake(): Promise<void> {
    for (const run of this.#wakers) run();
    await settle();
  }
}
