import { LruMap } from '../lib/lru-map.ts';
import { parseUsername } from '../protocol/checks.ts';
import type { UserState } from '../protocol/identity.ts';

/** How many users are kept, so that users that reconnect all at once need no look-ups. */
const KEPT = 10_000;
/** Of a state that is not certain, since later changes may have been missed. */
const NEVER = -1;

interface Known {
  state: UserState;
  /** The state is certain as long as there have been this many doubts: as many as at its look-up, or {@link NEVER}. */
  certainAt: number;
}

/**
 * The newest states of users that have been seen here. States in doubt are looked up again, but they are kept: by
 * their versions, news that comes late does not pass for new.
 */
export class KnownUsers {
  /** By the keys of the names. */
  readonly #known = new LruMap<string, Known>(KEPT);
  #doubts = 0;

  /** From now on, changes of any user may have been missed. */
  doubt(): void {
    this.#doubts += 1;
  }

  /** The state of a user, unless a change of it may have been missed. */
  get(key: string): UserState | undefined {
    const known = this.#known.get(key);
    return known?.certainAt === this.#doubts ? known.state : undefined;
  }

  /**
   * Looks a user up.
   *
   * @param isInSync whether changes are heard of now, so that the state is certain until the next doubt
   * @returns the state that was found, or newer news that came during the look-up
   */
  async lookUp(key: string, find: () => Promise<UserState>, isInSync: boolean): Promise<UserState> {
    const before = this.#known.get(key);
    const doubts = isInSync ? this.#doubts : NEVER;
    const found = await find();
    const known = this.#known.get(key);
    // An older state than one that was known before comes from a database that has gone back.
    const isOlder = known !== undefined && known !== before && known.state.version > found.version;
    const state = isOlder ? known.state : found;
    const certainAt = Math.max(doubts, known?.certainAt ?? NEVER);
    this.#known.set(key, { state, certainAt });
    return state;
  }

  /** Takes news of a user, which may be late. @returns the newest state */
  hear(news: UserState): UserState {
    const { key } = parseUsername(news.username);
    const known = this.#known.get(key);
    if (known && known.state.version >= news.version) return known.state;
    // Kept even if the user was unknown, for a look-up that is under way and may have read an earlier state.
    this.#known.set(key, { state: news, certainAt: known?.certainAt ?? NEVER });
    return news;
  }
}
