import type { Author } from '../chat/chat.service.ts';
import { ChatError, Disconnect } from '../errors.ts';
import type { Cancel, Clock } from '../lib/clock.ts';
import { missingUsername } from '../protocol/checks.ts';
import { checkRoom, type Identity, type Person, type UserState } from '../protocol/identity.ts';
import type { AuthService } from '../users/auth/auth.service.ts';
import type { Holder, Watch } from '../users/auth/watch.ts';
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

/** The connection that shows a token. */
export interface TokenHolder extends Holder {
  /** The token ends in so many seconds; called once for each token, about a minute before its end. */
  warn(seconds: number): void;
}

/** How long before the end of a token the client is warned, in milliseconds. */
const EXPIRING_MS = 60_000;

/** The identity of a connection, and how long it holds. */
export class Credentials {
  /** Cancels the end of a connection without a token, or the warning of the token's end. */
  #cancelTimer: Cancel | undefined;
  #watch: Watch | undefined;
  #isWarning = false;
  #isOver = false;
  private identity: Identity;

  /** @param holder is ended when it may no longer go on, perhaps more than once */
  constructor(
    private readonly parts: CredentialsParts,
    private readonly handshake: Handshake,
    private readonly holder: TokenHolder,
  ) {
    const { identity } = handshake;
    this.identity = identity;
    const isAwaited = identity.kind === 'guest' && !parts.auth.isOpen;
    if (!isAwaited) return;
    this.#cancelTimer = parts.clock.timer(parts.tokenWithin, () => {
      const late = new ChatError('unauthorized', 'The connection showed no token in time.');
      holder.end(new Disconnect(late));
    });
  }

  /** To be called and awaited before anything else; it never rejects. */
  async open(): Promise<void> {
    if (this.identity.kind !== 'user') return;
    // A failure here is tried again by `authenticate`.
    await this.#startWatch(this.identity, this.identity.user).catch(() => {});
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
    if (this.identity.kind !== 'user' || !this.#watch) await this.#startWatch(this.identity, user);
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
  principal(user: Person): Author {
    return { identity: this.identity, user, address: this.handshake.address };
  }

  /** Has the holder warned from now on. */
  startWarning(): void {
    this.#isWarning = true;
    this.#warnInTime();
  }

  /** Ends the watches and timers of a closed connection. */
  close(): void {
    this.#isOver = true;
    this.#cancelTimer?.();
    this.#watch?.end();
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
    if (shown.kind === 'user') await this.#startWatch(shown, shown.user);
    this.identity = shown;
    this.#warnInTime();
  }

  /** The previous watch is ended only once the new one is set up. */
  async #startWatch(identity: Identity, user: UserState): Promise<void> {
    const watch = await this.parts.auth.watch(identity, user, this.holder);
    this.#watch?.end();
    this.#watch = watch;
    if (this.#isOver) watch.end();
  }

  /** Warns the holder of the end of the present token, in place of any timer before. */
  #warnInTime(): void {
    this.#cancelTimer?.();
    const expiresAt = this.identity.kind === 'user' ? this.identity.token.expiresAt : undefined;
    if (expiresAt === undefined || !this.#isWarning || this.#isOver) return;
    const { clock } = this.parts;
    this.#cancelTimer = clock.at(expiresAt - EXPIRING_MS, () => {
      this.holder.warn(Math.max(0, Math.ceil((expiresAt - clock.now()) / 1000)));
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
