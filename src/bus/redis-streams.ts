import type { Logger } from '../log.ts';
import type { Bus, BusEvent } from './bus.ts';
import { Leases, RENEW_MS } from './leases.ts';
import { MemoryBus } from './memory.ts';
import { PATIENCE_MS, RedisLink } from './redis-link.ts';

/** Over so many streams the rooms are spread, so that a Redis Cluster can spread them too. */
const SHARDS = 8;
/** Entries that a stream keeps at least; who is further behind asks the database. */
const KEPT = 1000;
/** Characters of messages in one entry: with the above this bounds the memory of a stream. */
const MAX_ENTRY = 64 * 1024;
/** A stream that no server takes part in any more is gone after so many seconds. */
const EXPIRY_S = 3600;
/** Entries of one stream that are read at once; fewer than are kept. */
const READ_AT_ONCE = 200;
const BLOCK_MS = 1000;
/** Characters that may be on their way to a Redis that is slow. */
const MOST_UNDER_WAY = 32 * 1024 * 1024;
/** How long a stop waits for Redis, in milliseconds. */
const GOODBYE_MS = 500;

type Entry = [id: string, fields: [from: string, server: string, event: string, json: string]];

/** What there is once the bus has begun. */
interface Parts {
  keys: string[];
  reader: RedisLink;
  leases: Leases;
}

/**
 * The bus of several servers: what one publishes is with its own listeners at once, and with those of the
 * others by way of Redis Streams, of which each server reads all, from where it was. Nothing is lost when
 * Redis is, since everything that lasts is in the database: then a `doubt` tells the listeners to look there.
 */
export class RedisStreams implements Bus {
  readonly server: string = crypto.randomUUID();
  readonly isShared: boolean = true;
  readonly #local = new MemoryBus();
  #parts: Parts | undefined;
  /** How far each stream is read. */
  readonly #positions = new Map<string, string>();
  #isReading = false;
  /** Something was not published that others must hear of. */
  #isOwing = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #beats = 0;
  /** Characters of entries that Redis has not confirmed. */
  #underWay = 0;

  /**
   * @param writer for what is published
   * @param url of the same Redis: waiting for what comes takes a connection of its own
   */
  constructor(
    private readonly writer: RedisLink,
    private readonly url: string,
    private readonly log: Logger,
  ) {}

  get isWhole(): boolean {
    return this.#isReading;
  }

  /** What is published here reaches the others too, and the other way round. */
  get isConnected(): boolean {
    return this.#isReading && !this.#isOwing && this.writer.isUp;
  }

  /**
   * Takes part from now on or, when Redis is away, as soon as it is there.
   *
   * @param cluster names the database that all servers of this bus share
   * @returns the other servers that are there
   */
  async start(cluster: string): Promise<string[]> {
    const keys = Array.from({ length: SHARDS }, (_, n) => `ws-chat:${cluster}:${n}`);
    const positioned = Promise.withResolvers<void>();
    const { writer } = this;
    const reader = new RedisLink(this.url, BLOCK_MS + PATIENCE_MS);
    reader.onUp = () => void this.#readOn(positioned.resolve);
    reader.onDown = (reason) => {
      this.#isReading = false;
      this.log.warn({ reason }, 'Redis is away; this server goes on by itself');
    };
    const leases = new Leases(writer, `ws-chat:${cluster}:servers`, this.server, {
      onNone: () => this.#local.publish({ kind: 'doubt' }),
      onLapse: (server, silent) => {
        this.log.warn({ server }, 'a server is gone');
        this.#local.publish({ kind: 'lost', server, silent });
      },
    });
    writer.onUp = () => {
      leases.begin();
      void this.#beat();
    };
    this.#parts = { keys, reader, leases };
    this.#timer = setInterval(() => void this.#beat(), RENEW_MS);
    await Promise.all([reader.tried, writer.tried]);
    if (!reader.isUp || !writer.isUp) {
      const { reason } = reader.isUp ? writer : reader;
      this.log.warn({ reason }, 'Redis cannot be reached; this server begins by itself');
      return [];
    }
    // Whoever answers what is asked from now on is heard.
    await positioned.promise;
    leases.begin();
    await this.#beat();
    return leases.others;
  }

  publish(event: BusEvent): void {
    this.#local.publish(event);
    void this.#add(event).catch(() => {
      // What is not stored is shown now or never.
      if (event.kind !== 'ephemeral' && event.kind !== 'personal') this.#isOwing = true;
    });
  }

  subscribe(listener: (event: BusEvent) => void): () => void {
    return this.#local.subscribe(listener);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    const goodbye = this.#parts?.leases.end().catch(() => {});
    await Promise.race([goodbye, Bun.sleep(GOODBYE_MS)]);
    this.#parts?.reader.close();
    this.writer.close();
  }

  /** Appends an event to its stream. @throws when it may not be there */
  async #add(event: BusEvent): Promise<void> {
    if (!this.#parts || !this.writer.isUp) throw new Error('Redis is away');
    if (this.#underWay > MOST_UNDER_WAY) throw new Error('Redis is too slow');
    const { keys } = this.#parts;
    const key = keys[Bun.hash.crc32(shardKey(event)) % SHARDS] as string;
    const added = [];
    for (const json of encoded(event)) {
      const fields = ['from', this.server, 'event', json];
      const sent = this.writer.send('XADD', key, 'MAXLEN', '~', KEPT, '*', ...fields);
      this.#underWay += json.length;
      added.push(
        sent.finally(() => {
          this.#underWay -= json.length;
        }),
      );
    }
    await Promise.all(added);
  }

  /** Shows that this server is alive, and tells the others when they may have missed something of it. */
  async #beat(): Promise<void> {
    // Whoever hears of us answers, which must not pass us by.
    if (!this.#parts || !this.writer.isUp || this.#positions.size === 0) return;
    try {
      const { keys, leases } = this.#parts;
      await leases.renew();
      // One at a time: there is no hurry.
      this.#beats += 1;
      await this.writer.send('EXPIRE', keys[this.#beats % SHARDS] as string, EXPIRY_S);
      if (!this.#isOwing) return;
      this.#isOwing = false;
      await this.#add({ kind: 'doubt' });
    } catch (error) {
      this.#isOwing = true;
      this.log.warn({ reason: (error as Error).message }, 'the other servers could not be told');
    }
  }

  /** Reads for as long as the connection lasts. */
  async #readOn(onPositioned: () => void): Promise<void> {
    const { reader } = this.#parts as Parts;
    const isBack = this.#positions.size > 0;
    try {
      await this.#findPositions();
      this.#isReading = true;
      onPositioned();
      if (isBack) {
        this.log.info('Redis is back; looking for what was missed');
        this.#local.publish({ kind: 'doubt' });
      }
      for (;;) await this.#readNext();
    } catch (error) {
      onPositioned();
      if (!reader.isUp) return;
      this.log.warn({ reason: (error as Error).message }, 'reading from Redis failed');
      reader.reset();
    }
  }

  /** Where to read on: where this server was, unless Redis has lost that; then, and at first, at the end. */
  async #findPositions(): Promise<void> {
    const { keys, reader } = this.#parts as Parts;
    for (const key of keys) {
      const [newest] = (await reader.send('XREVRANGE', key, '+', '-', 'COUNT', 1)) as Entry[];
      const end = newest?.[0] ?? '0-0';
      const position = this.#positions.get(key);
      if (position === undefined || isAfter(position, end)) this.#positions.set(key, end);
    }
  }

  async #readNext(): Promise<void> {
    const { keys, reader } = this.#parts as Parts;
    const from = keys.map((key) => this.#positions.get(key) as string);
    const limits = ['COUNT', READ_AT_ONCE, 'BLOCK', BLOCK_MS];
    const reply = await reader.send('XREAD', ...limits, 'STREAMS', ...keys, ...from);
    for (const [key, entries] of Object.entries((reply ?? {}) as Record<string, Entry[]>)) {
      const position = this.#positions.get(key) as string;
      const [last] = entries.at(-1) as Entry;
      this.#positions.set(key, last);
      for (const entry of entries) this.#take(entry);
      // Only who is behind can have been left behind.
      if (entries.length < READ_AT_ONCE) continue;
      const [oldest] = (await reader.send('XRANGE', key, '-', '+', 'COUNT', 1)) as Entry[];
      if (!oldest || isAfter(oldest[0], position)) this.#local.publish({ kind: 'doubt' });
    }
  }

  #take([id, [, server, , json]]: Entry): void {
    if (server === this.server) return;
    this.#parts?.leases.heard(server);
    try {
      this.#local.publish(JSON.parse(json));
    } catch (error) {
      this.log.error({ id, reason: (error as Error).message }, 'an event could not be taken');
    }
  }
}

/** Events with the same key stay in order. */
function shardKey(event: BusEvent): string {
  if ('server' in event) return event.server;
  if ('room' in event) return `${event.room.id}`;
  return event.kind === 'standing' ? `${event.user.id}` : event.kind;
}

/** As JSON, in as many entries as it takes. */
function* encoded(event: BusEvent): Generator<string> {
  if (event.kind !== 'messages') {
    yield JSON.stringify(event);
    return;
  }
  const { messages, ...rest } = event;
  const entry = (texts: string[]) =>
    `${JSON.stringify(rest).slice(0, -1)},"messages":[${texts.join(',')}]}`;
  let texts: string[] = [];
  let length = 0;
  for (const message of messages) {
    const text = JSON.stringify(message);
    if (texts.length > 0 && length + text.length > MAX_ENTRY) {
      yield entry(texts);
      texts = [];
      length = 0;
    }
    texts.push(text);
    length += text.length;
  }
  yield entry(texts);
}

/** Of two ids of entries, each `milliseconds-number`. */
function isAfter(one: string, other: string): boolean {
  const [ms = 0, n = 0] = one.split('-').map(Number);
  const [otherMs = 0, otherN = 0] = other.split('-').map(Number);
  return ms > otherMs || (ms === otherMs && n > otherN);
}
