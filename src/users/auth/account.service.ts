import { ChatError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { networkOf } from '../../limits/address.ts';
import type { Limits } from '../../limits/limits.ts';
import type { Logger } from '../../log.ts';
import { checkPassword, parseUsername } from '../../protocol/checks.ts';
import {
  banned,
  checkAdmin,
  checkUnlimited,
  HOW_TO_SIGN_IN,
  type Identity,
  refusal,
  type UserState,
} from '../../protocol/identity.ts';
import type { User } from '../../protocol/rest.ts';
import type { UserService } from '../user.service.ts';
import { hashPassword, passwordQueue, verifyPassword } from './passwords.ts';
import type { Tokens } from './tokens.ts';

/** How long after signing in a password may be changed without the old one, in milliseconds. */
const RECENT_MS = 5 * 60_000;

interface AccountParts {
  users: UserService;
  tokens: Tokens;
  limits: Limits;
  clock: Clock;
  log: Logger;
}

/** Registers users, signs them in, and bans them. */
export class AccountService {
  readonly #passwords = passwordQueue();

  constructor(private readonly parts: AccountParts) {}

  /**
   * Creates an account with a password, of a new name or of a guest's.
   *
   * @param address the source of the request; requests of one network wait for each other
   * @throws {ChatError} `invalid_frame`, `name_taken`, `banned`, `overloaded`
   */
  async register(username: string, password: string, address: string): Promise<User> {
    checkPassword('password', password);
    const { users, log } = this.parts;
    const user = await this.#passwords.run([networkOf(address)], async () => {
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
    const hash = await this.#passwords.run([networkOf(address)], () => hashPassword(password));
    // The token may have been ended while this waited for its turn.
    const refused = refusal(identity, await users.state(user.username), this.parts.clock.now());
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
      .run([networkOf(address)], async () => {
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
