import type { RedisConnection } from '../../src/bus/redis/link.ts';
import { EPOCH_MS, type Process, type World } from './world.ts';

type Entry = [id: string, fields: string[]];
type Args = string[];

/** The effect of a connection to Redis on commands: delivers them, delays them, or refuses those that write. */
export interface RedisLine {
  state: 'open' | 'held' | 'cut';
  /** Writes do not arrive, without an error. */
  isMute?: boolean;
  /** The usual maximum of a command's delay, in milliseconds. */
  delay: number;
}

const WRITES = ['XADD', 'EVAL', 'ZREM', 'EXPIRE'];

/** The Redis of the simulated servers: streams and leases, in memory. */
export class SimulatedRedis {
  isUp = true;
  isHanging = false;
  /** Writes are refused, as by a Redis without memory or a replica. */
  isReadOnly = false;
  #streams = new Map<string, Entry[]>();
  #leases = new Map<string, number>();
  #lastId: [ms: number, n: number] = [0, 0];
  readonly connections = new Set<Connection>();

  constructor(readonly world: World) {}

  connect(process: Process, line: RedisLine): RedisConnection {
    return new Connection(this, process, line);
  }

  /** Ends Redis and every connection; its data is lost unless it is kept. */
  stop(isEmptied: boolean): void {
    this.isUp = false;
    for (const connection of [...this.connections]) connection.end('Redis has ended');
    if (!isEmptied) return;
    this.#streams = new Map();
    this.#leases = new Map();
  }

  start(): void {
    this.isUp = true;
  }

  resume(): void {
    this.isHanging = false;
    for (const connection of this.connections) connection.flush();
  }

  /** @returns undefined for a read that has to wait */
  execute([command, ...args]: [string, ...Args]): unknown {
    if (this.isReadOnly && WRITES.includes(command)) throw new Error('OOM command not allowed');
    switch (command) {
      case 'XADD':
        return this.#add(args);
      case 'XREAD':
        return this.#read(args);
      case 'XREVRANGE':
        return this.#stream(args[0]).slice(-1);
      case 'XRANGE':
        return this.#stream(args[0]).slice(0, 1);
      case 'EVAL':
        return this.#renew(args);
      case 'ZREM':
        return this.#leases.delete(args[1] as string);
      case 'EXPIRE':
        return 1;
      default:
        throw new Error(`the simulated Redis has no ${command}`);
    }
  }

  #stream(key = ''): Entry[] {
    return this.#streams.get(key) ?? [];
  }

  /** `key MAXLEN ~ count * field value …` */
  #add(args: Args): string {
    const [key = '', , , most] = args;
    const now = EPOCH_MS + this.world.time;
    const [ms, n] = this.#lastId;
    this.#lastId = now > ms ? [Math.floor(now), 0] : [ms, n + 1];
    const id = this.#lastId.join('-');
    const stream = this.#stream(key);
    stream.push([id, args.slice(5)]);
    if (stream.length > 2 * Number(most)) stream.splice(0, stream.length - Number(most));
    this.#streams.set(key, stream);
    for (const connection of this.connections) connection.wake();
    return id;
  }

  /** `COUNT n BLOCK ms STREAMS key … id …` */
  #read(args: Args): Record<string, Entry[]> | undefined {
    const rest = args.slice(5);
    const found: Record<string, Entry[]> = {};
    for (let n = 0; n < rest.length / 2; n++) {
      const [key = '', from = ''] = [rest[n], rest[n + rest.length / 2]];
      const stream = this.#stream(key);
      let first = stream.length;
      while (first > 0 && isAfter((stream[first - 1] as Entry)[0], from)) first -= 1;
      const entries = stream.slice(first, first + Number(args[1]));
      if (entries.length > 0) found[key] = entries;
    }
    return Object.keys(found).length > 0 ? found : undefined;
  }

  /** The script of the leases: `script 1 key server ms` */
  #renew([, , , server = '', ms]: Args): [number, ...string[]] {
    const now = this.world.time;
    for (const [name, until] of this.#leases) if (until <= now) this.#leases.delete(name);
    const known = this.#leases.has(server) ? 1 : 0;
    this.#leases.set(server, now + Number(ms));
    return [known, ...this.#leases.keys()];
  }
}

function isAfter(one: string, other: string): boolean {
  // Most often, there is nothing new.
  if (one === other) return false;
  const [ms = 0, n = 0] = one.split('-').map(Number);
  const [otherMs = 0, otherN = 0] = other.split('-').map(Number);
  return ms > otherMs || (ms === otherMs && n > otherN);
}

interface Sent {
  command: [string, ...Args];
  done(reply: unknown): void;
  failed(error: Error): void;
  deadline?: number;
}

/** A connection of one server. Commands take effect in their order, and replies come in the same. */
class Connection implements RedisConnection {
  onclose: RedisConnection['onclose'] = null;
  #isOpen = false;
  /** The commands that have arrived at Redis and wait for their turn. */
  readonly #arrived: Sent[] = [];
  /** The commands without a reply. */
  readonly #unanswered = new Set<Sent>();
  #arrivesAt = 0;
  #repliesAt = 0;

  constructor(
    private readonly redis: SimulatedRedis,
    private readonly process: Process,
    private readonly line: RedisLine,
  ) {}

  connect(): Promise<void> {
    const { world } = this.redis;
    return new Promise((done, failed) => {
      const wait = world.delay(this.line.delay);
      world.after(this.line.state === 'held' ? 2000 : wait, () =>
        this.process.deliver(() => {
          const isReached = this.redis.isUp && !this.redis.isHanging && this.line.state === 'open';
          if (!isReached) return failed(new Error('connection refused'));
          this.#isOpen = true;
          this.redis.connections.add(this);
          done();
        }),
      );
    });
  }

  send(command: string, args: (string | ArrayBufferView | Blob)[]): Promise<unknown> {
    if (!this.#isOpen) return Promise.reject(new Error('Connection has failed'));
    return new Promise((done, failed) => {
      const sent: Sent = { command: [command, ...(args as string[])], done, failed };
      this.#unanswered.add(sent);
      const { world } = this.redis;
      this.#arrivesAt = Math.max(this.#arrivesAt, world.time + world.delay(this.line.delay));
      world.after(this.#arrivesAt - world.time, () => {
        this.#arrived.push(sent);
        this.flush();
      });
    });
  }

  close(): void {
    this.end('closed');
  }

  /** The connection is lost; commands that have not arrived take no effect. */
  end(reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.redis.connections.delete(this);
    this.#arrived.length = 0;
    const error = new Error(reason);
    const unanswered = [...this.#unanswered];
    this.#unanswered.clear();
    this.redis.world.after(0, () =>
      this.process.deliver(() => {
        for (const { failed } of unanswered) failed(error);
        this.onclose?.call(this as never, error);
      }),
    );
  }

  /** Whether this is a connection of the server, in the given network state. */
  isOver(line: RedisLine): boolean {
    return this.line === line;
  }

  /** Answers a waiting read if there is something for it. */
  wake(): void {
    if (this.#arrived[0]?.command[0] === 'XREAD') this.redis.world.after(0, () => this.flush());
  }

  /** Carries out the commands that have arrived. */
  flush(): void {
    const { world } = this.redis;
    while (this.#isOpen && !this.redis.isHanging && this.line.state === 'open') {
      const [sent] = this.#arrived;
      if (!sent || (this.line.isMute && WRITES.includes(sent.command[0]))) return;
      let reply: unknown;
      try {
        reply = this.redis.execute(sent.command);
      } catch (error) {
        this.#arrived.shift();
        this.#answer(sent, () => sent.failed(error as Error));
        continue;
      }
      if (reply === undefined) {
        if (sent.deadline === undefined) {
          const patience = Number(sent.command[4]);
          sent.deadline = world.time + patience;
          world.after(patience, () => this.flush());
        }
        if (world.time < sent.deadline) return;
        reply = null;
      }
      this.#arrived.shift();
      this.#answer(sent, () => sent.done(reply));
    }
  }

  #answer(sent: Sent, settle: () => void): void {
    const { world } = this.redis;
    this.#repliesAt = Math.max(this.#repliesAt, world.time + world.delay(this.line.delay));
    world.after(this.#repliesAt - world.time, () =>
      this.process.deliver(() => {
        if (this.#unanswered.delete(sent)) settle();
      }),
    );
  }
}
