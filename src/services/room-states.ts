import { and, inArray } from 'drizzle-orm';
import type { Database } from '../db/index.ts';
import { roomPeople, rooms } from '../db/schema/index.ts';
import { isForAll, NO_PLACE, type Place, type Room } from '../types/room.ts';
import { roomColumns } from './room-columns.ts';

/** A room as the database has it, and how some users stand in it where that decides anything. */
export interface RoomState {
  room: Room;
  rev: number;
  places: Map<number, Place>;
}

/** How many rooms one statement looks at. */
const AT_ONCE = 500;

/** Looks at many rooms at once. */
export class RoomStates {
  constructor(private readonly db: Database) {}

  /**
   * @param asked rooms by their ids, each with the ids of the users in question
   * @returns those that are there, by their ids
   */
  async of(asked: Map<number, number[]>): Promise<Map<number, RoomState>> {
    const found = new Map<number, RoomState>();
    const ids = [...asked.keys()];
    for (let from = 0; from < ids.length; from += AT_ONCE) {
      for (const state of await this.#some(ids.slice(from, from + AT_ONCE), asked)) {
        found.set(state.room.id, state);
      }
    }
    return found;
  }

  async #some(ids: number[], asked: Map<number, number[]>): Promise<RoomState[]> {
    const found = await this.db
      .select({ room: roomColumns, rev: rooms.rev })
      .from(rooms)
      .where(inArray(rooms.id, ids));
    const closed = found.flatMap(({ room }) => (isForAll(room) ? [] : room.id));
    const userIds = [...new Set(closed.flatMap((id) => asked.get(id) ?? []))];
    const known =
      userIds.length === 0
        ? []
        : await this.db
            .select()
            .from(roomPeople)
            .where(and(inArray(roomPeople.roomId, closed), inArray(roomPeople.userId, userIds)));
    const placeOf = new Map(known.map((place) => [`${place.roomId} ${place.userId}`, place]));
    return found.map(({ room, rev }) => {
      const people = isForAll(room) ? [] : (asked.get(room.id) ?? []);
      const places = people.map((id): [number, Place] => [
        id,
        placeOf.get(`${room.id} ${id}`) ?? NO_PLACE,
      ]);
      return { room, rev, places: new Map(places) };
    });
  }
}
