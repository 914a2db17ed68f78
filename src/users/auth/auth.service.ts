import { createHash, timingSafeEqual } from 'node:crypto';
import { ChatError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { isSameName, missingUsername } from '../../protocol/checks.ts';
import {
  checkAdmin,
  checkSignedIn,
  checkUnlimited,
  HOW_TO_SIGN_IN,
  type Identity,
  type Person,
  refusal,
  type UserState,
} from '../../protocol/identity.ts';
import { type Principal, principalOf } from '../../protocol/room.ts';
import type { UserService } from '../user.service.ts';
import type { Tokens } from './tokens.ts';
import { type Holder, Watch } from './watch.ts';

interface AuthParts {
  users: UserService;
  tokens: Tokens;
  clock: Clock;
}

/** The same for all, since there is one for each open connection. */
const GUEST: Identity = { kind: 'guest' };

/** Turns credentials into identities and users, and watches how long these hold. */
export class AuthService {
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
    if (credential === undefined) return GUEST;
    if (this.#isApiKey(credential)) return { kind: 'key' };
    const token = await this.parts.tokens.read(credential);
    const user = await this.parts.users.ensure(token.username);
    const refused = this.#refusal({ kind: 'user', user, token }, user);
    if (refused) throw refused;
    return { kind: 'user', user: await this.parts.users.claim(user, token.role), token };
  }

  /** Refuses a token that is bad on its face. @throws {ChatError} as {@link identify}, but at once */
  checkSignature(credential: string | undefined): void {
    if (credential === undefined || this.#isApiKey(credential)) return;
    this.parts.tokens.checkSignature(credential);
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
   * @param holder is ended once, when the identity may no longer act as this user
   */
  async watch(identity: Identity, user: UserState, holder: Holder): Promise<Watch> {
    const watch = new Watch(this.parts, identity, holder, user);
    try {
      watch.handle(await this.parts.users.state(user.username));
    } catch (error) {
      watch.end();
      throw error;
    }
    return watch;
  }

  #isApiKey(credential: string): boolean {
    // Digests have the same length, and comparing them reveals nothing of the key.
    return this.#apiKey !== undefined && timingSafeEqual(digest(credential), this.#apiKey);
  }

  #refusal(identity: Identity, user: UserState): ChatError | undefined {
    return refusal(identity, user, this.parts.clock.now());
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
