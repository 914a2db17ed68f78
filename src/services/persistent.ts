import { rootMessage } from '../db/failures.ts';
import type { Logger } from '../log.ts';

const RETRY_MS = 500;

/**
 * Work that may be asked for at any time: it runs once at a time, once more for whoever asked
 * meanwhile, and again when it has failed.
 */
export class Persistent {
  #isWanted = false;
  #isRunning = false;
  #isClosed = false;

  /** @param what it is, for the log */
  constructor(
    private readonly what: string,
    private readonly work: () => Promise<void>,
    private readonly log: Logger,
  ) {}

  /** From now on it is done at least once from its beginning. */
  ask(): void {
    this.#isWanted = true;
    if (!this.#isRunning) void this.#run();
  }

  /** It is not begun again. */
  close(): void {
    this.#isClosed = true;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#isWanted && !this.#isClosed) {
      this.#isWanted = false;
      try {
        await this.work();
      } catch (error) {
        this.log.warn({ reason: rootMessage(error) }, `${this.what} failed`);
        this.#isWanted = true;
        await Bun.sleep(RETRY_MS);
      }
    }
    this.#isRunning = false;
  }
}
