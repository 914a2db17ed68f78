import { type Cancel, type Clock, systemClock } from '../lib/clock.ts';
import { DatabaseTimeout, isOutcomeUnknown, sqlState } from './failures.ts';

/** One connection of a driver, which runs one statement or transaction at a time. */
export interface Connection<Client> {
  client: Client;
  /** Ends the connection at once, with any statement that runs on it. */
  close(): void;
}

/** The outcome of the last wait for a database: an answer in good time, or none. */
export interface Pulse {
  isAnswering: boolean;
}

export interface PoolSettings<Client> {
  /** Shared by the pools of one database. */
  pulse: Pulse;
  /** Makes a connection, which may be established only at its first use. @param onLost to be called when it breaks while idle */
  connect(onLost: () => void): Connection<Client>;
  max: number;
  /** Seconds until a wait for the database is given up, that for a free connection included. */
  timeout: number;
  /** The one connection is kept: a statement without an answer in time is left to end by itself. */
  isSingle?: boolean;
  clock?: Clock;
}

/** A statement or a transaction, from its call to its end. */
interface Task<Client> {
  start(connection: Connection<Client>): void;
}

/** An answer that takes this part of the timeout is late. */
const LATE = 0.5;
/** How long a connection may be idle before it is closed, in milliseconds, so that a serverless database may sleep. */
const IDLE_MS = 60_000;
/** How long running statements may take when the pool is closed, in milliseconds. */
const CLOSE_MS = 2000;

/**
 * A few connections, and a deadline for every statement over them. A connection that does not answer in time
 * is closed and replaced, so that an abandoned statement never occupies a connection.
 */
export class ConnectionPool<Client> {
  /** The last used connection is used next, so that superfluous ones stay idle. */
  readonly #idle: { connection: Connection<Client>; since: number }[] = [];
  readonly #clock: Clock;
  readonly #open = new Set<Connection<Client>>();
  readonly #waiting = new Set<Task<Client>>();
  #idleTimer: Cancel | undefined;
  #onQuiet: (() => void) | undefined;

  constructor(private readonly settings: PoolSettings<Client>) {
    this.#clock = settings.clock ?? systemClock;
  }

  /**
   * Runs a function with a connection of its own, as soon as one is free.
   *
   * @param timeout seconds
   * @throws {DatabaseTimeout} when it has not ended in time
   * @throws the errors of `use`
   */
  run<Result>(
    use: (client: Client) => Promise<Result>,
    timeout = this.settings.timeout,
  ): Promise<Result> {
    return new Promise((done, failed) => {
      let connection: Connection<Client> | undefined;
      const startedAt = this.#clock.monotonic();
      const task: Task<Client> = {
        start: (free) => {
          connection = free;
          use(free.client).then(
            (result) => {
              cancel();
              this.#answered(startedAt, timeout);
              this.#release(free);
              done(result);
            },
            (error) => {
              cancel();
              if (sqlState(error)) this.#answered(startedAt, timeout);
              if (isOutcomeUnknown(error) && !this.settings.isSingle) this.#discard(free);
              else this.#release(free);
              failed(error);
            },
          );
        },
      };
      const cancel = this.#clock.timer(timeout * 1000, () => {
        this.settings.pulse.isAnswering = false;
        this.#waiting.delete(task);
        failed(new DatabaseTimeout(connection !== undefined));
        if (connection && !this.settings.isSingle) this.#discard(connection);
      });
      this.#waiting.add(task);
      this.#next();
    });
  }

  /** Closes all connections, once running statements have ended or their time is up. */
  async close(): Promise<void> {
    this.#idleTimer?.();
    if (this.#idle.length < this.#open.size) {
      await new Promise<void>((done) => {
        this.#onQuiet = done;
        this.#clock.timer(CLOSE_MS, done);
      });
    }
    for (const connection of this.#open) connection.close();
    this.#open.clear();
    this.#idle.length = 0;
  }

  /** A late answer is as bad as none to those who wait behind it: Postgres gives up statements, one after the other. */
  #answered(startedAt: number, timeout: number): void {
    const seconds = (this.#clock.monotonic() - startedAt) / 1000;
    this.settings.pulse.isAnswering = seconds < timeout * LATE;
  }

  #next(): void {
    const [task] = this.#waiting;
    if (!task) {
      if (this.#idle.length === this.#open.size) this.#onQuiet?.();
      return;
    }
    const connection = this.#idle.pop()?.connection ?? this.#connect();
    if (!connection) return;
    this.#waiting.delete(task);
    task.start(connection);
  }

  #connect(): Connection<Client> | undefined {
    if (this.#open.size >= this.settings.max) return;
    const connection = this.settings.connect(() => this.#discard(connection));
    this.#open.add(connection);
    return connection;
  }

  #release(connection: Connection<Client>): void {
    if (!this.#open.has(connection)) return;
    this.#idle.push({ connection, since: this.#clock.monotonic() });
    if (!this.settings.isSingle) {
      this.#idleTimer ??= this.#clock.every(IDLE_MS / 2, () => this.#closeIdle());
    }
    this.#next();
  }

  #discard(connection: Connection<Client>): void {
    if (!this.#open.delete(connection)) return;
    const index = this.#idle.findIndex((idle) => idle.connection === connection);
    if (index !== -1) this.#idle.splice(index, 1);
    connection.close();
    this.#next();
  }

  #closeIdle(): void {
    const longAgo = this.#clock.monotonic() - IDLE_MS;
    // The connection that has been idle the longest comes first.
    while (this.#idle[0] && this.#idle[0].since < longAgo) this.#discard(this.#idle[0].connection);
  }
}
