import { ChatError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';

/** How often the state of the database is checked during a wait, in milliseconds. */
const LOOK_EVERY_MS = 250;

export interface AnswerParts {
  clock: Clock;
  /** Whether the database answers; while it does not, nothing waits beyond its deadline. */
  isAnswering(): boolean;
}

export function noAnswer(): ChatError {
  return new ChatError('unavailable', 'The database does not answer; try again.', 1);
}

/** @param until a monotonic time, in milliseconds */
export function isTooLate(until: number, { clock, isAnswering }: AnswerParts): boolean {
  return !isAnswering() && clock.monotonic() >= until;
}

/**
 * Waits for some work while the database answers, or up to a deadline; only the wait is given up, not the work.
 *
 * @param until the deadline as a monotonic time, in milliseconds
 * @param onGivenUp is called in the step in which the wait is given up
 * @throws {ChatError} `unavailable`
 */
export async function answered<Result>(
  work: Result | Promise<Result>,
  until: number,
  parts: AnswerParts,
  onGivenUp = () => {},
): Promise<Result> {
  if (!(work instanceof Promise)) return work;
  const { clock } = parts;
  const { promise: late, reject } = Promise.withResolvers<never>();
  let cancel = () => {};
  const wait = (ms: number) => {
    cancel = clock.timer(ms, () => {
      if (!isTooLate(until, parts)) return wait(LOOK_EVERY_MS);
      onGivenUp();
      reject(noAnswer());
    });
  };
  wait(Math.max(0, until - clock.monotonic()));
  try {
    return await Promise.race([work, late]);
  } finally {
    cancel();
  }
}
