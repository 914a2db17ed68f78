import { and, asc, eq, gt, inArray, or, type SQL, sql } from 'drizzle-orm';
import type { Bus } from '../bus/bus.ts';
import type { LostAnswers } from '../db/lost-answers.ts';
import { memberships, messages, readCursors, rooms, users } from '../db/schema/index.ts';
import { type Database, rows } from '../db/statements.ts';
import { ChatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { isSameName, parseUsername } from '../protocol/checks.ts';
import type { Identity, UserState } from '../protocol/identity.ts';
import {
  type Membership,
  NO_MEMBERSHIP,
  noSuchRoom,
  principalOf,
  type Room,
} from '../protocol/room.ts';
import type { UserService } from '../users/user.service.ts';
import { nextVersion } from './columns.ts';
import type { RoomService } from './room.service.ts';

/** Members, bans and mutes of rooms. */
export class Members {
  constructor(
    private readonly parts: {
      db: Database;
      bus: Bus;
      rooms: RoomService;
      users: UserService;
      answers: LostAnswers;
      log: Logger;
    },
  ) {}

  /**
   * Returns the role of a user in a room.
   *
   * @throws {ChatError} `not_found` for users that are no members, and the errors of {@link RoomService.authorize}
   */
  async membership(identity: Identity, raw: string, username: string) {
    const { room } = await this.parts.rooms.authorize(principalOf(identity), raw);
    const user = await this.parts.users.state(username);
    if (room.ownerId === user.id) return { username: user.username, role: 'owner' as const };
    const [membership] = await this.parts.db
      .select()
      .from(memberships)
      .where(isMembershipOf(room, user));
    if (!membership?.isMember) {
      throw new ChatError('not_found', `"${user.username}" is not a member of "${room.name}".`);
    }
    return { username: user.username, role: 'member' as const };
  }

  /**
   * A page of the owner and the members of a room, sorted by name.
   *
   * @throws {ChatError} the errors of {@link RoomService.authorize}
   */
  async list(identity: Identity, raw: string, page: PeoplePage) {
    const { room } = await this.parts.rooms.authorize(principalOf(identity), raw);
    const people = room.direct?.map(({ id }) => id) ?? [room.ownerId];
    const isOwnerOrDirect = inArray(
      users.id,
      people.flatMap((id) => id ?? []),
    );
    const found = await this.#page(or(isOwnerOrDirect, isIn(room, memberships.isMember)), page);
    return found.map(({ id, username }) => ({
      username,
      role: id === room.ownerId ? ('owner' as const) : ('member' as const),
    }));
  }

  /** A page of the users that are banned from a room. @throws {ChatError} the errors of {@link setBan} */
  async listBans(identity: Identity, raw: string, page: PeoplePage) {
    return this.#listModerated(identity, raw, memberships.isBanned, page);
  }

  /** A page of the users that are muted in a room. @throws {ChatError} the errors of {@link setMute} */
  async listMutes(identity: Identity, raw: string, page: PeoplePage) {
    return this.#listModerated(identity, raw, memberships.isMuted, page);
  }

  /**
   * Adds an account as a member, or removes a member; members may remove themselves.
   *
   * @throws {ChatError} `conflict` for a guest or the owner, and the errors of {@link RoomService.authorize}
   */
  async setMember(identity: Identity, raw: string, username: string, isMember: boolean) {
    const { users, rooms } = this.parts;
    const isLeaving =
      !isMember && identity.kind === 'user' && isSameName(identity.user.username, username);
    const permission = isLeaving ? 'read' : 'manage';
    const { room } = await rooms.authorize(principalOf(identity), raw, permission);
    const user = await users.state(username);
    checkNotOwner(room, user);
    if (room.direct)
      throw new ChatError('conflict', 'A direct room has no members beside its two users.');
    if (isMember && !user.isAccount) {
      throw new ChatError(
        'conflict',
        `"${user.username}" is a guest; only accounts can be members.`,
      );
    }
    await this.#setMembership(room, user, { isMember });
    // The room is among the member's rooms from now on, with nothing unread.
    if (isMember) await this.#listForMember(room, user);
  }

  /**
   * Bans a user from a room, whose connections leave it at once, or lifts the ban.
   *
   * @throws {ChatError} `conflict` for the owner, and the errors of {@link RoomService.authorize}
   */
  async setBan(identity: Identity, raw: string, username: string, isBanned: boolean) {
    await this.#moderate(identity, raw, username, { isBanned });
  }

  /**
   * Mutes a user in a room, or lifts the mute.
   *
   * @throws {ChatError} `conflict` for the owner, and the errors of {@link RoomService.authorize}
   */
  async setMute(identity: Identity, raw: string, username: string, isMuted: boolean) {
    await this.#moderate(identity, raw, username, { isMuted });
  }

  async #listModerated(identity: Identity, raw: string, flag: Flag, page: PeoplePage) {
    const { room } = await this.parts.rooms.authorize(principalOf(identity), raw, 'manage');
    const found = await this.#page(isIn(room, flag), page);
    return found.map(({ username }) => ({ username }));
  }

  #page(which: SQL | undefined, { after, limit }: PeoplePage) {
    const isAfter =
      after === undefined ? undefined : gt(users.key, parseUsername(after, 'after').key);
    return this.parts.db
      .select({ id: users.id, username: users.username })
      .from(users)
      .where(and(which, isAfter))
      .orderBy(asc(users.key))
      .limit(limit);
  }

  async #moderate(identity: Identity, raw: string, username: string, change: Partial<Membership>) {
    const { rooms: service, users, log } = this.parts;
    const { room } = await service.authorize(principalOf(identity), raw, 'manage');
    const user = await users.state(username);
    checkNotOwner(room, user);
    await this.#setMembership(room, user, change);
    log.info({ roomId: room.id, userId: user.id, ...change }, 'moderated');
  }

  async #listForMember(room: Room, user: UserState): Promise<void> {
    await this.parts.db.execute(sql`
      insert into ${readCursors} (user_id, room_id, last_read)
        select ${user.id}, ${room.id}, coalesce(max(seq), 0) from ${messages} where room_id = ${room.id}
        on conflict do nothing`);
  }

  /** Stores a change in one statement under the lock of the room, so that versions tell the latest change. */
  async #setMembership(room: Room, user: UserState, change: Partial<Membership>): Promise<void> {
    const { db, bus, answers } = this.parts;
    const { isMember, isBanned, isMuted } = { ...NO_MEMBERSHIP, ...change };
    const set = Object.entries(change).map(([key, value]) => {
      const { name } = memberships[key as 'isMember' | 'isBanned' | 'isMuted'];
      return sql`${sql.identifier(name)} = ${value}`;
    });
    const statement = rows<Membership>(
      db,
      sql`
        with locked as (
          update ${rooms}
            set version = ${nextVersion}, is_moderated = is_moderated or ${isBanned || isMuted}
            where id = ${room.id} returning id, version
        )
        insert into ${memberships} (room_id, user_id, is_member, is_banned, is_muted, version)
          select id, ${user.id}::int, ${isMember}, ${isBanned}, ${isMuted}, version from locked
          on conflict (room_id, user_id)
            do update set ${sql.join(set, sql`, `)}, version = excluded.version
          returning is_member as "isMember", is_banned as "isBanned", is_muted as "isMuted",
            version::float8 as version`,
    );
    const { id, name } = room;
    const compare = () => bus.publish({ kind: 'resync', roomIds: [id] });
    const [membership] = await answers.watch(statement, compare);
    if (!membership) throw noSuchRoom(name);
    bus.publish({
      kind: 'membership.updated',
      room: { id, name },
      userId: user.id,
      membership,
    });
  }
}

type Flag = (typeof memberships)['isMember' | 'isBanned' | 'isMuted'];

interface PeoplePage {
  /** A username, exclusive. */
  after?: string | undefined;
  limit: number;
}

/** Whether a user has a flag in a room, as SQL. */
function isIn(room: Room, flag: Flag): SQL {
  return sql`${users.id} in (
    select ${memberships.userId} from ${memberships} where ${memberships.roomId} = ${room.id} and ${flag})`;
}

function isMembershipOf(room: Room, user: UserState) {
  return and(eq(memberships.roomId, room.id), eq(memberships.userId, user.id));
}

function checkNotOwner(room: Room, user: UserState): void {
  if (room.ownerId === user.id) {
    throw new ChatError(
      'conflict',
      `"${user.username}" owns the room, and cannot be banned, muted or removed.`,
    );
  }
}
