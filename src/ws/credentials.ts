import { ChatError, Disconnect } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { missingUsername } from '../protocol/checks.ts';
import { checkRoom, type Identity, type Person, type UserState } from '../protocol/identity.ts';
import type { Principal } from '../protocol/room.ts';
import type { AuthService } from '../users/auth/auth.service.ts';
import type { UserService } from '../users/user.service.ts';

/** The identity that a connection was opened with, and its address. */
export interface Handshake {
  identity: Identity;
  address: string;
}

export interface CredentialsParts {
  auth: AuthService;
  users: UserService;
  clock: Clock;
  /** How long a connection may go without a token in `AUTH=required`, in milliseconds. */
  tokenWithin: number;
}

/** How long before the end of a token the client is warned, in milliseconds. */
const EXPIRING_MS = 60_000;

/** The identity of a connection, and how long it holds. */
export class Credentials {
  readonly #stopWaiting: (() => void) | undefined;
  #endWatch: (() => void) | undefined;
  #stopWarning: (() => void) | undefined;
  #warn: ((seconds: number) => void) | undefined;
  #isOver = false;
  private identity: Identity;

  /** @param parts `onEnd` is called when the connection must end; it may be called more than once */
  constructor(
    private readonly parts: CredentialsParts & {
      handshake: Handshake;
      onEnd(reason: Disconnect): void;
    },
  ) {
    const { onEnd } = parts;
    const { identity } = parts.handshake;
    this.identity = identity;
    const isAwaited = identity.kind === 'guest' && !parts.auth.isOpen;
    if (!isAwaited) return;
    this.#stopWaiting = parts.clock.timer(parts.tokenWithin, () => {
      const late = new ChatError('unauthorized', 'The connection showed no token in time.');
      onEnd(new Disconnect(late));
    });
  }

  /** To be called and awaited before anything else; it never rejects. */
  async open(): Promise<void> {
    if (this.identity.kind !== 'user') return;
    // A failure here is tried again by `authenticate`.
    await this.#watch(this.identity, this.identity.user).catch(() => {});
  }

  /**
   * Returns the user of a join.
   *
   * @param username may be missing when a token names the user
   * @param token of the join; it counts like a token of the handshake
   * @throws {Disconnect} when the token is bad, or the user is banned
   * @throws {ChatError} `invalid_frame` for no name, `unauthorized` for an account without its token, `forbidden` for another's
   */
  async authenticate(username?: string, token?: string): Promise<UserState> {
    if (token !== undefined) await this.#show(token).catch(endIfBad);
    const { auth, users } = this.parts;
    const name = username ?? this.#ownName();
    const user = await auth
      .resolveUser(this.identity, name, (name) => users.ensure(name))
      .catch((error) => {
        throw error instanceof ChatError && error.code === 'banned' ? new Disconnect(error) : error;
      });
    if (this.identity.kind !== 'user' || !this.#endWatch) await this.#watch(this.identity, user);
    return user;
  }

  /**
   * Accepts a fresh token in place of the present one.
   *
   * @param rooms the rooms that the connection is in
   * @throws {ChatError} `unauthorized` for a bad token, `forbidden` for one of another user, for one that
   *   excludes a room, or on a connection without a token
   */
  async renew(token: string, rooms: Iterable<string>): Promise<void> {
    if (this.identity.kind !== 'user') {
      throw new ChatError('forbidden', 'This connection has no token; open another one with it.');
    }
    await this.#show(token, rooms);
  }

  /** Checks again that the connection may act as the user. @throws {Disconnect} when it may not any more */
  async check({ username }: Person): Promise<void> {
    const { auth, users } = this.parts;
    await auth.resolveUser(this.identity, username, (name) => users.state(name)).catch(endIfBad);
  }

  /** Whether this is a back end with `API_KEY`, whose frames are not counted. */
  get isTrusted(): boolean {
    return this.identity.kind === 'key';
  }

  /** The user of this connection with its identity. */
  principal(user: Person): Principal {
    return { identity: this.identity, user, address: this.parts.handshake.address };
  }

  /** Registers the function that is called once for each token, a minute before its end, with the seconds left. */
  warnBy(warn: (seconds: number) => void): void {
    this.#warn = warn;
    this.#warnInTime();
  }

  /** Ends the watches and timers of a closed connection. */
  close(): void {
    this.#isOver = true;
    this.#stopWaiting?.();
    this.#stopWarning?.();
    this.#endWatch?.();
  }

  /** @throws {ChatError} `invalid_frame` when no token names the user */
  #ownName(): string {
    if (this.identity.kind === 'user') return this.identity.user.username;
    this.parts.auth.checkAdmitted(this.identity);
    throw missingUsername();
  }

  async #show(token: string, rooms: Iterable<string> = []): Promise<void> {
    const shown = await this.parts.auth.identify(token);
    if (!isSame(this.identity, shown)) {
      throw new ChatError('forbidden', 'This connection showed the token of another user before.');
    }
    for (const room of rooms) checkRoom(shown, room);
    if (shown.kind === 'user') await this.#watch(shown, shown.user);
    this.identity = shown;
    this.#stopWaiting?.();
    this.#warnInTime();
  }

  /** The previous watch is ended only once the new one is set up. */
  async #watch(identity: Identity, user: UserState): Promise<void> {
    const endWatch = await this.parts.auth.watch(identity, user, this.parts.onEnd);
    this.#endWatch?.();
    this.#endWatch = endWatch;
    if (this.#isOver) endWatch();
  }

  #warnInTime(): void {
    this.#stopWarning?.();
    const expiresAt = this.identity.kind === 'user' ? this.identity.token.expiresAt : undefined;
    const warn = this.#warn;
    if (expiresAt === undefined || !warn || this.#isOver) return;
    const { clock } = this.parts;
    this.#stopWarning = clock.at(expiresAt - EXPIRING_MS, () => {
      warn(Math.max(0, Math.ceil((expiresAt - clock.now()) / 1000)));
    });
  }
}

/** A connection may show further tokens of its user, and of nobody else. */
function isSame(before: Identity, now: Identity): boolean {
  if (before.kind === 'guest') return true;
  if (before.kind === 'user' && now.kind === 'user') return before.user.id === now.user.id;
  return before.kind === now.kind;
}

function endIfBad(error: unknown): never {
  const isBad = error instanceof ChatError && ['unauthorized', 'banned'].includes(error.code);
  throw isBad ? new Disconnect(error) : error;
}
