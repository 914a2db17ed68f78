import type { Logger } from '../log.ts';
import type { Clock } from './clock.ts';
import { rootMessage } from './root-cause.ts';

const RETRY_MS = 500;

/**
 * Work that may be triggered at any time: it runs once at a time, once more when it was triggered meanwhile,
 * and again after a failure.
 */
export class RetryLoop {
  #isWanted = false;
  #isClosed = false;
  #running: Promise<void> | undefined;
  #wake: () => void = () => {};

  /** @param options `name`: of the work, for the log */
  constructor(
    private readonly options: { clock: Clock; log: Logger; name: string; work(): Promise<void> },
  ) {}

  /** Makes sure that the work is run at least once from now on. */
  trigger(): void {
    this.#isWanted = true;
    if (!this.#isClosed) this.#running ??= this.#run();
  }

  /** Whether the work is running, or waits for its next try. */
  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Prevents further runs, and returns when the present one has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#isWanted && !this.#isClosed) {
      this.#isWanted = false;
      try {
        await this.options.work();
      } catch (error) {
        const { log, name } = this.options;
        log.warn({ reason: rootMessage(error) }, `${name} failed`);
        this.#isWanted = true;
        await this.#rest();
      }
    }
    this.#running = undefined;
  }

  /** Waits until the next try, or the close. */
  async #rest(): Promise<void> {
    await new Promise<void>((done) => {
      const cancel = this.options.clock.timer(RETRY_MS, done);
      this.#wake = () => {
        cancel();
        done();
      };
    });
  }
}
