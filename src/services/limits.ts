import { isIPv4, isIPv6 } from 'node:net';
import type { RedisLink } from '../bus/redis-link.ts';
import { ChatError } from '../errors.ts';
import type { Visitor } from '../types/room.ts';
import { type Permits, RateLimit } from './rate-limit.ts';
import { SharedRateLimit } from './shared-rate-limit.ts';

export interface LimitSettings {
  /** A second, per account or per guest and address; 0 turns these limits off. */
  messageRate: number;
  messageBurst: number;
  /** A second, per address; 0 turns these limits off. */
  requestRate: number;
  /** 0 turns the limit off. */
  maxConnectionsPerIp: number;
}

/** Rooms that one address may make: so many at once, and so many a second in the long run. */
const NEW_ROOMS = { rate: 0.1, burst: 1000 };
/** Wrong passwords for one name from one address. */
const WRONG_PASSWORDS = { rate: 0.1, burst: 10 };

/**
 * How much anyone may do: what is counted per user on all servers together, what is counted per address
 * on each by itself. What was never done needs no memory, and what is long past is forgotten.
 */
export class Limits {
  #messages: Permits;
  readonly #requests: RateLimit;
  readonly #newRooms: RateLimit;
  #wrongPasswords: Permits;
  readonly #connections = new Map<string, number>();

  constructor(private readonly settings: LimitSettings) {
    const { messageRate, messageBurst, requestRate } = settings;
    this.#messages = new RateLimit(messageRate, messageBurst);
    this.#requests = new RateLimit(requestRate, 2 * requestRate);
    this.#newRooms = new RateLimit(messageRate && NEW_ROOMS.rate, NEW_ROOMS.burst);
    this.#wrongPasswords = new RateLimit(
      requestRate && WRONG_PASSWORDS.rate,
      WRONG_PASSWORDS.burst,
    );
  }

  /**
   * From now on what is counted per user is counted over all servers.
   *
   * @param cluster names the database that they share: another one's users are others
   */
  share(redis: RedisLink, cluster: string): void {
    const { messageRate, messageBurst, requestRate } = this.settings;
    const prefix = `ws-chat:${cluster}:rate`;
    this.#messages = new SharedRateLimit(redis, `${prefix}:messages`, messageRate, messageBurst);
    this.#wrongPasswords = new SharedRateLimit(
      redis,
      `${prefix}:passwords`,
      requestRate && WRONG_PASSWORDS.rate,
      WRONG_PASSWORDS.burst,
    );
  }

  /** A limit for the frames of one connection, of the size of that for messages. */
  forFrames(): RateLimit {
    return new RateLimit(this.settings.messageRate, this.settings.messageBurst);
  }

  /** @returns the seconds to wait before the visitor may say something; 0 when it is counted */
  message(visitor: Visitor): number | Promise<number> {
    const key = speakerKey(visitor);
    return key === undefined ? 0 : this.#messages.take(key);
  }

  /** What was counted was said before. */
  giveBackMessage(visitor: Visitor): void {
    const key = speakerKey(visitor);
    if (key !== undefined) this.#messages.giveBack(key);
  }

  /** @throws {ChatError} `rate_limited` */
  checkRequest(address: string): void {
    check(this.#requests.take(networkOf(address)), 'Too many requests');
  }

  /** @throws {ChatError} `rate_limited` */
  checkNewRoom({ identity, address = '' }: Visitor): void {
    if (identity.kind === 'key') return;
    check(this.#newRooms.take(networkOf(address)), 'Too many new rooms');
  }

  /**
   * Counts a password as wrong before it is looked at, so that many at once are counted too.
   *
   * @param key of the user
   * @returns gives the try back, when the password was right or was not looked at
   * @throws {ChatError} `rate_limited` after too many wrong ones
   */
  async tryPassword(key: string, address: string): Promise<() => void> {
    const tried = `${key}@${networkOf(address)}`;
    check(await this.#wrongPasswords.take(tried), 'Too many wrong passwords');
    return () => this.#wrongPasswords.giveBack(tried);
  }

  /**
   * Counts a connection until the returned function is called.
   *
   * @throws {ChatError} `rate_limited` when there are too many from this address
   */
  connect(address: string): () => void {
    const key = networkOf(address);
    const { maxConnectionsPerIp: most } = this.settings;
    const open = this.#connections.get(key) ?? 0;
    if (most > 0 && open >= most) {
      throw new ChatError('rate_limited', `There are ${open} connections from your address.`, 10);
    }
    this.#connections.set(key, open + 1);
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      const left = (this.#connections.get(key) ?? 1) - 1;
      if (left === 0) this.#connections.delete(key);
      else this.#connections.set(key, left);
    };
  }
}

/** Undefined for those whose messages are not counted. */
function speakerKey({ identity, user, address = '' }: Visitor): string | undefined {
  if (identity.kind === 'key' || !user) return undefined;
  return identity.kind === 'user' ? `${user.id}` : `${user.id}@${networkOf(address)}`;
}

function check(wait: number, what: string): void {
  if (wait > 0) throw tooFast(what, wait);
}

/** @param wait seconds */
export function tooFast(what: string, wait: number): ChatError {
  const seconds = Math.ceil(wait * 10) / 10;
  return new ChatError('rate_limited', `${what}; wait ${seconds} s.`, seconds);
}

/** Whoever has one address of IPv6 has all that share its first 64 bits: RFC 6177. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (mapped && isIPv4(mapped)) return mapped;
  const [head = '', tail = ''] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const missing = 8 - groups.length - (tail === '' ? 0 : tail.split(':').length);
  const whole = address.includes('::')
    ? [...groups, ...Array(missing).fill('0'), ...tail.split(':')]
    : groups;
  return `${whole
    .slice(0, 4)
    .map((group) => Number.parseInt(group || '0', 16).toString(16))
    .join(':')}::/64`;
}
