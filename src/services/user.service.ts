import { eq, sql } from 'drizzle-orm';
import { rootMessage } from '../db/failures.ts';
import type { Database } from '../db/index.ts';
import { users } from '../db/schema/index.ts';
import { ChatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { User } from '../types/rest.ts';
import { parseUsername } from '../types/text.ts';

const columns = { id: users.id, username: users.username, lastSeen: users.lastSeen };

/** As much of a user as never changes. */
export type Person = Pick<User, 'id' | 'username'>;

/** How many users are remembered, so that those who come back at once are not all looked up. */
const REMEMBERED = 10_000;

/** Who there is. */
export class UserService {
  readonly #remembered = new Map<string, Person>();
  readonly #lastSeen = new Map<number, Date>();
  #storing: Promise<void> | undefined;

  constructor(
    private readonly db: Database,
    private readonly log: Logger,
  ) {}

  /**
   * The user of this name, made if there is none. Two spellings of one name are one user.
   *
   * @throws {ChatError} `invalid_frame` for what cannot be a name
   */
  async findOrCreate(username: string): Promise<{ user: User; created: boolean }> {
    const { name, key } = parseUsername(username);
    const found = await this.#byKey(key);
    if (found) return { user: found, created: false };
    const [made] = await this.db
      .insert(users)
      .values({ key, username: name })
      .onConflictDoNothing()
      .returning(columns);
    if (made) return { user: toUser(made), created: true };
    // Someone else made it in between.
    return { user: await this.find(username), created: false };
  }

  /**
   * The same for those who enter, from memory where it can.
   *
   * @throws {ChatError} `invalid_frame` for what cannot be a name
   */
  async enter(username: string): Promise<Person> {
    const { key } = parseUsername(username);
    let known = this.#remembered.get(key);
    if (!known) {
      const { user } = await this.findOrCreate(username);
      known = { id: user.id, username: user.username };
    }
    // Deleted and set again it is the youngest, and the oldest is the first to be forgotten.
    this.#remembered.delete(key);
    this.#remembered.set(key, known);
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= REMEMBERED) break;
      this.#remembered.delete(oldest);
    }
    return known;
  }

  /** @throws {ChatError} `not_found`, or `invalid_frame` for what cannot be a name */
  async find(username: string): Promise<User> {
    const { name, key } = parseUsername(username);
    const found = await this.#byKey(key);
    if (!found) throw new ChatError('not_found', `There is no user "${name}"`);
    return found;
  }

  /**
   * Notes when a user was last in a room; an older time never replaces a newer one. Like messages,
   * what comes while one statement runs goes into the next, so that a thousand drops are not a
   * thousand statements.
   */
  seen(userId: number, at: Date): void {
    const noted = this.#lastSeen.get(userId);
    if (!noted || noted < at) this.#lastSeen.set(userId, at);
    this.#storing ??= this.#storeLastSeen();
  }

  /** Returns when every noted time is stored. */
  async close(): Promise<void> {
    await this.#storing;
  }

  async #storeLastSeen(): Promise<void> {
    await Promise.resolve();
    while (this.#lastSeen.size > 0) {
      const noted = JSON.stringify(Object.fromEntries(this.#lastSeen));
      this.#lastSeen.clear();
      try {
        await this.db.execute(sql`
          with noted as (
            select key::int as id, value::timestamptz as at from json_each_text(${noted}::text::json)
          ), locked as (
            select id from ${users} where id in (select id from noted) order by id for update
          )
          update ${users} set last_seen = greatest(last_seen, noted.at)
          from noted join locked using (id) where ${users.id} = noted.id`);
      } catch (error) {
        this.log.error({ reason: rootMessage(error) }, 'storing lastSeen failed');
      }
    }
    this.#storing = undefined;
  }

  async #byKey(key: string): Promise<User | undefined> {
    const [found] = await this.db.select(columns).from(users).where(eq(users.key, key));
    return found && toUser(found);
  }
}

function toUser(row: { id: number; username: string; lastSeen: Date | null }): User {
  return { ...row, lastSeen: row.lastSeen?.toISOString() ?? null };
}
