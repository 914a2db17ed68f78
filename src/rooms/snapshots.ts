import { and, eq, inArray, sql } from 'drizzle-orm';
import { memberships, rooms } from '../db/schema/index.ts';
import { array, type Database, rows } from '../db/statements.ts';
import { isUnrestricted, type Membership, NO_MEMBERSHIP, type Room } from '../protocol/room.ts';
import { roomColumns } from './columns.ts';

/** The state of a room in the database, with the memberships of some users if they matter. */
export interface RoomSnapshot {
  room: Room;
  rev: number;
  memberships: Map<number, Membership>;
}

/** How many rooms one statement reads. */
const AT_ONCE = 500;

/** Reads the states of many rooms at once. */
export class RoomSnapshots {
  constructor(private readonly parts: { db: Database }) {}

  /**
   * @param asked rooms by their ids, each with the ids of the users in question
   * @returns the existing rooms, by their ids
   */
  async load(asked: Map<number, number[]>): Promise<Map<number, RoomSnapshot>> {
    const found = new Map<number, RoomSnapshot>();
    const ids = [...asked.keys()];
    for (let from = 0; from < ids.length; from += AT_ONCE) {
      for (const state of await this.#some(ids.slice(from, from + AT_ONCE), asked)) {
        found.set(state.room.id, state);
      }
    }
    return found;
  }

  /** The `rev`s of the direct rooms of some users, by user id and room id. */
  async directRevs(userIds: number[]): Promise<Map<number, Map<number, number>>> {
    const revs = new Map<number, Map<number, number>>();
    for (let from = 0; from < userIds.length; from += AT_ONCE) {
      const ids = array(userIds.slice(from, from + AT_ONCE));
      const found = await rows<{ userId: number; id: number; rev: number }>(
        this.parts.db,
        sql`
          select direct_low as "userId", id, rev::float8 as rev from ${rooms}
            where direct_low = any(${ids}::int[])
          union all
          select direct_high, id, rev::float8 from ${rooms}
            where direct_low is not null and direct_high = any(${ids}::int[])`,
      );
      for (const { userId, id, rev } of found) {
        revs.set(userId, (revs.get(userId) ?? new Map<number, number>()).set(id, rev));
      }
    }
    return revs;
  }

  /**
   * Gives a room another epoch, since the history in the database is older than the one that was shown; of
   * several servers the first one sets it for all.
   *
   * @param room in the state that was shown
   * @returns the room in its new state; undefined when it was deleted
   */
  async renewEpoch({ id, epoch, version }: Room): Promise<Room | undefined> {
    const isThis = eq(rooms.id, id);
    await this.parts.db
      .update(rooms)
      // Above every version that any server knows.
      .set({
        epoch: sql`gen_random_uuid()`,
        version: sql`greatest(${rooms.version}, ${version}) + 1`,
      })
      .where(and(isThis, eq(rooms.epoch, epoch)));
    const [room] = await this.parts.db.select(roomColumns).from(rooms).where(isThis);
    return room;
  }

  async #some(ids: number[], asked: Map<number, number[]>): Promise<RoomSnapshot[]> {
    const found = await this.parts.db
      .select({ room: roomColumns, rev: rooms.rev })
      .from(rooms)
      .where(inArray(rooms.id, ids));
    const closed = found.flatMap(({ room }) => (isUnrestricted(room) ? [] : room.id));
    const userIds = [...new Set(closed.flatMap((id) => asked.get(id) ?? []))];
    const known =
      userIds.length === 0
        ? []
        : await this.parts.db
            .select()
            .from(memberships)
            .where(and(inArray(memberships.roomId, closed), inArray(memberships.userId, userIds)));
    const membershipOf = new Map(
      known.map((membership) => [`${membership.roomId} ${membership.userId}`, membership]),
    );
    return found.map(({ room, rev }) => {
      const people = isUnrestricted(room) ? [] : (asked.get(room.id) ?? []);
      const memberships = people.map((id): [number, Membership] => {
        const known = membershipOf.get(`${room.id} ${id}`) ?? NO_MEMBERSHIP;
        // The memberships were read after the room, so they are at least as new.
        return [id, { ...known, version: Math.max(known.version, room.version) }];
      });
      return { room, rev, memberships: new Map(memberships) };
    });
  }
}
