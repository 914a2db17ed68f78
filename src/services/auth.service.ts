import { createHash, timingSafeEqual } from 'node:crypto';
import { ChatError, Disconnect } from '../errors.ts';
import type { Logger } from '../log.ts';
import {
  banned,
  checkAdmin,
  checkSignedIn,
  HOW_TO_SIGN_IN,
  type Identity,
  type Person,
  refusal,
  type Standing,
} from '../types/identity.ts';
import type { User } from '../types/rest.ts';
import { type Visitor, visitorOf } from '../types/room.ts';
import { checkPassword, isSameName, parseUsername } from '../types/text.ts';
import { at } from './clock.ts';
import type { Limits } from './limits.ts';
import { hashPassword, PasswordTurns, verifyPassword } from './passwords.ts';
import type { Tokens } from './tokens.ts';
import type { UserService } from './user.service.ts';

/** For so long after signing in a password may be changed without giving the old one, in milliseconds. */
const RECENT_MS = 5 * 60_000;

/** Who someone is, and for how long. */
export class AuthService {
  readonly #turns = new PasswordTurns();
  readonly #apiKey: Buffer | undefined;

  constructor(
    private readonly parts: { users: UserService; tokens: Tokens; limits: Limits; log: Logger },
    private readonly settings: { auth: 'open' | 'required'; apiKey?: string },
  ) {
    this.#apiKey = settings.apiKey === undefined ? undefined : digest(settings.apiKey);
  }

  /** Whether guests are let in. */
  get isOpen(): boolean {
    return this.settings.auth === 'open';
  }

  /**
   * Lets those in who may look at how the server does: the holder of `API_KEY` or, where there is none,
   * whoever is on the same machine.
   *
   * @throws {ChatError} `unauthorized`, `forbidden`
   */
  async checkOperator(credential: string | undefined, isLocal: boolean): Promise<void> {
    const identity = await this.identify(credential);
    if (identity.kind === 'key' || (!this.#apiKey && isLocal)) return;
    throw identity.kind === 'guest'
      ? new ChatError('unauthorized', 'This needs API_KEY.')
      : new ChatError('forbidden', 'This is for the holder of API_KEY.');
  }

  /**
   * Whom a token or `API_KEY` stands for. Without either it is a guest; with a bad one it is nobody.
   * A token that names a user for the first time makes it an account.
   *
   * @throws {ChatError} `unauthorized`, `banned`, or `unavailable` when it cannot be told now
   */
  async identify(credential: string | undefined): Promise<Identity> {
    if (credential === undefined) return { kind: 'guest' };
    // Digests have the same length, and comparing them tells nothing of the key.
    if (this.#apiKey && timingSafeEqual(digest(credential), this.#apiKey)) return { kind: 'key' };
    const token = await this.parts.tokens.read(credential);
    const user = await this.parts.users.enter(token.username);
    const refused = refusal({ kind: 'user', user, token }, user);
    if (refused) throw refused;
    return { kind: 'user', user: await this.parts.users.claim(user, token.role), token };
  }

  /**
   * The same for doors that guests may pass only in `AUTH=open`.
   *
   * @throws {ChatError} what {@link identify} throws
   */
  async admit(credential: string | undefined): Promise<Identity> {
    const identity = await this.identify(credential);
    this.checkAdmitted(identity);
    return identity;
  }

  /** @throws {ChatError} `unauthorized` for a guest in `AUTH=required` */
  checkAdmitted(identity: Identity): void {
    if (identity.kind === 'guest' && !this.isOpen) {
      throw new ChatError('unauthorized', `A token is needed here; ${HOW_TO_SIGN_IN}.`);
    }
  }

  /**
   * The user that someone of this identity speaks as.
   *
   * @param find looks the user up, when its name may be spoken for
   * @throws {ChatError} `forbidden` for another than the token's user, `unauthorized` for a guest with
   *   an account's name, `banned`, and what `find` throws
   */
  async speaker(
    identity: Identity,
    username: string,
    find: (username: string) => Promise<Standing>,
  ): Promise<Standing> {
    this.checkAdmitted(identity);
    if (identity.kind === 'user' && !isSameName(username, identity.user.username)) {
      throw new ChatError(
        'forbidden',
        `This token is for "${identity.user.username}" and nobody else.`,
      );
    }
    const user = await find(username);
    const refused = refusal(identity, user);
    if (refused) throw refused;
    return user;
  }

  /**
   * Who asks for something that belongs to a user: the token's, or whoever is named by those who may speak
   * for the name. `API_KEY` may name nobody.
   *
   * @throws {ChatError} `unauthorized` for a guest who names nobody, and what {@link speaker} throws
   */
  async visitor(
    identity: Identity,
    { username, address }: { username?: string | undefined; address?: string },
  ): Promise<Visitor> {
    if (username !== undefined) return this.named(identity, username, address);
    checkSignedIn(identity);
    return { ...visitorOf(identity), address };
  }

  /** The same where someone is always named. @throws {ChatError} what {@link speaker} throws */
  async named(identity: Identity, username: string, address?: string) {
    const find = (name: string) => this.parts.users.standing(name);
    return { identity, user: await this.speaker(identity, username, find), address };
  }

  /** The same for what anyone may read: a guest need not name anybody. @throws {ChatError} the same */
  async reader(
    identity: Identity,
    { username }: { username?: string | undefined },
  ): Promise<Visitor> {
    return username === undefined ? visitorOf(identity) : this.visitor(identity, { username });
  }

  /** The same for what is always someone's. @throws {ChatError} the same, `invalid_frame` for `API_KEY` alone */
  async owner(
    identity: Identity,
    { username }: { username?: string | undefined },
  ): Promise<Person> {
    const { user } = await this.visitor(identity, { username });
    if (!user) throw new ChatError('invalid_frame', 'Say whose with "?username="');
    return user;
  }

  /**
   * Watches over an open connection: its user may be banned, its token may expire or be ended, the
   * guest's name may become an account's. Nothing falls between, since the user is looked at again
   * once the watch stands.
   *
   * @param onEnd is called once, when someone of this identity may no longer be this user
   * @returns the function that ends the watch
   */
  async hold(
    identity: Identity,
    user: Standing,
    onEnd: (reason: Disconnect) => void,
  ): Promise<() => void> {
    const stops: (() => void)[] = [];
    const release = () => {
      for (const stop of stops.splice(0)) stop();
    };
    const check = (standing: Standing) => {
      const refused = refusal(identity, standing);
      if (!refused || stops.length === 0) return;
      release();
      onEnd(new Disconnect(refused));
    };
    stops.push(this.parts.users.watch(user.id, check));
    const expiresAt = identity.kind === 'user' ? identity.token.expiresAt : undefined;
    if (expiresAt !== undefined) stops.push(at(expiresAt, () => check(user)));
    try {
      check(await this.parts.users.standing(user.username));
    } catch (error) {
      release();
      throw error;
    }
    return release;
  }

  /**
   * Makes an account with a password, of a new name or of a guest's.
   *
   * @throws {ChatError} `invalid_frame`, `name_taken`, `banned`, `overloaded`
   */
  async register(username: string, password: string): Promise<User> {
    checkPassword('password', password);
    const { users, log } = this.parts;
    const user = await this.#turns.take(async () => {
      // Looked at first, so that a name that is taken costs no hash.
      await users.checkIsFree(username);
      return users.register(username, await hashPassword(password));
    });
    log.info({ userId: user.id }, 'registered');
    return user;
  }

  /**
   * A token for whoever knows the password. A wrong password and an unknown name get the same answer
   * in the same time.
   *
   * @param address where the request came from, for the log and for the limit of wrong passwords
   * @returns the token, and until when it is good (ISO 8601)
   * @throws {ChatError} `unauthorized`, `banned`, `rate_limited`, `overloaded`, `invalid_frame`
   */
  async signIn(username: string, password: string, address: string) {
    const { tokens, log } = this.parts;
    const { found, isRight } = await this.#verify(username, password, address);
    // A password that was changed meanwhile was the wrong one.
    if (!found || !isRight || !(await this.#isUnchanged(found.user))) {
      log.warn({ userId: found?.user.id, address }, 'sign-in refused');
      throw new ChatError('unauthorized', 'Wrong name or password.');
    }
    if (found.user.isBanned) throw banned();
    log.info({ userId: found.user.id, address }, 'signed in');
    // A token issued in the millisecond in which the others were ended is not one of them.
    const issuedAt = Math.max(found.at, found.user.tokensEndedAt + 1);
    return tokens.issue(found.user.username, issuedAt);
  }

  /** Ends all tokens of whoever asks. @throws {ChatError} `unauthorized`, `forbidden` */
  async endSessions(identity: Identity): Promise<void> {
    const { user } = ownAccount(identity);
    await this.parts.users.endTokens(user);
    this.parts.log.info({ userId: user.id }, 'sessions ended');
  }

  /**
   * Changes the password of whoever asks, and ends all its tokens.
   *
   * @param current the old password; not needed within five minutes of signing in, nor where there is none
   * @throws {ChatError} `unauthorized`, `forbidden`, `invalid_frame`, `overloaded`
   */
  async changePassword(identity: Identity, password: string, current?: string): Promise<void> {
    const { user, token } = ownAccount(identity);
    checkPassword('password', password);
    if (token.isForeign) {
      throw new ChatError('forbidden', 'Who signs in elsewhere has no password here.');
    }
    const { users, log } = this.parts;
    const isRecent = (token.issuedAt ?? 0) > Date.now() - RECENT_MS;
    if (user.hasPassword && (current !== undefined || !isRecent)) {
      const { isRight } = await this.#verify(user.username, current ?? '-', '');
      if (!isRight) throw new ChatError('forbidden', '"currentPassword" must be the old password.');
    }
    const hash = await this.#turns.take(() => hashPassword(password));
    // Whoever ended the token while it waited for its turn has ended this too.
    const refused = refusal(identity, await users.standing(user.username));
    if (refused) throw refused;
    await users.changePassword(user, hash);
    log.info({ userId: user.id }, 'password changed');
  }

  /**
   * Shuts a user out of the server, or lets it in again.
   *
   * @throws {ChatError} `unauthorized` or `forbidden` for all but admins, `not_found`, `invalid_frame`
   */
  async setBan(identity: Identity, username: string, isBanned: boolean): Promise<void> {
    checkAdmin(identity);
    const { users, log } = this.parts;
    const user = await users.standing(username);
    await users.setBan(user, isBanned);
    const by = identity.kind === 'user' ? { byUserId: identity.user.id } : {};
    log.info({ userId: user.id, ...by }, isBanned ? 'banned' : 'ban lifted');
  }

  /** @param address whose wrong passwords are counted; empty for who has a token already */
  async #verify(username: string, password: string, address: string) {
    const { users, limits } = this.parts;
    const giveBack = await limits.tryPassword(parseUsername(username).key, address);
    const { found, isRight } = await this.#turns
      .take(async () => {
        const found = await users.credentials(username);
        return { found, isRight: await verifyPassword(password, found?.passwordHash) };
      })
      .catch((error) => {
        giveBack();
        throw error;
      });
    if (isRight) giveBack();
    return { found, isRight };
  }

  async #isUnchanged(user: Standing): Promise<boolean> {
    const { version } = await this.parts.users.standing(user.username);
    return version === user.version;
  }
}

/** @throws {ChatError} for whoever is no account */
function ownAccount(identity: Identity) {
  if (identity.kind === 'user') return identity;
  if (identity.kind === 'key') {
    throw new ChatError('forbidden', 'API_KEY is nobody in particular; this needs a user’s token.');
  }
  throw new ChatError('unauthorized', `A token is needed here; ${HOW_TO_SIGN_IN}.`);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
