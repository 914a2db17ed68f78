import { createHash, timingSafeEqual } from 'node:crypto';
import { ChatError, Disconnect } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { networkOf } from '../../limits/address.ts';
import type { Limits } from '../../limits/limits.ts';
import type { Logger } from '../../log.ts';
import {
  checkPassword,
  isSameName,
  missingUsername,
  parseUsername,
} from '../../protocol/checks.ts';
import {
  banned,
  checkAdmin,
  checkSignedIn,
  checkUnlimited,
  HOW_TO_SIGN_IN,
  type Identity,
  type Person,
  refusal,
  type UserState,
} from '../../protocol/identity.ts';
import type { User } from '../../protocol/rest.ts';
import { type Principal, principalOf } from '../../protocol/room.ts';
import type { UserService } from '../user.service.ts';
import { hashPassword, passwordQueue, verifyPassword } from './passwords.ts';
import type { Tokens } from './tokens.ts';

/** How long after signing in a password may be changed without the old one, in milliseconds. */
const RECENT_MS = 5 * 60_000;

interface AuthParts {
  users: UserService;
  tokens: Tokens;
  limits: Limits;
  clock: Clock;
  log: Logger;
}

/** Turns credentials into identities and users, and watches how long these hold. */
export class AuthService {
  readonly #passwords = passwordQueue();
  readonly #apiKey: Buffer | undefined;

  constructor(
    private readonly parts: AuthParts,
    private readonly settings: { auth: 'open' | 'required'; apiKey?: string },
  ) {
    this.#apiKey = settings.apiKey === undefined ? undefined : digest(settings.apiKey);
  }

  /** Whether guests are admitted. */
  get isOpen(): boolean {
    return this.settings.auth === 'open';
  }

  /**
   * Admits operators, which may read the metrics: admins, the holder of `API_KEY` and, when no key is set,
   * programs on the same machine.
   *
   * @throws {ChatError} `unauthorized`, `forbidden`
   */
  async checkOperator(credential: string | undefined, isLocal: boolean): Promise<void> {
    const identity = await this.identify(credential);
    const isOnMachine = identity.kind === 'guest' && !this.#apiKey && isLocal;
    if (isOnMachine) return;
    checkAdmin(identity);
    checkUnlimited(identity);
  }

  /**
   * The identity of a token or of `API_KEY`; a guest without either. A bad one is an error, never a guest.
   * A token that names a user for the first time makes it an account.
   *
   * @throws {ChatError} `unauthorized`, `banned`, or `unavailable` when the token cannot be verified now
   */
  async identify(credential: string | undefined): Promise<Identity> {
    if (credential === undefined) return { kind: 'guest' };
    // Digests have the same length, and comparing them reveals nothing of the key.
    if (this.#apiKey && timingSafeEqual(digest(credential), this.#apiKey)) return { kind: 'key' };
    const token = await this.parts.tokens.read(credential);
    const user = await this.parts.users.ensure(token.username);
    const refused = this.#refusal({ kind: 'user', user, token }, user);
    if (refused) throw refused;
    return { kind: 'user', user: await this.parts.users.claim(user, token.role), token };
  }

  /**
   * The same where guests are admitted only in `AUTH=open`.
   *
   * @throws {ChatError} the errors of {@link identify}
   */
  async admit(credential: string | undefined): Promise<Identity> {
    const identity = await this.identify(credential);
    this.checkAdmitted(identity);
    return identity;
  }

  /** @throws {ChatError} `unauthorized` for a guest in `AUTH=required` */
  checkAdmitted(identity: Identity): void {
    if (identity.kind === 'guest' && !this.isOpen) {
      throw new ChatError('unauthorized', `A token is required; ${HOW_TO_SIGN_IN}.`);
    }
  }

  /**
   * The user that an identity acts as.
   *
   * @param find looks the user up, once the identity may use the name
   * @throws {ChatError} `forbidden` for another than the token's user, `unauthorized` for a guest with
   *   an account's name, `banned`, and the errors of `find`
   */
  async resolveUser(
    identity: Identity,
    username: string,
    find: (username: string) => Promise<UserState>,
  ): Promise<UserState> {
    this.checkAdmitted(identity);
    if (identity.kind === 'user' && !isSameName(username, identity.user.username)) {
      throw new ChatError('forbidden', `This token is for "${identity.user.username}" only.`);
    }
    const user = await find(username);
    const refused = this.#refusal(identity, user);
    if (refused) throw refused;
    return user;
  }

  /**
   * The principal of a request for something that belongs to a user: the user of the token, or the named user
   * if the identity may act as that user. `API_KEY` need not name a user.
   *
   * @throws {ChatError} `unauthorized` for a guest that names no user, and the errors of {@link resolveUser}
   */
  async principal(
    identity: Identity,
    { username, address }: { username?: string | undefined; address?: string },
  ): Promise<Principal> {
    if (username !== undefined) return this.namedPrincipal(identity, username, address);
    checkSignedIn(identity);
    return { ...principalOf(identity), address };
  }

  /** The same where a user is always named. @throws {ChatError} the errors of {@link resolveUser} */
  async namedPrincipal(identity: Identity, username: string, address?: string) {
    const find = (name: string) => this.parts.users.state(name);
    return { identity, user: await this.resolveUser(identity, username, find), address };
  }

  /** The same for the author of a message: `API_KEY` and guests must name a user. @throws {ChatError} `invalid_frame` */
  async authorPrincipal(identity: Identity, username: string | undefined, address?: string) {
    const name = username ?? (identity.kind === 'user' ? identity.user.username : undefined);
    if (name === undefined) {
      throw missingUsername();
    }
    return this.namedPrincipal(identity, name, address);
  }

  /** The same for what anyone may read: a guest need not name a user. @throws {ChatError} the same */
  async readerPrincipal(
    identity: Identity,
    { username }: { username?: string | undefined },
  ): Promise<Principal> {
    return username === undefined ? principalOf(identity) : this.principal(identity, { username });
  }

  /** The same for what belongs to a user. @throws {ChatError} the same, `invalid_frame` for `API_KEY` alone */
  async requireUser(
    identity: Identity,
    { username }: { username?: string | undefined },
  ): Promise<Person> {
    const { user } = await this.principal(identity, { username });
    if (!user) throw new ChatError('invalid_frame', 'This needs a user; add "?username=".');
    return user;
  }

  /**
   * Watches an open connection: its user may be banned, its token may expire or be ended, the
   * guest's name may become an account's. No change is missed, since the user is checked again once the watch is set up.
   *
   * @param onEnd is called once, when the identity may no longer act as this user
   * @returns the function that ends the watch
   */
  async watch(
    identity: Identity,
    user: UserState,
    onEnd: (reason: Disconnect) => void,
  ): Promise<() => void> {
    const stops: (() => void)[] = [];
    const release = () => {
      for (const stop of stops.splice(0)) stop();
    };
    const check = (state: UserState) => {
      const refused = this.#refusal(identity, state);
      if (!refused || stops.length === 0) return;
      release();
      onEnd(new Disconnect(refused));
    };
    stops.push(this.parts.users.watch(user.id, check));
    const expiresAt = identity.kind === 'user' ? identity.token.expiresAt : undefined;
    if (expiresAt !== undefined) stops.push(this.parts.clock.at(expiresAt, () => check(user)));
    try {
      check(await this.parts.users.state(user.username));
    } catch (error) {
      release();
      throw error;
    }
    return release;
  }

  /**
   * Creates an account with a password, of a new name or of a guest's.
   *
   * @param address the source of the request; requests of one network wait for each other
   * @throws {ChatError} `invalid_frame`, `name_taken`, `banned`, `overloaded`
   */
  async register(username: string, password: string, address: string): Promise<User> {
    checkPassword('password', password);
    const { users, log } = this.parts;
    const user = await this.#passwords.run(networkOf(address), async () => {
      // Checked first, so that a taken name costs no hash.
      await users.checkIsFree(username);
      return users.register(username, await hashPassword(password));
    });
    log.info({ userId: user.id }, 'registered');
    return user;
  }

  /**
   * Returns a token for the right password. A wrong password and an unknown name get the same answer
   * in the same time.
   *
   * @param address of the client, for the log and for the limit of wrong passwords
   * @returns the token, and the time at which it expires (ISO 8601)
   * @throws {ChatError} `unauthorized`, `banned`, `rate_limited`, `overloaded`, `invalid_frame`
   */
  async signIn(username: string, password: string, address: string) {
    const { tokens, log } = this.parts;
    const { found, isRight } = await this.#verify(username, password, address);
    // A password that was changed meanwhile counts as wrong.
    if (!found || !isRight || !(await this.#isUnchanged(found.user))) {
      log.warn({ userId: found?.user.id, address }, 'sign-in refused');
      throw new ChatError('unauthorized', 'Wrong name or password.');
    }
    if (found.user.isBanned) throw banned();
    log.info({ userId: found.user.id, address }, 'signed in');
    // A token that is issued in the millisecond in which the earlier ones were ended is not ended.
    const issuedAt = Math.max(found.at, found.user.tokensEndedAt + 1);
    return tokens.issue(found.user.username, issuedAt);
  }

  /** Ends all tokens of the signed-in user. @throws {ChatError} `unauthorized`, `forbidden` */
  async endSessions(identity: Identity): Promise<void> {
    const { user } = ownAccount(identity);
    await this.parts.users.endTokens(user);
    this.parts.log.info({ userId: user.id }, 'sessions ended');
  }

  /**
   * Changes the password of the signed-in user, and ends all its tokens.
   *
   * @param change `address` of the client; `current`: the old password, not needed within five minutes of signing
   *   in, nor for an account without one
   * @throws {ChatError} `unauthorized`, `forbidden`, `invalid_frame`, `overloaded`
   */
  async changePassword(
    identity: Identity,
    { password, current, address }: { password: string; current?: string; address: string },
  ): Promise<void> {
    const { user, token } = ownAccount(identity);
    checkPassword('password', password);
    if (token.isForeign) {
      throw new ChatError('forbidden', 'Accounts of an identity provider have no password here.');
    }
    const { users, log } = this.parts;
    const isRecent = (token.issuedAt ?? 0) > this.parts.clock.now() - RECENT_MS;
    if (user.hasPassword && (current !== undefined || !isRecent)) {
      const { isRight } = await this.#verify(user.username, current ?? '-', address, '');
      if (!isRight) throw new ChatError('forbidden', '"currentPassword" must be the old password.');
    }
    const hash = await this.#passwords.run(networkOf(address), () => hashPassword(password));
    // The token may have been ended while this waited for its turn.
    const refused = this.#refusal(identity, await users.state(user.username));
    if (refused) throw refused;
    await users.changePassword(user, hash);
    log.info({ userId: user.id }, 'password changed');
  }

  /**
   * Bans a user from the server, or lifts the ban.
   *
   * @throws {ChatError} `unauthorized` or `forbidden` for all but admins, `not_found`, `invalid_frame`
   */
  async setBan(identity: Identity, username: string, isBanned: boolean): Promise<void> {
    checkAdmin(identity);
    checkUnlimited(identity);
    const { users, log } = this.parts;
    const user = await users.state(username);
    await users.setBan(user, isBanned);
    const by = identity.kind === 'user' ? { byUserId: identity.user.id } : {};
    log.info({ userId: user.id, ...by }, isBanned ? 'banned' : 'ban lifted');
  }

  /** @param counted the address whose wrong passwords are counted; empty for a user with a token */
  async #verify(username: string, password: string, address: string, counted = address) {
    const { users, limits } = this.parts;
    const refund = await limits.tryPassword(parseUsername(username).key, counted);
    const { found, isRight } = await this.#passwords
      .run(networkOf(address), async () => {
        const found = await users.credentials(username);
        return { found, isRight: await verifyPassword(password, found?.passwordHash) };
      })
      .catch((error) => {
        refund();
        throw error;
      });
    if (isRight) refund();
    return { found, isRight };
  }

  #refusal(identity: Identity, user: UserState): ChatError | undefined {
    return refusal(identity, user, this.parts.clock.now());
  }

  async #isUnchanged(user: UserState): Promise<boolean> {
    const { version } = await this.parts.users.state(user.username);
    return version === user.version;
  }
}

/** @throws {ChatError} for guests and for `API_KEY` */
function ownAccount(identity: Identity) {
  checkUnlimited(identity);
  if (identity.kind === 'user') return identity;
  if (identity.kind === 'key') {
    throw new ChatError('forbidden', 'API_KEY belongs to no user; this needs the token of a user.');
  }
  throw new ChatError('unauthorized', `A token is required; ${HOW_TO_SIGN_IN}.`);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
