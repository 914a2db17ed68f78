import type { Cancel, Clock } from '../lib/clock.ts';
import { isOutcomeUnknown } from './failures.ts';

/**
 * The waits between the looks, in milliseconds: most often only the answer was lost; but the statement may also wait
 * for a lock, or be on its way over a network that hangs. The last look is a minute after the failure.
 */
const LOOK_AFTER_MS = [0, 1000, 4000, 15_000, 40_000];

/**
 * The statements whose answer was lost, of those that change what all servers know: the change may have been stored,
 * or may yet be, and nobody could publish it.
 */
export class LostAnswers {
  readonly #timers = new Set<Cancel>();
  #isClosed = false;

  constructor(private readonly clock: Clock) {}

  /**
   * Returns the result of a statement.
   *
   * @param look has all servers know the stored state; called several times when no answer comes
   * @throws the errors of the statement
   */
  async watch<Result>(statement: PromiseLike<Result>, look: () => void): Promise<Result> {
    try {
      return await statement;
    } catch (error) {
      if (isOutcomeUnknown(error)) this.#schedule(look, LOOK_AFTER_MS);
      throw error;
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const cancel of this.#timers) cancel();
  }

  #schedule(look: () => void, [wait, ...later]: number[]): void {
    if (wait === undefined || this.#isClosed) return;
    const cancel = this.clock.timer(wait, () => {
      this.#timers.delete(cancel);
      look();
      this.#schedule(look, later);
    });
    this.#timers.add(cancel);
  }
}
