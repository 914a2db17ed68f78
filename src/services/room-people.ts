import { and, eq } from 'drizzle-orm';
import type { Bus } from '../bus/bus.ts';
import type { Database } from '../db/index.ts';
import { roomPeople, rooms } from '../db/schema/index.ts';
import { ChatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Identity, Standing } from '../types/identity.ts';
import { NO_PLACE, noSuchRoom, type Place, type Room, visitorOf } from '../types/room.ts';
import { isSameName } from '../types/text.ts';
import type { ReadPositions } from './read-positions.ts';
import type { RoomService } from './room.service.ts';
import type { UserService } from './user.service.ts';

/** Members, bans and mutes of rooms. */
export class RoomPeople {
  constructor(
    private readonly parts: {
      db: Database;
      bus: Bus;
      rooms: RoomService;
      users: UserService;
      positions: ReadPositions;
      log: Logger;
    },
  ) {}

  /**
   * How a user belongs to a room.
   *
   * @throws {ChatError} `not_found` for who is no member, and what {@link RoomService.visit} throws
   */
  async membership(identity: Identity, raw: string, username: string) {
    const { room } = await this.parts.rooms.visit(visitorOf(identity), raw);
    const user = await this.parts.users.standing(username);
    if (room.ownerId === user.id) return { username: user.username, role: 'owner' as const };
    const [place] = await this.parts.db.select().from(roomPeople).where(isPlaceOf(room, user));
    if (!place?.isMember) {
      throw new ChatError('not_found', `"${user.username}" is no member of "${room.name}".`);
    }
    return { username: user.username, role: 'member' as const };
  }

  /**
   * Makes an account a member, or puts a member out; members may leave by themselves.
   *
   * @throws {ChatError} `conflict` for a guest or the owner, and what {@link RoomService.visit} throws
   */
  async setMember(identity: Identity, raw: string, username: string, isMember: boolean) {
    const { users, rooms } = this.parts;
    const isLeaving =
      !isMember && identity.kind === 'user' && isSameName(identity.user.username, username);
    const wish = isLeaving ? 'read' : 'manage';
    const { room } = await rooms.visit(visitorOf(identity), raw, wish);
    const user = await users.standing(username);
    checkNotOwner(room, user);
    if (room.direct) throw new ChatError('conflict', 'A direct room stays its two people’s.');
    if (isMember && !user.isAccount) {
      throw new ChatError('conflict', `"${user.username}" is a guest; only accounts are members.`);
    }
    await this.#place(room, user, { isMember });
    // The room is among the member's rooms from now on.
    if (isMember) await this.parts.positions.enter(user, room);
  }

  /**
   * Bans a user from a room, or lifts the ban. Who is in it is put out.
   *
   * @throws {ChatError} `conflict` for the owner, and what {@link RoomService.visit} throws
   */
  async setBan(identity: Identity, raw: string, username: string, isBanned: boolean) {
    await this.#moderate(identity, raw, username, { isBanned });
  }

  /**
   * Mutes a user in a room, or lets the user speak again.
   *
   * @throws {ChatError} `conflict` for the owner, and what {@link RoomService.visit} throws
   */
  async setMute(identity: Identity, raw: string, username: string, isMuted: boolean) {
    await this.#moderate(identity, raw, username, { isMuted });
  }

  async #moderate(identity: Identity, raw: string, username: string, change: Partial<Place>) {
    const { db, rooms: service, users, log } = this.parts;
    const { room } = await service.visit(visitorOf(identity), raw, 'manage');
    const user = await users.standing(username);
    checkNotOwner(room, user);
    // First: whoever enters from now on is looked up.
    if (!room.isModerated) {
      await db.update(rooms).set({ isModerated: true }).where(eq(rooms.id, room.id));
    }
    await this.#place({ ...room, isModerated: true }, user, change);
    log.info({ roomId: room.id, userId: user.id, ...change }, 'moderated');
  }

  async #place(room: Room, user: Standing, change: Partial<Place>): Promise<void> {
    const { db, bus } = this.parts;
    const [place] = await db
      .insert(roomPeople)
      .values({ roomId: room.id, userId: user.id, ...NO_PLACE, ...change })
      .onConflictDoUpdate({ target: [roomPeople.roomId, roomPeople.userId], set: change })
      .returning();
    if (!place) throw noSuchRoom(room.name);
    bus.publish({ kind: 'place', room, userId: user.id, place });
  }
}

function isPlaceOf(room: Room, user: Standing) {
  return and(eq(roomPeople.roomId, room.id), eq(roomPeople.userId, user.id));
}

function checkNotOwner(room: Room, user: Standing): void {
  if (room.ownerId === user.id) {
    throw new ChatError('conflict', `"${user.username}" owns the room, and stays in it.`);
  }
}
