import { ChatError, Disconnect } from '../errors.ts';
import type { AuthService } from '../services/auth.service.ts';
import { at } from '../services/clock.ts';
import type { UserService } from '../services/user.service.ts';
import { checkRoom, type Identity, type Person, type Standing } from '../types/identity.ts';
import type { Visitor } from '../types/room.ts';

/** Whoever opened a connection: what was shown with the handshake, and the address. */
export interface Caller {
  identity: Identity;
  address: string;
}

export interface AdmissionParts {
  auth: AuthService;
  users: UserService;
  /** How long a connection may be nobody in `AUTH=required`, in milliseconds. */
  tokenWithin: number;
}

/** How long before its end a token is said to expire, in milliseconds. */
const EXPIRING_MS = 60_000;

/** Who a connection may be, and for how long. */
export class Admission {
  readonly #stopWaiting: () => void;
  #letGo: (() => void) | undefined;
  #stopWarning: (() => void) | undefined;
  #warn: ((seconds: number) => void) | undefined;
  #isOver = false;
  private identity: Identity;

  /** @param onEnd is called when the connection must end; it may be called more than once */
  constructor(
    private readonly parts: AdmissionParts,
    private readonly caller: Caller,
    private readonly onEnd: (reason: Disconnect) => void,
  ) {
    const { identity } = caller;
    this.identity = identity;
    const isAwaited = identity.kind === 'guest' && !parts.auth.isOpen;
    const late = new ChatError('unauthorized', 'No token came in time.');
    this.#stopWaiting = isAwaited
      ? at(Date.now() + parts.tokenWithin, () => onEnd(new Disconnect(late)))
      : () => {};
  }

  /** To be called before anything else, and to be waited for; it never rejects. */
  async open(): Promise<void> {
    if (this.identity.kind !== 'user') return;
    // What fails here is tried again by `enter`.
    await this.#hold(this.identity, this.identity.user).catch(() => {});
  }

  /**
   * The user as whom the connection joins.
   *
   * @param token what came with the join; it counts like one of the handshake
   * @throws {Disconnect} when the token is bad, or the user is banned
   * @throws {ChatError} `unauthorized` for an account without its token, `forbidden` for another's
   */
  async enter(username: string, token?: string): Promise<Standing> {
    if (token !== undefined) await this.#show(token).catch(endIfBad);
    const { auth, users } = this.parts;
    const user = await auth
      .speaker(this.identity, username, (name) => users.enter(name))
      .catch((error) => {
        throw error instanceof ChatError && error.code === 'banned' ? new Disconnect(error) : error;
      });
    if (this.identity.kind !== 'user' || !this.#letGo) await this.#hold(this.identity, user);
    return user;
  }

  /**
   * Takes a fresh token in place of the one that was shown.
   *
   * @param rooms those that the connection is in
   * @throws {ChatError} `unauthorized` for a bad one, `forbidden` when it is another's, or not for one
   *   of the rooms, or when none was shown before
   */
  async renew(token: string, rooms: Iterable<string>): Promise<void> {
    if (this.identity.kind !== 'user') {
      throw new ChatError('forbidden', 'This connection has no token; open another one with it.');
    }
    await this.#show(token, rooms);
  }

  /** A back end of our own, whose frames are not counted. */
  get isTrusted(): boolean {
    return this.identity.kind === 'key';
  }

  /** By which right the user of this connection goes anywhere. */
  visitor(user: Person): Visitor {
    return { identity: this.identity, user, address: this.caller.address };
  }

  /** From now on calls this once for each token, a minute before it ends, with the seconds left. */
  warnBy(warn: (seconds: number) => void): void {
    this.#warn = warn;
    this.#warnInTime();
  }

  /** The connection is gone. */
  close(): void {
    this.#isOver = true;
    this.#stopWaiting();
    this.#stopWarning?.();
    this.#letGo?.();
  }

  async #show(token: string, rooms: Iterable<string> = []): Promise<void> {
    const shown = await this.parts.auth.identify(token);
    if (!isSame(this.identity, shown)) {
      throw new ChatError('forbidden', 'This connection showed the token of another user before.');
    }
    for (const room of rooms) checkRoom(shown, room);
    if (shown.kind === 'user') await this.#hold(shown, shown.user);
    this.identity = shown;
    this.#stopWaiting();
    this.#warnInTime();
  }

  /** The watch that was there before stays until the new one stands. */
  async #hold(identity: Identity, user: Standing): Promise<void> {
    const letGo = await this.parts.auth.hold(identity, user, this.onEnd);
    this.#letGo?.();
    this.#letGo = letGo;
    if (this.#isOver) letGo();
  }

  #warnInTime(): void {
    this.#stopWarning?.();
    const expiresAt = this.identity.kind === 'user' ? this.identity.token.expiresAt : undefined;
    const warn = this.#warn;
    if (expiresAt === undefined || !warn || this.#isOver) return;
    this.#stopWarning = at(expiresAt - EXPIRING_MS, () => {
      warn(Math.max(0, Math.ceil((expiresAt - Date.now()) / 1000)));
    });
  }
}

/** Whoever showed something may show it again, and nobody else's. */
function isSame(before: Identity, now: Identity): boolean {
  if (before.kind === 'guest') return true;
  if (before.kind === 'user' && now.kind === 'user') return before.user.id === now.user.id;
  return before.kind === now.kind;
}

function endIfBad(error: unknown): never {
  const isBad = error instanceof ChatError && ['unauthorized', 'banned'].includes(error.code);
  throw isBad ? new Disconnect(error) : error;
}
