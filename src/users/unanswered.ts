import type { LostAnswers } from '../db/lost-answers.ts';
import type { Clock } from '../lib/clock.ts';
import { RetryLoop } from '../lib/retry.ts';
import type { Logger } from '../log.ts';

interface UnansweredUsersParts {
  answers: LostAnswers;
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
  watch<Result>(key: string, statement: PromiseLike<Result>): Promise<Result> {
    return this.parts.answers.watch(statement, () => {
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
