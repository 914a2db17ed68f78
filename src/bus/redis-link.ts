import { RedisClient } from 'bun';

/** How long Redis may leave everything unanswered, in milliseconds. */
export const PATIENCE_MS = 3000;
const CONNECT_MS = 2000;
const RETRY_MS = 250;
const WATCH_EVERY_MS = 500;

/** A connection to Redis that comes back for as long as it is wanted. While it is away, commands fail at once. */
export class RedisLink {
  #client: RedisClient | undefined;
  #closed = false;
  #reason = '';
  #unanswered = 0;
  /** When something was asked or answered last, while something is unanswered. */
  #progressAt = 0;
  readonly #watch: ReturnType<typeof setInterval>;
  readonly #tried = Promise.withResolvers<void>();
  /** Is called when it is connected. */
  onUp = (): void => {};
  /** Is called when it was connected, and is no more. */
  onDown: (reason: string) => void = () => {};

  /**
   * @param url `redis://` or `rediss://`
   * @param patience how long Redis may leave everything unanswered, in milliseconds, until it counts as
   *   away: a Redis that hangs keeps its connections
   */
  constructor(
    private readonly url: string,
    private readonly patience = PATIENCE_MS,
  ) {
    this.#watch = setInterval(() => this.#checkProgress(), WATCH_EVERY_MS);
    void this.#connect();
  }

  /** Resolves when it is up, or when the first try has failed. */
  get tried(): Promise<void> {
    return this.#tried.promise;
  }

  /** Why it could not be connected, when it last could not. */
  get reason(): string {
    return this.#reason;
  }

  get isUp(): boolean {
    return this.#client !== undefined;
  }

  /**
   * Sends a command; those of one turn leave in one write, and all take effect in their order.
   *
   * @returns its reply, in the shapes of RESP3
   * @throws when Redis is away, goes away before it has answered (then nobody knows whether it took
   *   effect), or refuses the command
   */
  async send(command: string, ...args: (string | number)[]): Promise<unknown> {
    const client = this.#client;
    if (!client) throw new Error('Redis is away');
    if (this.#unanswered === 0) this.#progressAt = performance.now();
    this.#unanswered += 1;
    try {
      return await client.send(command, args.map(String));
    } finally {
      if (client === this.#client) {
        this.#unanswered -= 1;
        this.#progressAt = performance.now();
      }
    }
  }

  /** Drops the connection, and makes another. */
  reset(): void {
    this.#client?.close();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#watch);
    this.#client?.close();
  }

  async #connect(): Promise<void> {
    while (!this.#closed) {
      const client = new RedisClient(this.url, {
        autoReconnect: false,
        enableOfflineQueue: false,
        connectionTimeout: CONNECT_MS,
      });
      const ended = new Promise<string>((done) => {
        client.onclose = (error) => done(error?.message ?? 'closed');
      });
      const isUp = await client.connect().then(
        () => true,
        (error: Error) => {
          this.#reason = error.message;
          return false;
        },
      );
      if (isUp && !this.#closed) {
        this.#unanswered = 0;
        this.#client = client;
        this.onUp();
        this.#tried.resolve();
        const reason = await ended;
        this.#client = undefined;
        this.onDown(reason);
      }
      client.close();
      this.#tried.resolve();
      await Bun.sleep(RETRY_MS);
    }
  }

  #checkProgress(): void {
    if (this.#unanswered > 0 && performance.now() - this.#progressAt > this.patience) this.reset();
  }
}
