import type { Cancel, Clock } from '../../lib/clock.ts';
import type { Ids } from '../../lib/ids.ts';
import type { Logger } from '../../log.ts';
import type { Bus, BusEvent, BusListener } from '../bus.ts';
import { MemoryBus } from '../memory.ts';
import { type Entry, encoded, shardKey, timeOf } from './entries.ts';
import { BEAT_MS, Heartbeats } from './heartbeats.ts';
import { IsolatedServers, type Roll } from './isolated-servers.ts';
import { Leases, RENEW_MS } from './leases.ts';
import { type Connect, PATIENCE_MS, RedisLink } from './link.ts';
import { StreamReader } from './reader.ts';

/** The number of streams over which rooms are spread, so that a Redis Cluster can spread them too. */
const SHARDS = 8;
/** The least entries that a stream keeps, which with their length bounds its memory; servers that are further behind resync from the database. */
const KEPT = 1000;
/** Seconds after which a stream without servers is deleted. */
const EXPIRY_S = 3600;
/** The most characters that may be on their way to a slow Redis. */
const MOST_UNDER_WAY = 32 * 1024 * 1024;
/** How long a stop waits for Redis, in milliseconds. */
const GOODBYE_MS = 500;

/** How often the database is read again while the bus is out of sync, in milliseconds. */
const ASK_EVERY_MS = 2000;
/**
 * How long this server may read no heartbeat of its own before it counts as isolated, in milliseconds; by then a
 * connection that hangs has been given up.
 */
const UNREACHED_MS = PATIENCE_MS + 1000;

interface StreamsParts {
  /** Of the Redis; waiting for entries takes a connection of its own. */
  url: string;
  /** Names the database that all servers of this bus share. */
  cluster: string;
  /** The list of servers whose events do not arrive here. */
  roll: Roll;
  clock: Clock;
  ids: Ids;
  log: Logger;
  /** How Redis is reached; by Bun's client unless it is given. */
  connect?: Connect | undefined;
}

/**
 * The bus of several servers: an event reaches the listeners of its own server at once, and those of the others
 * over Redis Streams, which every server reads from its last position. A lost Redis loses nothing, since all
 * lasting changes are in the database: a `resync` then makes the listeners read it.
 */
export class RedisStreams implements Bus {
  readonly server: string;
  readonly isShared: boolean = true;
  readonly #local: MemoryBus;
  readonly #keys: string[];
  /** The stream of the heartbeats. */
  readonly #beatsKey: string;
  readonly #reader: StreamReader;
  readonly #writer: RedisLink;
  readonly #leases: Leases;
  readonly #heartbeats: Heartbeats;
  readonly #isolated: IsolatedServers;
  readonly #stops: Cancel[];
  /** Whether lasting events could not be published, so that the others must resync. */
  #needsResync = false;
  #renewals = 0;
  #isBeating = false;
  /** The last time at which the bus was in sync, or a resync was published instead. */
  #askedAt: number;
  /** Characters of entries that Redis has not confirmed. */
  #underWay = 0;

  /** Joins the bus now or, when Redis is away, as soon as it is back. */
  constructor(private readonly parts: StreamsParts) {
    const { url, cluster, clock, log, connect } = parts;
    this.#local = new MemoryBus(parts);
    this.server = this.#local.server;
    this.#keys = Array.from({ length: SHARDS }, (_, n) => `ws-chat:${cluster}:${n}`);
    this.#beatsKey = `ws-chat:${cluster}:beats`;
    this.#askedAt = clock.monotonic();
    const { server } = this;
    this.#reader = new StreamReader({
      clock,
      log,
      url,
      connect,
      keys: [...this.#keys, this.#beatsKey],
      onEntry: (entry) => this.#receive(entry),
      onBeat: (beat) => this.#handleBeat(beat),
      onGap: () => this.#local.publish({ kind: 'resync' }),
    });
    this.#writer = new RedisLink({
      clock,
      url,
      connect,
      onUp: () => {
        this.#leases.begin();
        void this.#renew();
      },
    });
    this.#leases = new Leases({
      clock,
      link: this.#writer,
      key: `ws-chat:${cluster}:servers`,
      server,
      events: {
        onNone: () => this.#local.publish({ kind: 'resync' }),
        onLapse: (server, silent) => {
          log.warn({ server }, 'a server is gone');
          this.#heartbeats.forget(server);
          this.#isolated.lost(server);
          this.#local.publish({ kind: 'server.lost', server, silent });
        },
      },
    });
    this.#heartbeats = new Heartbeats({ clock, server, others: () => this.#leases.others });
    this.#isolated = new IsolatedServers({
      ...parts,
      server,
      isReachable: (server) => this.#leases.others.includes(server),
      // Its last commits were never published.
      onGone: () => this.#local.publish({ kind: 'resync' }),
    });
    this.#stops = [
      clock.every(RENEW_MS, () => void this.#renew()),
      clock.every(BEAT_MS, () => void this.#beat()),
      clock.every(BEAT_MS, () => this.#watch()),
    ];
  }

  get isInSync(): boolean {
    return this.#heartbeats.isInSync && this.#reader.isReading && this.#isolated.isEmpty;
  }

  /** Whether events reach the other servers, and theirs this one. */
  get isConnected(): boolean {
    const isReached = this.#heartbeats.silence < UNREACHED_MS;
    return this.#reader.isReading && !this.#needsResync && this.#writer.isUp && isReached;
  }

  /** @returns the other servers, once their replies would arrive; none when Redis is away */
  async start(): Promise<string[]> {
    const [reader, writer] = [this.#reader, this.#writer];
    await Promise.all([reader.tried, writer.tried]);
    if (!reader.isUp || !writer.isUp) {
      const { reason } = reader.isUp ? writer : reader;
      this.parts.log.warn({ reason }, 'Redis cannot be reached; this server starts by itself');
      return [];
    }
    // From now on the replies of the others are read.
    await this.#reader.positioned;
    await Promise.all([this.#renew(), this.#isolated.look()]);
    await this.#beat();
    return this.#leases.others;
  }

  publish(event: BusEvent): void {
    this.#local.publish(event);
    void this.#add(event).catch(() => {
      // Events that are not stored are shown now or never.
      if (event.kind !== 'ephemeral' && event.kind !== 'personal') this.#needsResync = true;
    });
  }

  subscribe(listener: BusListener): () => void {
    return this.#local.subscribe(listener);
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop();
    this.#isolated.close();
    const goodbye = this.#leases.end().catch(() => {});
    await Promise.race([goodbye, this.parts.clock.sleep(GOODBYE_MS)]);
    this.#reader.close();
    this.#writer.close();
  }

  /** Appends an event to its stream. @throws when it may not have been appended */
  async #add(event: BusEvent): Promise<void> {
    if (!this.#writer.isUp) throw new Error('Redis is away');
    if (this.#underWay > MOST_UNDER_WAY) throw new Error('Redis is too slow');
    const key = this.#keys[Bun.hash.crc32(shardKey(event)) % SHARDS] as string;
    const added = [];
    for (const json of encoded(event)) {
      const fields = ['from', this.server, 'event', json];
      const sent = this.#writer.send('XADD', key, 'MAXLEN', '~', KEPT, '*', ...fields);
      this.#underWay += json.length;
      added.push(
        sent.finally(() => {
          this.#underWay -= json.length;
        }),
      );
    }
    await Promise.all(added);
  }

  /** Shows that this server is alive. */
  async #renew(): Promise<void> {
    // Other servers reply to a new lease, and their replies must be read.
    if (!this.#writer.isUp || !this.#reader.isPositioned) return;
    try {
      await this.#leases.renew();
      // One stream at a time, since there is no hurry.
      this.#renewals += 1;
      const keys = [...this.#keys, this.#beatsKey];
      const key = keys[this.#renewals % keys.length] as string;
      await this.#writer.send('EXPIRE', key, EXPIRY_S);
    } catch (error) {
      this.#needsResync = true;
      this.parts.log.warn({ reason: (error as Error).message }, 'the lease could not be renewed');
    }
  }

  /**
   * Appends a heartbeat, after which readers have all events of this server so far; before it, if events may
   * have been lost, a `resync`.
   */
  async #beat(): Promise<void> {
    if (this.#isBeating || !this.#writer.isUp || !this.#reader.isPositioned) return;
    this.#isBeating = true;
    try {
      if (this.#needsResync) {
        this.#needsResync = false;
        await this.#add({ kind: 'resync' });
      }
      const fields = ['from', this.server, 'beat', this.#heartbeats.next()];
      await this.#writer.send('XADD', this.#beatsKey, 'MAXLEN', '~', KEPT, '*', ...fields);
    } catch {
      this.#needsResync = true;
    } finally {
      this.#isBeating = false;
    }
  }

  /** Publishes a resync now and then while events of the others may be missing. */
  #watch(): void {
    const now = this.parts.clock.monotonic();
    if (this.isInSync) this.#askedAt = now;
    if (now - this.#askedAt < ASK_EVERY_MS) return;
    this.#askedAt = now;
    this.#local.publish({ kind: 'resync' });
    if (this.#heartbeats.silence >= ASK_EVERY_MS) this.#isolated.say();
  }

  /** Handles a heartbeat, which follows the events of its server. */
  #handleBeat([id, [, server, , number]]: Entry): void {
    if (server !== this.server) this.#leases.noteAlive(server);
    this.#heartbeats.read(server, Number(number), timeOf(id));
  }

  #receive([id, [, server, , json]]: Entry): void {
    if (server === this.server) return;
    this.#leases.noteAlive(server);
    try {
      const event: BusEvent = JSON.parse(json);
      if (event.kind === 'server.lost' && event.server === server) this.#leases.forget(server);
      this.#local.publish(event);
    } catch (error) {
      this.parts.log.error(
        { id, reason: (error as Error).message },
        'an event could not be handled',
      );
    }
  }
}
