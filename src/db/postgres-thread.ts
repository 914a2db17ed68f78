import { systemClock } from '../lib/clock.ts';
import type { WorkerReply, WorkerRequest } from './embedded-worker.ts';

/** The worker thread of the embedded Postgres, seen from the main thread. */
export class PostgresThread {
  /** Settles when the thread has ended unasked, or Postgres in it has failed, with the reason. */
  readonly failure: Promise<Error>;
  readonly #worker = new Worker(new URL('./embedded-worker.ts', import.meta.url).href);
  #answered: (reply: WorkerReply) => void = () => {};
  #isEnded = false;

  constructor() {
    let reason: string | undefined;
    this.#worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => {
      if ('panic' in data) reason = data.panic;
      else this.#answered(data);
    };
    // Bun's message is a page with source code.
    this.#worker.onerror = ({ message }) => {
      reason ??= /^error: (.*)$/im.exec(message)?.[1] ?? message.split('\n', 1)[0];
    };
    this.failure = new Promise((fail) => {
      this.#worker.addEventListener('close', (event) => {
        const { code } = event as CloseEvent;
        if (!this.#isEnded) fail(new Error(reason ?? `its thread ended with code ${code}`));
      });
    });
  }

  /**
   * Sends one request and waits for its reply.
   *
   * @param timeout milliseconds
   * @throws {Error} when the request is refused, the thread fails, or no reply comes in time
   */
  async ask(request: WorkerRequest, timeout: number): Promise<void> {
    const late = Promise.withResolvers<WorkerReply>();
    const cancel = systemClock.timer(timeout, () =>
      late.resolve({ error: `no answer within ${timeout / 1000} s` }),
    );
    const reply = new Promise<WorkerReply>((answered) => {
      this.#answered = answered;
    });
    const failure = this.failure.then(({ message }) => ({ error: message }));
    this.#worker.postMessage(request);
    const outcome = await Promise.race([reply, failure, late.promise]);
    cancel();
    if ('error' in outcome) throw new Error(outcome.error);
  }

  /** Terminates the thread, whatever it is doing. */
  end(): void {
    this.#isEnded = true;
    this.#worker.terminate();
  }
}
