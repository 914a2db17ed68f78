import type { BusEvent } from '../bus/bus.ts';
import type { Clock } from '../lib/clock.ts';
import { RetryLoop } from '../lib/retry.ts';
import type { Logger } from '../log.ts';
import type { RoomSnapshot, RoomSnapshots } from '../rooms/snapshots.ts';
import type { LiveRoom } from './room.ts';

interface ResyncParts {
  snapshots: RoomSnapshots;
  clock: Clock;
  log: Logger;
}

/** Compares open rooms that may have missed changes with the database, and tries again until it answers. */
export class Resync {
  /** The rooms to be compared, each with the number of its last request. */
  readonly #unverified = new Map<LiveRoom, number>();
  #requests = 0;
  /** The rooms of which a message of another history has arrived. */
  readonly #contradicted = new Set<LiveRoom>();
  readonly #loop: RetryLoop;

  /** @param publish announces rooms that were deleted, or whose history was replaced, to all servers */
  constructor(
    private readonly parts: ResyncParts,
    private readonly publish: (event: BusEvent) => void,
  ) {
    this.#loop = new RetryLoop({
      ...parts,
      name: 'comparing the rooms',
      work: () => this.#compare(),
    });
  }

  /** Whether the state of the room and its memberships is certain. */
  isVerified(live: LiveRoom): boolean {
    return !this.#unverified.has(live);
  }

  /** Compares these rooms, whose state is uncertain until the database has answered. */
  verify(lives: LiveRoom[]): void {
    for (const live of lives) {
      this.#requests += 1;
      this.#unverified.set(live, this.#requests);
    }
    this.#loop.trigger();
  }

  /** Compares a room of which the database may have another history than the one that was shown. */
  contradict(live: LiveRoom): void {
    this.#contradicted.add(live);
    this.verify([live]);
  }

  /** Forgets a closed room. */
  forget(live: LiveRoom): void {
    this.#unverified.delete(live);
    this.#contradicted.delete(live);
  }

  close(): void {
    this.#loop.close();
  }

  async #compare(): Promise<void> {
    const asked = [...this.#unverified].map(([live, request]) => {
      return { live, request, rev: live.feed.rev, version: live.room.version };
    });
    const found = await this.parts.snapshots.load(
      new Map(asked.map(({ live }) => [live.room.id, live.userIds()])),
    );
    for (const { live, request, rev, version } of asked) {
      // The room was closed meanwhile.
      if (this.isVerified(live)) continue;
      const snapshot = found.get(live.room.id);
      const isBehind = snapshot && (snapshot.rev < rev || snapshot.room.version < version);
      if (isBehind || this.#contradicted.has(live)) {
        await this.#renewEpoch(live);
        continue;
      }
      this.#correct(live, snapshot);
      // Readers that entered meanwhile may have been looked up before a missed change.
      if (snapshot && !live.isLookedUpSince(snapshot.room.version)) this.verify([live]);
      else if (this.#unverified.get(live) === request) this.#unverified.delete(live);
    }
  }

  #correct(live: LiveRoom, snapshot: RoomSnapshot | undefined): void {
    if (!snapshot) {
      this.publish({ kind: 'room.deleted', room: live.room });
      return;
    }
    const { room, rev, memberships } = snapshot;
    if (rev > live.feed.rev) live.feed.requestBackfill();
    if (room.epoch === live.epoch) live.update(room);
    else this.publish({ kind: 'room.updated', room });
    for (const [userId, membership] of memberships) live.setMembership(userId, membership);
  }

  /** Gives a room another epoch, and has all others compared, whose history may be replaced too. */
  async #renewEpoch(live: LiveRoom): Promise<void> {
    const room = await this.parts.snapshots.renewEpoch(live.room);
    this.parts.log.warn({ roomId: live.room.id }, 'the database has gone back: a new epoch');
    if (room) this.publish({ kind: 'room.updated', room });
    else this.publish({ kind: 'room.deleted', room: live.room });
    this.publish({ kind: 'resync' });
  }
}
