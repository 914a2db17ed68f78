import type { Clock } from '../lib/clock.ts';
import { RetryLoop } from '../lib/retry.ts';
import type { Logger } from '../log.ts';
import type { Person } from '../protocol/identity.ts';
import type { RoomSnapshots } from '../rooms/snapshots.ts';

/** A user with connections of protocol 1, which get direct messages without having joined their rooms. */
interface Listener {
  connections: number;
  /** The `rev`s up to which the user's direct rooms were shown; a missing room was created since. */
  revs?: Map<number, number>;
  /** The same for rooms with changes that arrived before the look-up. */
  early?: Map<number, number> | undefined;
  isLoaded: boolean;
}

/**
 * The `rev`s up to which the direct rooms of this server's users were shown to them, joined or not. When a change
 * arrives, such a room is opened from there, and so has the order of any other room.
 */
export class DirectCursors {
  readonly #listeners = new Map<number, Listener>();
  readonly #loading: RetryLoop;
  #loaded = Promise.withResolvers<void>();
  #needsResync = false;

  /** @param onBehind is called with the ids of rooms with missed changes */
  constructor(
    private readonly parts: { snapshots: RoomSnapshots; clock: Clock; log: Logger },
    private readonly onBehind: (roomIds: number[]) => Promise<void>,
  ) {
    this.#loading = new RetryLoop({
      ...parts,
      name: 'looking up direct rooms',
      work: () => this.#load(),
    });
  }

  /** Registers a connection of a user, until {@link unlisten}. */
  listen(userId: number): void {
    const listener = this.#listeners.get(userId) ?? { connections: 0, isLoaded: false };
    this.#listeners.set(userId, listener);
    listener.connections += 1;
    if (!listener.isLoaded) this.#loading.trigger();
  }

  unlisten(userId: number): void {
    const listener = this.#listeners.get(userId);
    if (!listener) return;
    listener.connections -= 1;
    if (listener.connections === 0) this.#listeners.delete(userId);
  }

  /**
   * Returns the `rev` after which a direct room must be shown.
   *
   * @param rev of the change that has arrived
   * @returns undefined when none of its users is connected here; a promise during the look-up, which resolves
   *   when another call may succeed
   */
  of(people: Person[], roomId: number, rev: number): number | undefined | Promise<void> {
    const here = people.flatMap(({ id }) => this.#listeners.get(id) ?? []);
    if (here.length === 0) return undefined;
    const waiting = here.filter(({ isLoaded }) => !isLoaded);
    if (waiting.length > 0) {
      for (const listener of waiting) {
        listener.early ??= new Map();
        listener.early.set(roomId, Math.min(listener.early.get(roomId) ?? rev - 1, rev - 1));
      }
      return this.#loaded.promise;
    }
    return Math.min(...here.map(({ revs }) => revs?.get(roomId) ?? 0));
  }

  /** Notes that the room was shown up to a `rev`. */
  set(people: Person[], roomId: number, rev: number): void {
    for (const { id } of people) {
      const listener = this.#listeners.get(id);
      if (listener) setRev(listener, roomId, rev);
    }
  }

  /** Reads the direct rooms of these users again, since a history was replaced. */
  reload(people: Person[]): void {
    for (const { id } of people) {
      const listener = this.#listeners.get(id);
      if (listener) listener.isLoaded = false;
    }
    this.#loading.trigger();
  }

  /** Looks for missed changes. */
  resync(): void {
    this.#needsResync = true;
    this.#loading.trigger();
  }

  close(): void {
    this.#loading.close();
  }

  async #load(): Promise<void> {
    const isResync = this.#needsResync;
    this.#needsResync = false;
    try {
      const behind = await this.#look(isResync);
      if (behind.length > 0) await this.onBehind(behind);
    } catch (error) {
      this.#needsResync ||= isResync;
      throw error;
    }
  }

  /** @returns the ids of the rooms with missed changes */
  async #look(isResync: boolean): Promise<number[]> {
    const asked = [...this.#listeners].filter(([, { isLoaded }]) => isResync || !isLoaded);
    if (asked.length === 0) return [];
    const found = await this.parts.snapshots.directRevs(asked.map(([id]) => id));
    const behind = new Set<number>();
    for (const [userId, listener] of asked) {
      for (const [roomId, rev] of found.get(userId) ?? []) {
        if (!listener.isLoaded) {
          setRev(listener, roomId, Math.min(rev, listener.early?.get(roomId) ?? rev));
        } else if (rev > (listener.revs?.get(roomId) ?? 0)) behind.add(roomId);
      }
      listener.isLoaded = true;
      listener.early = undefined;
    }
    this.#loaded.resolve();
    this.#loaded = Promise.withResolvers();
    return [...behind];
  }
}

/** The map is made when it is first needed, since most users have no direct rooms. */
function setRev(listener: Listener, roomId: number, rev: number): void {
  listener.revs ??= new Map();
  listener.revs.set(roomId, rev);
}
