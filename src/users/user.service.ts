import { eq, inArray, isNull, sql } from 'drizzle-orm';
import type { PgUpdateSetSource } from 'drizzle-orm/pg-core';
import type { Bus } from '../bus/bus.ts';
import type { Database } from '../db/index.ts';
import type { LostAnswers } from '../db/lost-answers.ts';
import { users } from '../db/schema/index.ts';
import { ChatError } from '../errors.ts';
import { remove } from '../lib/arrays.ts';
import type { Clock } from '../lib/clock.ts';
import { RetryLoop } from '../lib/retry.ts';
import type { Logger } from '../log.ts';
import { parseUsername } from '../protocol/checks.ts';
import { banned, type Role, type UserState } from '../protocol/identity.ts';
import type { User } from '../protocol/rest.ts';
import { columns, prepared, type Row, toState, toUser } from './columns.ts';
import { KnownUsers } from './known-users.ts';
import { UnansweredUsers } from './unanswered.ts';

/** Gets each new state of a user. */
export interface UserListener {
  handle(state: UserState): void;
}

interface UserParts {
  db: Database;
  bus: Bus;
  answers: LostAnswers;
  clock: Clock;
  log: Logger;
}

/** The listeners of a user, and the last state that they got. */
interface Watchers {
  version: number;
  listeners: UserListener[];
}

const LOOKED_AT_ONCE = 1000;

/** The users and their states: guest or account, banned or not. */
export class UserService {
  readonly #known = new KnownUsers();
  readonly #watchers = new Map<number, Watchers>();
  readonly #lookAgain: RetryLoop;
  readonly #unanswered: UnansweredUsers;
  readonly #unsubscribe: () => void;

  private readonly db: Database;
  private readonly bus: Bus;
  readonly #statements: ReturnType<typeof prepared>;

  constructor({ db, bus, answers, clock, log }: UserParts) {
    this.db = db;
    this.bus = bus;
    this.#statements = prepared(db);
    this.#lookAgain = new RetryLoop({
      clock,
      log,
      name: 'reading watched users',
      work: () => this.#lookAtWatched(),
    });
    const publish = (keys: string[]) => this.#publish(keys);
    this.#unanswered = new UnansweredUsers({ answers, clock, log, publish });
    this.#unsubscribe = bus.subscribe({
      'user.updated': ({ user }) => this.#apply(user),
      resync: ({ roomIds }) => {
        if (roomIds) return;
        this.#known.doubt();
        this.#lookAgain.trigger();
      },
    });
  }

  /**
   * The guest of this name, created if there is none. Two spellings of one name are one user.
   *
   * @throws {ChatError} `invalid_frame` for an invalid name, `name_taken` for an account's
   */
  async findOrCreateGuest(username: string): Promise<{ user: User; created: boolean }> {
    const { row, created } = await this.#findOrCreate(username);
    if (row.isAccount) throw nameTaken(row.username);
    return { user: toUser(row), created };
  }

  /**
   * Checks that a name may become an account.
   *
   * @throws {ChatError} `invalid_frame` for an invalid name, `name_taken`, `banned`
   */
  async checkIsFree(username: string): Promise<void> {
    const row = await this.#byKey(parseUsername(username).key);
    if (row?.isBanned) throw banned();
    if (row?.isAccount) throw nameTaken(row.username);
  }

  /** @throws {ChatError} `not_found`, or `invalid_frame` for an invalid name */
  async find(username: string): Promise<User> {
    return toUser(await this.#find(username));
  }

  /**
   * The user of this name, from memory if possible; created if there is none.
   *
   * @throws {ChatError} `invalid_frame` for an invalid name
   */
  async ensure(username: string): Promise<UserState> {
    return this.#recall(username, async () => (await this.#findOrCreate(username)).row);
  }

  /**
   * The present state of the user of this name, from memory if possible.
   *
   * @throws {ChatError} `not_found`, or `invalid_frame` for an invalid name
   */
  async state(username: string): Promise<UserState> {
    return this.#recall(username, () => this.#find(username));
  }

  /** Calls the listener after each change of the user's state from this one on, until {@link unwatch}. */
  watch({ id, version }: UserState, listener: UserListener): void {
    const watchers = this.#watchers.get(id);
    if (watchers) watchers.listeners.push(listener);
    else this.#watchers.set(id, { version, listeners: [listener] });
  }

  unwatch(userId: number, listener: UserListener): void {
    const listeners = this.#watchers.get(userId)?.listeners;
    if (listeners && remove(listeners, listener) && listeners.length === 0) {
      this.#watchers.delete(userId);
    }
  }

  /** Makes the user of a valid token an account, with the token's role. */
  async claim(user: UserState, role: Role): Promise<UserState> {
    if (user.isAccount && user.role === role) return user;
    return this.#change(user, { claimedAt: sql`coalesce(${users.claimedAt}, now())`, role });
  }

  /**
   * Creates an account with a password, of a new name or of a guest's.
   *
   * @throws {ChatError} `invalid_frame` for an invalid name, `name_taken` for an account's
   */
  async register(username: string, passwordHash: string): Promise<User> {
    const { name, key } = parseUsername(username);
    const account = { passwordHash, claimedAt: sql`now()` };
    const statement = this.db
      .insert(users)
      .values({ key, username: name, ...account })
      .onConflictDoUpdate({
        target: users.key,
        set: { ...account, version: sql`${users.version} + 1` },
        setWhere: isNull(users.claimedAt),
      })
      .returning(columns);
    const [row] = await this.#unanswered.watch(key, statement);
    if (!row) throw nameTaken(name);
    this.bus.publish({ kind: 'user.updated', user: toState(row) });
    return toUser(row);
  }

  /** The user with the hash of its password; `at` is the database's time, in milliseconds since 1970. */
  async credentials(username: string) {
    const { key } = parseUsername(username);
    const [found] = await this.db
      .select({
        ...columns,
        passwordHash: users.passwordHash,
        at: sql<number>`(extract(epoch from now()) * 1000)::float8`,
      })
      .from(users)
      .where(eq(users.key, key));
    if (!found) return;
    const { passwordHash, at, ...row } = found;
    return { user: toState(row), passwordHash, at: Math.floor(at) };
  }

  /** Ends all tokens of the user. */
  async endTokens(user: UserState): Promise<void> {
    await this.#change(user, { tokensEndedAt: sql`clock_timestamp()` });
  }

  /** Sets another password for the user, and ends all its tokens. */
  async changePassword(user: UserState, passwordHash: string): Promise<void> {
    await this.#change(user, { passwordHash, tokensEndedAt: sql`clock_timestamp()` });
  }

  /** Bans the user from the server, or lifts the ban. */
  async setBan(user: UserState, isBanned: boolean): Promise<void> {
    await this.#change(user, { bannedAt: isBanned ? sql`now()` : null });
  }

  close(): void {
    this.#unsubscribe();
    this.#lookAgain.close();
    this.#unanswered.close();
  }

  async #change(
    { id, username }: UserState,
    set: PgUpdateSetSource<typeof users>,
  ): Promise<UserState> {
    const statement = this.db
      .update(users)
      .set({ ...set, version: sql`${users.version} + 1` })
      .where(eq(users.id, id))
      .returning(columns);
    const [row] = await this.#unanswered.watch(parseUsername(username).key, statement);
    const user = toState(row as Row);
    this.bus.publish({ kind: 'user.updated', user });
    return user;
  }

  async #publish(keys: string[]): Promise<void> {
    const found = await this.db.select(columns).from(users).where(inArray(users.key, keys));
    for (const row of found) this.bus.publish({ kind: 'user.updated', user: toState(row) });
  }

  /** Reads a user from memory, unless changes may not have arrived on the bus. */
  async #recall(username: string, find: () => Promise<Row>): Promise<UserState> {
    const { key } = parseUsername(username);
    const { isInSync } = this.bus;
    const known = isInSync ? this.#known.get(key) : undefined;
    return known ?? this.#known.lookUp(key, async () => toState(await find()), isInSync);
  }

  async #lookAtWatched(): Promise<void> {
    const ids = [...this.#watchers.keys()];
    for (let from = 0; from < ids.length; from += LOOKED_AT_ONCE) {
      const some = inArray(users.id, ids.slice(from, from + LOOKED_AT_ONCE));
      for (const row of await this.db.select(columns).from(users).where(some)) {
        this.#apply(toState(row));
      }
    }
  }

  #apply(user: UserState): void {
    const newest = this.#known.hear(user);
    const watchers = this.#watchers.get(user.id);
    if (!watchers || watchers.version > newest.version) return;
    watchers.version = newest.version;
    for (const listener of [...watchers.listeners]) listener.handle(newest);
  }

  async #findOrCreate(username: string): Promise<{ row: Row; created: boolean }> {
    const { name, key } = parseUsername(username);
    const found = await this.#byKey(key);
    if (found) return { row: found, created: false };
    const [made] = await this.#statements.insertGuest.execute({ key, username: name });
    if (made) return { row: made, created: true };
    // Another request created it in between.
    return { row: await this.#find(username), created: false };
  }

  async #find(username: string): Promise<Row> {
    const { name, key } = parseUsername(username);
    const found = await this.#byKey(key);
    if (!found) throw new ChatError('not_found', `There is no user "${name}"`);
    return found;
  }

  async #byKey(key: string): Promise<Row | undefined> {
    const [found] = await this.#statements.byKey.execute({ key });
    return found;
  }
}

function nameTaken(name: string): ChatError {
  return new ChatError('name_taken', `"${name}" is an account; choose another name, or sign in.`);
}
