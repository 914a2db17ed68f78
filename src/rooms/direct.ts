import { and, eq, sql } from 'drizzle-orm';
import type { Bus } from '../bus/bus.ts';
import type { Database } from '../db/index.ts';
import { memberships, readCursors, rooms } from '../db/schema/index.ts';
import type { Ids } from '../lib/ids.ts';
import { LruMap } from '../lib/lru-map.ts';
import type { Limits } from '../limits/limits.ts';
import { checkRoom, DIRECT, mayBeDirect, type Person, scopeOf } from '../protocol/identity.ts';
import type { Principal, Room } from '../protocol/room.ts';
import { roomColumns } from './columns.ts';

/** How many direct rooms are remembered, so that not every direct message looks its room up. */
const REMEMBERED = 10_000;

/** The rooms of direct messages: private to two users, and created by the first message. */
export class DirectRooms {
  /** By the ids of their users; direct rooms are never deleted. */
  readonly #known = new LruMap<string, Room>(REMEMBERED);

  constructor(private readonly parts: { db: Database; bus: Bus; limits: Limits; ids: Ids }) {
    parts.bus.subscribe({
      'room.updated': ({ room }) => {
        const [low, high = low] = room.direct ?? [];
        if (low && high) this.#note(`${low.id} ${high.id}`, room);
      },
    });
  }

  /**
   * The direct room of two users, or the notebook of one; created if there is none.
   *
   * @throws {ChatError} `forbidden` when the token is not for this room, `rate_limited` for too many new rooms
   */
  async between(principal: Principal & { user: Person }, other: Person): Promise<Room> {
    if (!mayBeDirect(scopeOf(principal.identity))) checkRoom(principal.identity, DIRECT);
    const [low, high] = [principal.user.id, other.id].sort((a, b) => a - b) as [number, number];
    const pair = `${low} ${high}`;
    const known = this.#known.get(pair);
    const room = this.#note(pair, known ?? (await this.#findOrCreate(principal, low, high)));
    checkRoom(principal.identity, room.name);
    return room;
  }

  /** @returns the newer of this state and the known one */
  #note(pair: string, room: Room): Room {
    const known = this.#known.get(pair);
    const newest = known && known.version > room.version ? known : room;
    this.#known.set(pair, newest);
    return newest;
  }

  async #findOrCreate(principal: Principal, low: number, high: number): Promise<Room> {
    const isTheirs = and(eq(rooms.directLow, low), eq(rooms.directHigh, high));
    const { db, limits, ids } = this.parts;
    const find = () => db.select(roomColumns).from(rooms).where(isTheirs);
    let [room] = await find();
    if (!room) {
      limits.checkNewRoom(principal);
      // In one statement, since a direct room without its users could not be found again.
      await db.execute(sql`
        with made as (
          insert into ${rooms} (name, is_private, direct_low, direct_high)
            values (${`${DIRECT}${ids.uuid()}`}, true, ${low}, ${high})
            on conflict do nothing returning id
        ), people as (
          select distinct made.id as room_id, person.id as user_id
          from made, unnest(array[${low}::int, ${high}::int]) as person (id)
        ), members as (
          insert into ${memberships} (room_id, user_id, is_member) select room_id, user_id, true from people
        )
        insert into ${readCursors} (room_id, user_id, last_read) select room_id, user_id, 0 from people`);
      [room] = await find();
    }
    return room as Room;
  }
}
