import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../log.ts';
import { type Entry, isAfter } from './entries.ts';
import { type Connect, PATIENCE_MS, RedisLink } from './link.ts';

/** The most entries of one stream that are read at once; fewer than a stream keeps. */
const READ_AT_ONCE = 200;
const BLOCK_MS = 1000;

export interface StreamReaderOptions {
  clock: Clock;
  log: Logger;
  /** Of the Redis. */
  url: string;
  /** The keys of the streams, that of the heartbeats last. */
  keys: string[];
  /** As in {@link LinkOptions}. */
  connect?: Connect | undefined;
  onEntry(entry: Entry): void;
  /** Handles an entry of the last stream, after all entries of the others that were appended before it. */
  onBeat(entry: Entry): void;
  /** Entries may have been lost. */
  onGap(): void;
}

/** Reads streams over a connection of its own, and continues from its positions when that is back. */
export class StreamReader {
  readonly #link: RedisLink;
  /** The id of the last entry that was read of each stream. */
  readonly #positions = new Map<string, string>();
  readonly #positioned = Promise.withResolvers<void>();
  #isReading = false;

  constructor(private readonly options: StreamReaderOptions) {
    const { clock, url, log, connect } = options;
    this.#link = new RedisLink({
      clock,
      url,
      connect,
      patience: BLOCK_MS + PATIENCE_MS,
      onUp: () => void this.#run(),
      onDown: (reason) => {
        this.#isReading = false;
        log.warn({ reason }, 'Redis is away; this server goes on by itself');
      },
    });
  }

  get isUp(): boolean {
    return this.#link.isUp;
  }

  /** The reason of the last failure to connect. */
  get reason(): string {
    return this.#link.reason;
  }

  /** Resolves when the connection is up, or when the first try has failed. */
  get tried(): Promise<void> {
    return this.#link.tried;
  }

  get isReading(): boolean {
    return this.#isReading;
  }

  /** Whether all entries that are appended from now on will be read. */
  get isPositioned(): boolean {
    return this.#positions.size > 0;
  }

  /** Resolves when {@link isPositioned} is true, or when the first try has failed. */
  get positioned(): Promise<void> {
    return this.#positioned.promise;
  }

  close(): void {
    this.#link.close();
  }

  async #run(): Promise<void> {
    const isBack = this.isPositioned;
    try {
      await this.#findPositions();
      this.#isReading = true;
      this.#positioned.resolve();
      if (isBack) {
        this.options.log.info('Redis is back; looking for missed changes');
        this.options.onGap();
      }
      for (;;) await this.#readNext();
    } catch (error) {
      this.#positioned.resolve();
      if (!this.#link.isUp) return;
      this.options.log.warn({ reason: (error as Error).message }, 'reading from Redis failed');
      this.#link.reset();
    }
  }

  /** Sets the positions from which to read: the earlier ones, or the ends of the streams at first or when Redis has lost these. */
  async #findPositions(): Promise<void> {
    for (const key of this.options.keys) {
      const [newest] = (await this.#link.send('XREVRANGE', key, '+', '-', 'COUNT', 1)) as Entry[];
      const end = newest?.[0] ?? '0-0';
      const position = this.#positions.get(key);
      if (position === undefined || isAfter(position, end)) this.#positions.set(key, end);
    }
  }

  async #readNext(): Promise<void> {
    const from = this.options.keys.map((key) => this.#positions.get(key) as string);
    const limits = ['COUNT', READ_AT_ONCE, 'BLOCK', BLOCK_MS];
    const reply = await this.#link.send(
      'XREAD',
      ...limits,
      'STREAMS',
      ...this.options.keys,
      ...from,
    );
    const read = Object.entries((reply ?? {}) as Record<string, Entry[]>);
    let isBehind = false;
    for (const [key, entries] of read) {
      const position = this.#positions.get(key) as string;
      const [last] = entries.at(-1) as Entry;
      this.#positions.set(key, last);
      if (key === this.options.keys.at(-1)) {
        // Earlier entries of other streams may still be unread; fresh heartbeats will follow soon.
        if (!isBehind) for (const entry of entries) this.options.onBeat(entry);
        continue;
      }
      for (const entry of entries) this.options.onEntry(entry);
      // Only a reader that is behind can have missed trimmed entries.
      if (entries.length < READ_AT_ONCE) continue;
      isBehind = true;
      const [oldest] = (await this.#link.send('XRANGE', key, '-', '+', 'COUNT', 1)) as Entry[];
      if (!oldest || isAfter(oldest[0], position)) this.options.onGap();
    }
  }
}
