import type { Clock } from '../../lib/clock.ts';

/** How often a server appends a heartbeat, in milliseconds. */
export const BEAT_MS = 200;
/** How long a heartbeat counts, in milliseconds; twice this is less than a second, even with late ones. */
const FRESH_MS = 450;
/** The most heartbeats of this server that may be on their way. */
const MAX_UNDER_WAY = 100;

/**
 * Finds out whether all events of the other servers have arrived. Each server appends heartbeats behind its
 * events, so a reader of a heartbeat has read the events before it. A server is in sync as of the time at which
 * it sent a heartbeat of its own, once it has read that, and a fresh one of every other server before it. Only
 * times of Redis' clock are compared.
 */
export class Heartbeats {
  #sent = 0;
  /** The times at which the heartbeats on their way were sent, by number. */
  readonly #sentAt = new Map<number, number>();
  /** The time at which the last one of each server was appended, by Redis' clock. */
  readonly #appendedAt = new Map<string, number>();
  #readAt = Number.NEGATIVE_INFINITY;
  #inSyncAt = Number.NEGATIVE_INFINITY;

  /** @param options `others`: the other servers that are known to be alive */
  constructor(private readonly options: { clock: Clock; server: string; others(): string[] }) {}

  /** The number of the next heartbeat, which must be sent at once. */
  next(): number {
    this.#sent += 1;
    this.#sentAt.set(this.#sent, this.options.clock.monotonic());
    this.#sentAt.delete(this.#sent - MAX_UNDER_WAY);
    return this.#sent;
  }

  /**
   * Notes a heartbeat that was read, in the order of the stream, after all events before it.
   *
   * @param appendedAt by Redis' clock, in milliseconds
   */
  read(server: string, number: number, appendedAt: number): void {
    if (server !== this.options.server) {
      this.#appendedAt.set(server, appendedAt);
      return;
    }
    const sentAt = this.#sentAt.get(number);
    if (sentAt === undefined) return;
    for (const sent of this.#sentAt.keys()) if (sent <= number) this.#sentAt.delete(sent);
    this.#readAt = sentAt;
    const isFresh = (other: string) =>
      appendedAt - (this.#appendedAt.get(other) ?? Number.NEGATIVE_INFINITY) < FRESH_MS;
    if (this.options.others().every(isFresh)) this.#inSyncAt = sentAt;
  }

  /** Forgets a server that has ended. */
  forget(server: string): void {
    this.#appendedAt.delete(server);
  }

  /** Whether all events that the others had published a moment ago have arrived. */
  get isInSync(): boolean {
    return this.options.clock.monotonic() - this.#inSyncAt < FRESH_MS;
  }

  /** The time since this server last read a heartbeat of its own, in milliseconds. */
  get silence(): number {
    return this.options.clock.monotonic() - this.#readAt;
  }
}
