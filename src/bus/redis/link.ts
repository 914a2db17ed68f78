import { RedisClient } from 'bun';
import type { Cancel, Clock } from '../../lib/clock.ts';

/** How long Redis may leave everything unanswered, in milliseconds. */
export const PATIENCE_MS = 3000;
const CONNECT_MS = 2000;
const RETRY_MS = 250;
const WATCH_EVERY_MS = 500;

export interface LinkOptions {
  clock: Clock;
  /** `redis://` or `rediss://` */
  url: string;
  /** Called after each connect. */
  onUp?(): void;
  /** Called after each loss of the connection. */
  onDown?(reason: string): void;
  /**
   * How long Redis may leave everything unanswered, in milliseconds, until it counts as away: a Redis that hangs
   * keeps its connections.
   */
  patience?: number;
  /** How Redis is reached; by Bun's client unless it is given. */
  connect?: Connect | undefined;
}

/** The part of Bun's client that a link needs: one connection, which is not made again. */
export type RedisConnection = Pick<RedisClient, 'connect' | 'send' | 'close' | 'onclose'>;

/** Makes a connection, which is established by its `connect`. */
export type Connect = (url: string) => RedisConnection;

const overBun: Connect = (url) =>
  new RedisClient(url, {
    autoReconnect: false,
    enableOfflineQueue: false,
    connectionTimeout: CONNECT_MS,
  });

/** A connection to Redis that is made again until it is closed. While Redis is away, commands fail at once. */
export class RedisLink {
  #client: RedisConnection | undefined;
  #closed = false;
  #reason = '';
  #unanswered = 0;
  /** The time of the last command or reply, while commands are unanswered. */
  #progressAt = 0;
  readonly #stopWatching: Cancel;
  readonly #tried = Promise.withResolvers<void>();

  constructor(private readonly options: LinkOptions) {
    this.#stopWatching = options.clock.every(WATCH_EVERY_MS, () => this.#checkProgress());
    void this.#connect();
  }

  /** Resolves when the connection is up, or when the first try has failed. */
  get tried(): Promise<void> {
    return this.#tried.promise;
  }

  /** The reason of the last failure to connect. */
  get reason(): string {
    return this.#reason;
  }

  get isUp(): boolean {
    return this.#client !== undefined;
  }

  /**
   * Sends a command; the commands of one turn leave in one write, and all take effect in their order.
   *
   * @returns the reply, in the shapes of RESP3
   * @throws when Redis is away, goes away before it has answered (then the outcome is unknown), or refuses the command
   */
  async send(command: string, ...args: (string | number)[]): Promise<unknown> {
    const client = this.#client;
    if (!client) throw new Error('Redis is away');
    if (this.#unanswered === 0) this.#progressAt = this.options.clock.monotonic();
    this.#unanswered += 1;
    try {
      return await client.send(command, args.map(String));
    } finally {
      if (client === this.#client) {
        this.#unanswered -= 1;
        this.#progressAt = this.options.clock.monotonic();
      }
    }
  }

  /** Drops the connection; another one is made. */
  reset(): void {
    this.#client?.close();
  }

  close(): void {
    this.#closed = true;
    this.#stopWatching();
    this.#client?.close();
  }

  async #connect(): Promise<void> {
    while (!this.#closed) {
      const client = (this.options.connect ?? overBun)(this.options.url);
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
        this.options.onUp?.();
        this.#tried.resolve();
        const reason = await ended;
        this.#client = undefined;
        if (!this.#closed) this.options.onDown?.(reason);
      }
      client.close();
      this.#tried.resolve();
      await this.options.clock.sleep(RETRY_MS);
    }
  }

  #checkProgress(): void {
    const { clock, patience = PATIENCE_MS } = this.options;
    if (this.#unanswered > 0 && clock.monotonic() - this.#progressAt > patience) this.reset();
  }
}
