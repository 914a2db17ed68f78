import { and, eq, sql } from 'drizzle-orm';
import type { Database } from '../db/index.ts';
import { readPositions, roomPeople, rooms } from '../db/schema/index.ts';
import { checkRoom, type Person } from '../types/identity.ts';
import type { Room, Visitor } from '../types/room.ts';
import type { Limits } from './limits.ts';
import { DIRECT, roomColumns } from './room-columns.ts';

/** Where two people speak with each other: private rooms that nobody can name before there is something in them. */
export class DirectRooms {
  constructor(
    private readonly db: Database,
    private readonly limits: Limits,
  ) {}

  /**
   * The room in which two people speak with each other, or one with itself; made if there is none.
   *
   * @throws {ChatError} `forbidden` when the token is not for it, `rate_limited` for too many new rooms
   */
  async between(visitor: Visitor & { user: Person }, other: Person): Promise<Room> {
    const [low, high] = [visitor.user.id, other.id].sort((a, b) => a - b) as [number, number];
    const isTheirs = and(eq(rooms.directLow, low), eq(rooms.directHigh, high));
    const find = () => this.db.select(roomColumns).from(rooms).where(isTheirs);
    let [room] = await find();
    if (!room) {
      this.limits.checkNewRoom(visitor);
      // In one statement: a direct room without its people would be lost to them.
      await this.db.execute(sql`
        with made as (
          insert into ${rooms} (name, is_private, direct_low, direct_high)
            values (${`${DIRECT}${crypto.randomUUID()}`}, true, ${low}, ${high})
            on conflict do nothing returning id
        ), people as (
          select distinct made.id as room_id, person.id as user_id
          from made, unnest(array[${low}::int, ${high}::int]) as person (id)
        ), members as (
          insert into ${roomPeople} (room_id, user_id, is_member) select room_id, user_id, true from people
        )
        insert into ${readPositions} (room_id, user_id, last_read) select room_id, user_id, 0 from people`);
      [room] = await find();
    }
    checkRoom(visitor.identity, (room as Room).name);
    return room as Room;
  }
}
