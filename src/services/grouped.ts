/**
 * Does many small things in few statements: while one runs, what is asked for waits and goes into the next.
 */
export class Grouped<Input, Output> {
  #waiting: { input: Input; done(output: Output): void; failed(error: unknown): void }[] = [];
  #running = false;

  /**
   * @param run does some of them at once, and returns what comes of each in their order
   * @param most how many it takes at once
   */
  constructor(
    private readonly run: (inputs: Input[]) => Promise<Output[]>,
    private readonly most = 1000,
  ) {}

  /** @throws what the statement throws, for all that went into it */
  do(input: Input): Promise<Output> {
    return new Promise((done, failed) => {
      this.#waiting.push({ input, done, failed });
      if (!this.#running) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#running = true;
    // What is asked for in the same turn goes into the first statement too.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, this.most);
      try {
        const outputs = await this.run(group.map(({ input }) => input));
        for (const [n, { done }] of group.entries()) done(outputs[n] as Output);
      } catch (error) {
        for (const { failed } of group) failed(error);
      }
    }
    this.#running = false;
  }
}
