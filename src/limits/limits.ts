import type { RedisLink } from '../bus/redis/link.ts';
import { ChatError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Keys } from '../lib/fair-queue.ts';
import type { Principal } from '../protocol/room.ts';
import { networkOf } from './address.ts';
import { RedisTokenBucket } from './redis-token-bucket.ts';
import { type RateLimiter, TokenBucket } from './token-bucket.ts';

export interface LimitSettings {
  /** Messages a second, per account or per guest and address; 0 turns these limits off. */
  messageRate: number;
  messageBurst: number;
  /** Requests a second, per address; 0 turns these limits off. */
  requestRate: number;
  /** 0 turns the limit off. */
  maxConnectionsPerIp: number;
}

/** The unanswered bytes of one network. */
export interface Load {
  /** Counts bytes that arrive. @returns false past the limit; then they are not counted */
  take(bytes: number): boolean;
  /** Stops counting bytes that have been answered or given up. */
  give(bytes: number): void;
}

interface SharedLimits {
  redis: RedisLink;
  cluster: string;
}

/** Rooms that one address may create: `burst` at once, and `rate` a second in the long run. */
const NEW_ROOMS = { rate: 0.1, burst: 1000 };
/** Look-ups per message: a client that lost its connection sends all unacked messages again. */
const LOOK_UPS = 10;
/** The most unanswered bytes of one network: half of the writer's queue. */
const MAX_IN_FLIGHT = 8 * 1024 * 1024;
/** Wrong passwords for one name from one address. */
const WRONG_PASSWORDS = { rate: 0.1, burst: 10 };

/**
 * All limits: those per user are counted over all servers together, those per address on each server by
 * itself. Unused limits take no memory, and old counts are forgotten.
 */
export class Limits {
  readonly #messages: RateLimiter;
  readonly #lookUps: TokenBucket;
  readonly #requests: TokenBucket;
  readonly #newRooms: TokenBucket;
  /** Of a connection. */
  readonly #frames: TokenBucket<object>;
  readonly #refusals: TokenBucket<object>;
  readonly #inFlight: InFlight;
  readonly #wrongPasswords: RateLimiter;
  readonly #connections = new Map<string, number>();

  /**
   * @param parts `shared`: the Redis that counts messages and passwords over all servers; `cluster` names their
   *   database, since another database has other users
   */
  constructor(
    { clock, shared }: { clock: Clock; shared?: SharedLimits | undefined },
    private readonly settings: LimitSettings,
  ) {
    const { messageRate, messageBurst, requestRate } = settings;
    const bucket = (rate: number, burst: number) => new TokenBucket({ clock, rate, burst });
    const perUser = (name: string, rate: number, burst: number): RateLimiter =>
      shared
        ? new RedisTokenBucket({
            clock,
            redis: shared.redis,
            prefix: `ws-chat:${shared.cluster}:rate:${name}`,
            rate,
            burst,
          })
        : bucket(rate, burst);
    this.#messages = perUser('messages', messageRate, messageBurst);
    this.#wrongPasswords = perUser(
      'passwords',
      requestRate && WRONG_PASSWORDS.rate,
      WRONG_PASSWORDS.burst,
    );
    this.#lookUps = bucket(LOOK_UPS * messageRate, LOOK_UPS * messageBurst);
    this.#inFlight = new InFlight(settings.maxConnectionsPerIp && MAX_IN_FLIGHT);
    this.#requests = bucket(requestRate, 2 * requestRate);
    this.#newRooms = bucket(messageRate && NEW_ROOMS.rate, NEW_ROOMS.burst);
    this.#frames = new TokenBucket({ clock, rate: messageRate, burst: messageBurst });
    this.#refusals = new TokenBucket({ clock, rate: messageRate, burst: messageBurst });
  }

  /**
   * Counts a frame of a connection that is no message; the limit is as high as that for messages.
   *
   * @returns the seconds to wait before such a frame; 0 when this one is counted
   */
  frame(connection: object): number {
    return this.#frames.take(connection);
  }

  /** The same for the frames of a connection that are refused by its own fault. */
  refusal(connection: object): number {
    return this.#refusals.take(connection);
  }

  /** @returns the seconds to wait before the principal may send a message; 0 when the message is counted */
  message(principal: Principal): number | Promise<number> {
    const key = speakerKey(principal);
    return key === undefined ? 0 : this.#messages.take(key);
  }

  /** Counts a message. @throws {ChatError} `rate_limited` */
  async checkMessage(principal: Principal): Promise<void> {
    check(await this.message(principal), 'Too many messages');
  }

  /** Counts a look-up for the first ack of a message that came too fast. @returns false past its limit */
  mayLookUp(principal: Principal): boolean {
    const key = speakerKey(principal);
    return key === undefined || this.#lookUps.take(key) === 0;
  }

  /** Takes back the count of a message that was a duplicate. */
  refundMessage(principal: Principal): void {
    const key = speakerKey(principal);
    if (key !== undefined) this.#messages.refund(key);
  }

  /** @throws {ChatError} `rate_limited` */
  checkRequest(address: string): void {
    check(this.#requests.take(networkOf(address)), 'Too many requests');
  }

  /** @throws {ChatError} `rate_limited` */
  checkNewRoom({ identity, address = '' }: Principal): void {
    if (identity.kind === 'key') return;
    check(this.#newRooms.take(networkOf(address)), 'Too many new rooms');
  }

  /**
   * Counts a password as wrong before it is verified, so that many at once are counted too.
   *
   * @param key of the user
   * @returns the function that takes the count back, when the password was right or was not verified
   * @throws {ChatError} `rate_limited` after too many wrong ones
   */
  async tryPassword(key: string, address: string): Promise<() => void> {
    const tried = `${key}@${networkOf(address)}`;
    check(await this.#wrongPasswords.take(tried), 'Too many wrong passwords');
    return () => this.#wrongPasswords.refund(tried);
  }

  /** The unanswered bytes of the network of an address. */
  inFlight(address: string): Load {
    return new NetworkLoad(this.#inFlight, networkOf(address));
  }

  /**
   * Counts a connection until {@link disconnect}, which must be called once.
   *
   * @throws {ChatError} `rate_limited` when there are too many from this address
   */
  connect(address: string): void {
    const key = networkOf(address);
    const { maxConnectionsPerIp: most } = this.settings;
    const open = this.#connections.get(key) ?? 0;
    if (most > 0 && open >= most) {
      throw new ChatError(
        'rate_limited',
        `There are ${open} connections from your address already; close one first.`,
        10,
      );
    }
    this.#connections.set(key, open + 1);
  }

  disconnect(address: string): void {
    const key = networkOf(address);
    const left = (this.#connections.get(key) ?? 1) - 1;
    if (left === 0) this.#connections.delete(key);
    else this.#connections.set(key, left);
  }
}

/** Counts the bytes of unanswered frames and requests, per network. */
class InFlight {
  readonly #bytesOf = new Map<string, number>();

  /** @param most the most bytes of one network; 0 for no limit */
  constructor(private readonly most: number) {}

  take(network: string, bytes: number): boolean {
    const sum = (this.#bytesOf.get(network) ?? 0) + bytes;
    if (this.most > 0 && sum > this.most) return false;
    this.#bytesOf.set(network, sum);
    return true;
  }

  give(network: string, bytes: number): void {
    const left = (this.#bytesOf.get(network) ?? 0) - bytes;
    if (left > 0) this.#bytesOf.set(network, left);
    else this.#bytesOf.delete(network);
  }
}

class NetworkLoad implements Load {
  constructor(
    private readonly inFlight: InFlight,
    private readonly network: string,
  ) {}

  take(bytes: number): boolean {
    return this.inFlight.take(this.network, bytes);
  }

  give(bytes: number): void {
    this.inFlight.give(this.network, bytes);
  }
}

/**
 * The keys by which the reads of a principal take turns: its network, and its account, which may come from many
 * networks. The name of a guest is anyone's, and whoever used it too could hold the guest up.
 */
export function readerOf({ identity, address = '' }: Principal): Keys {
  const network = networkOf(address);
  return identity.kind === 'user' ? [network, `user ${identity.user.id}`] : [network];
}

/** The key under which a principal's messages are counted; undefined for those that are not. */
function speakerKey({ identity, user, address = '' }: Principal): string | undefined {
  if (identity.kind === 'key' || !user) return undefined;
  return identity.kind === 'user' ? `${user.id}` : `${user.id}@${networkOf(address)}`;
}

function check(wait: number, fault: string): void {
  if (wait > 0) throw tooFast(fault, wait);
}

/**
 * @param fault the beginning of the error sentence
 * @param wait seconds
 */
export function tooFast(fault: string, wait: number): ChatError {
  const seconds = Math.ceil(wait * 10) / 10;
  return new ChatError('rate_limited', `${fault}; wait ${seconds} s.`, seconds);
}
