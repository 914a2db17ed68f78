import { ChatError } from '../errors.ts';

/** Counts the cost of all entries that wait for the database. */
export interface Queue {
  settled(waiter: Waiter<never>): void;
}

/** Waits for the outcome of a post or a change; only its first answer counts. */
export class Waiter<Answer> {
  isSettled = false;

  /**
   * @param cost of the entry, in UTF-16 units
   * @param until the time at which the wait is given up, by the monotonic clock
   */
  constructor(
    private readonly resolve: (answer: Answer) => void,
    private readonly reject: (error: ChatError) => void,
    private readonly queue?: Queue,
    readonly cost = 0,
    readonly until = Number.POSITIVE_INFINITY,
  ) {}

  done(answer: Answer): void {
    if (this.#settle()) this.resolve(answer);
  }

  failed(error: ChatError): void {
    if (this.#settle()) this.reject(error);
  }

  #settle(): boolean {
    if (this.isSettled) return false;
    this.isSettled = true;
    this.queue?.settled(this);
    return true;
  }
}

/** The error for an outcome that takes the database too long. */
export function noAnswer(): ChatError {
  const remedy = 'send this again with the same id';
  return new ChatError('unavailable', `The database does not answer; ${remedy}.`, 1);
}
