import { isOutcomeUnknown } from '../db/failures.ts';
import type { Clock } from '../lib/clock.ts';
import { RetryLoop } from '../lib/retry.ts';
import type { Logger } from '../log.ts';

/**
 * When to look, in milliseconds after the failure: most often only the answer was lost; but the statement may also
 * wait for a lock, or be on its way over a network that hangs.
 */
const LOOK_AFTER_MS = [0, 1000, 5000, 20_000, 60_000];

/**
 * Returns the result of a statement that changes what all servers know. Without an answer the change may have been
 * stored, or may yet be, and nobody could publish it.
 *
 * @param look has all servers know what is stored; called several times when no answer comes
 * @throws the errors of the statement
 */
export async function answered<Result>(
  statement: PromiseLike<Result>,
  clock: Clock,
  look: () => void,
): Promise<Result> {
  try {
    return await statement;
  } catch (error) {
    if (isOutcomeUnknown(error)) for (const ms of LOOK_AFTER_MS) clock.timer(ms, look);
    throw error;
  }
}

interface UnansweredUsersParts {
  clock: Clock;
  log: Logger;
  /** Reads users by their keys, and publishes them. */
  publish(keys: string[]): Promise<void>;
}

/** The users whose changes got no answer. */
export class UnansweredUsers {
  readonly #keys = new Set<string>();
  readonly #publishing: RetryLoop;

  constructor(private readonly parts: UnansweredUsersParts) {
    this.#publishing = new RetryLoop({
      ...parts,
      name: 'reading changed users',
      work: () => this.#publish(),
    });
  }

  /** Returns the result of a statement that changes a user. @throws its errors */
  answered<Result>(key: string, statement: PromiseLike<Result>): Promise<Result> {
    return answered(statement, this.parts.clock, () => {
      this.#keys.add(key);
      this.#publishing.trigger();
    });
  }

  close(): void {
    this.#publishing.close();
  }

  async #publish(): Promise<void> {
    const keys = [...this.#keys];
    await this.parts.publish(keys);
    for (const key of keys) this.#keys.delete(key);
  }
}
