import type { Cancel, Clock } from './clock.ts';

/** The longest that inputs wait for a running statement before another one starts, in milliseconds. */
const PATIENCE_MS = 500;

/** The options of a {@link Batcher}. */
export interface BatcherOptions<Input, Output> {
  /** Serves several inputs at once, and returns their outputs in the same order. */
  run(inputs: Input[]): Promise<Output[]>;
  /**
   * Given when the order of inputs does not matter: a slow statement then delays no others, since another one is
   * started beside it.
   */
  clock?: Clock;
  /** The most inputs of one statement; 1000 by default. */
  most?: number;
}

/**
 * Serves many inputs by few statements: while one runs, further inputs wait and go into the next.
 */
export class Batcher<Input, Output> {
  #waiting: { input: Input; done(output: Output): void; failed(error: unknown): void }[] = [];
  #running = 0;
  #patience: Cancel | undefined;

  constructor(private readonly options: BatcherOptions<Input, Output>) {}

  /** The number of waiting inputs. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** @throws the error of the statement, for all inputs in it */
  add(input: Input): Promise<Output> {
    return new Promise((done, failed) => {
      this.#waiting.push({ input, done, failed });
      if (this.#running === 0) void this.#work();
      else this.#bePatient();
    });
  }

  async #work(): Promise<void> {
    const { run, most = 1000 } = this.options;
    this.#running += 1;
    // Inputs of the same turn go into the first statement too.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      this.#patience?.();
      this.#patience = undefined;
      const group = this.#waiting.splice(0, most);
      if (this.#waiting.length > 0) this.#bePatient();
      try {
        const outputs = await run(group.map(({ input }) => input));
        for (const [n, { done }] of group.entries()) done(outputs[n] as Output);
      } catch (error) {
        for (const { failed } of group) failed(error);
      }
    }
    this.#running -= 1;
  }

  #bePatient(): void {
    this.#patience ??= this.options.clock?.timer(PATIENCE_MS, () => void this.#work());
  }
}
