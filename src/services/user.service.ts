import { eq, inArray, isNull, sql } from 'drizzle-orm';
import type { PgUpdateSetSource } from 'drizzle-orm/pg-core';
import type { Bus } from '../bus/bus.ts';
import type { Database } from '../db/index.ts';
import { users } from '../db/schema/index.ts';
import { ChatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { banned, type Role, type Standing } from '../types/identity.ts';
import type { User } from '../types/rest.ts';
import { parseUsername } from '../types/text.ts';
import { LastSeen } from './last-seen.ts';
import { Persistent } from './persistent.ts';

const isSet = (column: (typeof users)['bannedAt' | 'claimedAt' | 'passwordHash']) =>
  sql<boolean>`${column} is not null`;

const columns = {
  id: users.id,
  username: users.username,
  lastSeen: users.lastSeen,
  isAccount: isSet(users.claimedAt),
  hasPassword: isSet(users.passwordHash),
  isBanned: isSet(users.bannedAt),
  role: users.role,
  tokensEndedAt: users.tokensEndedAt,
  version: users.version,
};

type Row = Omit<Standing, 'tokensEndedAt'> & { lastSeen: Date | null; tokensEndedAt: Date | null };
type Watcher = (standing: Standing) => void;

/** How many users are remembered, so that those who come back at once are not all looked up. */
const REMEMBERED = 10_000;
const LOOKED_AT_ONCE = 1000;

/** Who there is, and how each stands: guest or account, banned or not. */
export class UserService {
  readonly #remembered = new Map<string, Standing>();
  readonly #watchers = new Map<number, Set<Watcher>>();
  readonly #lastSeen: LastSeen;
  readonly #lookAgain: Persistent;
  readonly #unsubscribe: () => void;
  /** How often all that was remembered had to be forgotten. */
  #forgotten = 0;

  constructor(
    private readonly db: Database,
    private readonly bus: Bus,
    log: Logger,
  ) {
    this.#lastSeen = new LastSeen(db, log);
    this.#lookAgain = new Persistent('looking at the users', () => this.#lookAtWatched(), log);
    this.#unsubscribe = bus.subscribe((event) => {
      if (event.kind === 'standing') this.#hear(event.user);
      if (event.kind !== 'doubt' || event.rooms) return;
      this.#forgotten += 1;
      this.#remembered.clear();
      this.#lookAgain.ask();
    });
  }

  /**
   * The guest of this name, made if there is none. Two spellings of one name are one user.
   *
   * @throws {ChatError} `invalid_frame` for what cannot be a name, `name_taken` for an account's
   */
  async findOrCreateGuest(username: string): Promise<{ user: User; created: boolean }> {
    const { row, created } = await this.#findOrCreate(username);
    if (row.isAccount) throw nameTaken(row.username);
    return { user: toUser(row), created };
  }

  /**
   * Whether a name may be made an account.
   *
   * @throws {ChatError} `invalid_frame` for what cannot be a name, `name_taken`, `banned`
   */
  async checkIsFree(username: string): Promise<void> {
    const row = await this.#byKey(parseUsername(username).key);
    if (row?.isBanned) throw banned();
    if (row?.isAccount) throw nameTaken(row.username);
  }

  /** @throws {ChatError} `not_found`, or `invalid_frame` for what cannot be a name */
  async find(username: string): Promise<User> {
    return toUser(await this.#find(username));
  }

  /**
   * The user of this name, from memory where it can; made if there is none.
   *
   * @throws {ChatError} `invalid_frame` for what cannot be a name
   */
  async enter(username: string): Promise<Standing> {
    return this.#recall(username, async () => (await this.#findOrCreate(username)).row);
  }

  /**
   * The user of this name as it stands now, from memory where it can.
   *
   * @throws {ChatError} `not_found`, or `invalid_frame` for what cannot be a name
   */
  async standing(username: string): Promise<Standing> {
    return this.#recall(username, () => this.#find(username));
  }

  /** Calls the listener whenever the user stands otherwise. @returns the function that stops it */
  watch(userId: number, listener: Watcher): () => void {
    const watchers = this.#watchers.get(userId) ?? new Set();
    this.#watchers.set(userId, watchers.add(listener));
    return () => {
      if (watchers.delete(listener) && watchers.size === 0) this.#watchers.delete(userId);
    };
  }

  /** A valid token has named this user: it is an account from now on, and has the token's role. */
  async claim(user: Standing, role: Role): Promise<Standing> {
    if (user.isAccount && user.role === role) return user;
    return this.#change(user, { claimedAt: sql`coalesce(${users.claimedAt}, now())`, role });
  }

  /**
   * Makes an account with a password, of a new name or of a guest's.
   *
   * @throws {ChatError} `invalid_frame` for what cannot be a name, `name_taken` for an account's
   */
  async register(username: string, passwordHash: string): Promise<User> {
    const { name, key } = parseUsername(username);
    const account = { passwordHash, claimedAt: sql`now()` };
    const [row] = await this.db
      .insert(users)
      .values({ key, username: name, ...account })
      .onConflictDoUpdate({
        target: users.key,
        set: { ...account, version: sql`${users.version} + 1` },
        setWhere: isNull(users.claimedAt),
      })
      .returning(columns);
    if (!row) throw nameTaken(name);
    this.bus.publish({ kind: 'standing', user: toStanding(row) });
    return toUser(row);
  }

  /** What a password is compared with; `at` is the database's time, in milliseconds since 1970. */
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
    return { user: toStanding(row), passwordHash, at: Math.floor(at) };
  }

  /** Ends all tokens of the user. */
  async endTokens(user: Standing): Promise<void> {
    await this.#change(user, { tokensEndedAt: sql`clock_timestamp()` });
  }

  /** Gives the user another password, and ends all its tokens. */
  async changePassword(user: Standing, passwordHash: string): Promise<void> {
    await this.#change(user, { passwordHash, tokensEndedAt: sql`clock_timestamp()` });
  }

  /** Shuts the user out of the server, or lets it in again. */
  async setBan(user: Standing, isBanned: boolean): Promise<void> {
    await this.#change(user, { bannedAt: isBanned ? sql`now()` : null });
  }

  /** Notes when a user was last in a room. */
  seen(userId: number, at: Date): void {
    this.#lastSeen.note(userId, at);
  }

  /** Returns when all that was noted is stored. */
  async close(): Promise<void> {
    this.#unsubscribe();
    this.#lookAgain.close();
    await this.#lastSeen.close();
  }

  async #change({ id }: Standing, set: PgUpdateSetSource<typeof users>): Promise<Standing> {
    const [row] = await this.db
      .update(users)
      .set({ ...set, version: sql`${users.version} + 1` })
      .where(eq(users.id, id))
      .returning(columns);
    const user = toStanding(row as Row);
    this.bus.publish({ kind: 'standing', user });
    return user;
  }

  /** From memory, unless the bus may have kept something from us. */
  async #recall(username: string, find: () => Promise<Row>): Promise<Standing> {
    const { key } = parseUsername(username);
    const forgotten = this.#forgotten;
    const { isWhole } = this.bus;
    const known = isWhole ? this.#remembered.get(key) : undefined;
    const standing = known ?? toStanding(await find());
    return isWhole && forgotten === this.#forgotten ? this.#remember(standing) : standing;
  }

  async #lookAtWatched(): Promise<void> {
    const ids = [...this.#watchers.keys()];
    for (let from = 0; from < ids.length; from += LOOKED_AT_ONCE) {
      const some = inArray(users.id, ids.slice(from, from + LOOKED_AT_ONCE));
      for (const row of await this.db.select(columns).from(users).where(some)) {
        this.#hear(toStanding(row));
      }
    }
  }

  #hear(user: Standing): void {
    // Remembered even if nobody had asked: a look-up may be under way that saw it as it was before.
    const newest = this.#remember(user);
    for (const watcher of [...(this.#watchers.get(user.id) ?? [])]) watcher(newest);
  }

  /** @returns the newer of this and what was remembered */
  #remember(found: Standing): Standing {
    const { key } = parseUsername(found.username);
    const known = this.#remembered.get(key);
    const newest = known && known.version > found.version ? known : found;
    // Deleted and set again it is the youngest, and the oldest is the first to be forgotten.
    this.#remembered.delete(key);
    this.#remembered.set(key, newest);
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= REMEMBERED) break;
      this.#remembered.delete(oldest);
    }
    return newest;
  }

  async #findOrCreate(username: string): Promise<{ row: Row; created: boolean }> {
    const { name, key } = parseUsername(username);
    const found = await this.#byKey(key);
    if (found) return { row: found, created: false };
    const [made] = await this.db
      .insert(users)
      .values({ key, username: name })
      .onConflictDoNothing()
      .returning(columns);
    if (made) return { row: made, created: true };
    // Someone else made it in between.
    return { row: await this.#find(username), created: false };
  }

  async #find(username: string): Promise<Row> {
    const { name, key } = parseUsername(username);
    const found = await this.#byKey(key);
    if (!found) throw new ChatError('not_found', `There is no user "${name}"`);
    return found;
  }

  async #byKey(key: string): Promise<Row | undefined> {
    const [found] = await this.db.select(columns).from(users).where(eq(users.key, key));
    return found;
  }
}

function toUser({ id, username, lastSeen }: Row): User {
  return { id, username, lastSeen: lastSeen?.toISOString() ?? null };
}

function toStanding({ lastSeen: _, tokensEndedAt, ...row }: Row): Standing {
  return { ...row, tokensEndedAt: tokensEndedAt?.getTime() ?? 0 };
}

function nameTaken(name: string): ChatError {
  return new ChatError('name_taken', `"${name}" is an account; choose another name, or sign in.`);
}
