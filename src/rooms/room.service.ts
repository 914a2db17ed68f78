import { and, asc, eq, gt, notLike, or, type SQL, sql } from 'drizzle-orm';
import type { Bus } from '../bus/bus.ts';
import type { Database } from '../db/index.ts';
import {
  memberships,
  messages,
  readCursors,
  rooms,
  tombstones,
  users,
} from '../db/schema/index.ts';
import { ChatError, invalidField } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Limits } from '../limits/limits.ts';
import type { Logger } from '../log.ts';
import { checkTopic, parseRoomName } from '../protocol/checks.ts';
import { DEFAULT_ROOM } from '../protocol/frames.ts';
import {
  checkRoom,
  DIRECT,
  HOW_TO_SIGN_IN,
  type Identity,
  isAdmin,
  scopeOf,
} from '../protocol/identity.ts';
import {
  isUnrestricted,
  type Membership,
  NO_MEMBERSHIP,
  noSuchRoom,
  type Permission,
  type Principal,
  principalOf,
  type Room,
  refusalIn,
} from '../protocol/room.ts';
import { inScope, nextVersion, roomColumns } from './columns.ts';
import { RoomPurge } from './purge.ts';

const described = { ...roomColumns, owner: users.username, createdAt: rooms.createdAt };

/** A room, and the membership of a principal in it. */
export interface RoomAccess {
  room: Room;
  membership: Membership;
  /** Whether the membership was not looked up, since all users have the same rights in the room. */
  isAssumed?: boolean;
}

/** A room as REST shows it; `owner` is a username. */
export type RoomDetails = Room & { owner: string | null; createdAt: Date };

/**
 * Creates the general room at the first start, so that REST can read it before the first join.
 *
 * @returns `cluster`: a name of the database that is unique among those that share a Redis
 */
export async function ensureDefaultRoom(db: Database): Promise<{ cluster: string }> {
  await db.insert(rooms).values({ name: DEFAULT_ROOM }).onConflictDoNothing();
  const [room] = await db
    .select({
      // The epoch is not used, since it may be replaced while servers run.
      cluster: sql<string>`to_char(${rooms.createdAt} at time zone 'utc', 'YYYYMMDDHH24MISSMS') || '-' ||
        (select oid from pg_database where datname = current_database())`,
    })
    .from(rooms)
    .where(eq(rooms.name, DEFAULT_ROOM));
  if (!room) throw new Error('the general room could not be created');
  return room;
}

interface RoomServiceParts {
  db: Database;
  bus: Bus;
  limits: Limits;
  clock: Clock;
  log: Logger;
}

/** Rooms, and the rights in them. */
export class RoomService {
  private readonly db: Database;
  private readonly bus: Bus;
  private readonly limits: Limits;
  private readonly log: Logger;
  readonly #purge: RoomPurge;

  constructor({ db, bus, limits, clock, log }: RoomServiceParts) {
    this.db = db;
    this.bus = bus;
    this.limits = limits;
    this.log = log;
    this.#purge = new RoomPurge({ db, clock, log });
    this.#purge.start();
  }

  /**
   * Returns a room in which a principal has a permission.
   *
   * @param known the room, if it is at hand; for a room without restrictions nothing is looked up then
   * @throws {ChatError} `not_found` for a room that does not exist, or that the principal may not see;
   *   `forbidden` when the token is not for the room or the principal may not manage it; `banned`, `muted`,
   *   `unauthorized`, and `invalid_frame` for an invalid name
   */
  async authorize(
    principal: Principal,
    raw = DEFAULT_ROOM,
    permission: Permission = 'read',
    known?: Room,
  ): Promise<RoomAccess> {
    const access = await this.#authorize(principal, raw, permission, known);
    if (!access) throw noSuchRoom(parseRoomName(raw));
    return access;
  }

  /**
   * The same, but a missing room is created, as a public one.
   *
   * @throws {ChatError} the errors of {@link authorize}, `rate_limited` for too many new rooms
   */
  async authorizeOrCreate(
    principal: Principal,
    raw = DEFAULT_ROOM,
    permission: Permission = 'read',
    known?: Room,
  ): Promise<RoomAccess> {
    const access = await this.#authorize(principal, raw, permission, known);
    if (access) return access;
    const name = parseRoomName(raw);
    if (isReserved(name)) throw noSuchRoom(name);
    this.limits.checkNewRoom(principal);
    await this.db.insert(rooms).values({ name }).onConflictDoNothing();
    // The room was created just now, here or elsewhere; or it exists, and not for this principal.
    return this.authorize(principal, raw, permission);
  }

  /**
   * The room of a message; undefined when the message does not exist or the principal may not see it, which both
   * take the same time.
   *
   * @throws {ChatError} `forbidden` when the token is not for the room, `banned`, `muted`
   */
  async authorizeByMessage(
    principal: Principal,
    id: number,
    permission: Permission,
  ): Promise<RoomAccess | undefined> {
    const isIts = sql`${rooms.id} = (select m.room_id from ${messages} m where m.id = ${id})`;
    const found = await this.#find(isIts, principal);
    const access = found && permitted(found, principal, permission);
    if (access) checkRoom(principal.identity, access.room.name);
    return access;
  }

  /** Returns a room as REST shows it. @throws {ChatError} the errors of {@link authorize} */
  async describe(identity: Identity, raw: string): Promise<RoomDetails> {
    const { room } = await this.authorize(principalOf(identity), raw);
    const [found] = await this.#describing().where(eq(rooms.id, room.id));
    if (!found) throw noSuchRoom(room.name);
    return found;
  }

  /**
   * A page of the rooms that an identity may see, sorted by name.
   *
   * @param page `after` is the name of a room, whether it exists or not
   * @throws {ChatError} `invalid_frame` for an invalid name
   */
  async list(
    identity: Identity,
    page: { after?: string | undefined; limit: number },
  ): Promise<RoomDetails[]> {
    const after = page.after === undefined ? undefined : parseRoomName(page.after);
    const userId = identity.kind === 'user' ? identity.user.id : 0;
    const isMember = sql`exists (select from ${memberships} p
      where p.room_id = ${rooms.id} and p.user_id = ${userId} and p.is_member)`;
    return this.#describing()
      .where(
        and(
          after === undefined ? undefined : gt(rooms.name, after),
          // By name, since only statistics, which the embedded database does not keep, would tell
          // Postgres that few rooms are left out, and that an ordered scan is best.
          notLike(rooms.name, `${DIRECT}%`),
          isVisible(identity, isMember),
          inScope(scopeOf(identity)),
        ),
      )
      .orderBy(asc(rooms.name))
      .limit(page.limit);
  }

  /**
   * Creates a room that its creator owns; a room of `API_KEY` has no owner.
   *
   * @throws {ChatError} `unauthorized` for guests, `forbidden` when the token is not for the room, `conflict`
   *   when the name is taken, `rate_limited`, `invalid_frame`
   */
  async create(
    principal: Principal,
    { name: raw, topic, private: isPrivate = false }: RoomFields & { name: string },
  ): Promise<RoomDetails> {
    const { identity } = principal;
    if (identity.kind === 'guest') {
      throw new ChatError('unauthorized', `Only accounts may create rooms; ${HOW_TO_SIGN_IN}.`);
    }
    const name = parseRoomName(raw, 'name');
    checkRoom(identity, name);
    if (topic != null) checkTopic(topic);
    if (isReserved(name)) {
      throw invalidField('name', 'must not begin with "dm:", which is reserved');
    }
    this.limits.checkNewRoom(principal);
    const ownerId = identity.kind === 'user' ? identity.user.id : null;
    const [made] = await this.db
      .insert(rooms)
      .values({ name, topic, isPrivate, ownerId })
      .onConflictDoNothing()
      .returning(roomColumns);
    if (!made) throw new ChatError('conflict', `The name "${name}" is taken; choose another one.`);
    if (ownerId !== null) {
      await this.db
        .insert(readCursors)
        .values({ userId: ownerId, roomId: made.id, lastRead: 0 })
        .onConflictDoNothing();
    }
    this.log.info({ roomId: made.id, ownerId }, 'room created');
    return this.describe(identity, name);
  }

  /**
   * Changes a room. When it becomes private, connections of users that are no members leave it at once.
   *
   * @throws {ChatError} the errors of {@link authorize}, `conflict` for the general room, `invalid_frame`
   */
  async update(identity: Identity, raw: string, fields: RoomFields): Promise<RoomDetails> {
    const { room } = await this.authorize(principalOf(identity), raw, 'manage');
    const { topic, private: isPrivate } = fields;
    if (topic != null) checkTopic(topic);
    if (isPrivate) checkNotGeneral(room);
    if (topic !== undefined || isPrivate !== undefined) {
      const [changed] = await this.db
        .update(rooms)
        .set({ topic, isPrivate, version: nextVersion })
        .where(eq(rooms.id, room.id))
        .returning(roomColumns);
      if (!changed) throw noSuchRoom(room.name);
      this.bus.publish({ kind: 'room.updated', room: changed });
    }
    return this.describe(identity, raw);
  }

  /**
   * Deletes a room and all of its messages. All connections leave it at once.
   *
   * @throws {ChatError} the errors of {@link authorize}, `conflict` for the general room
   */
  async remove(identity: Identity, raw: string): Promise<void> {
    const { room } = await this.authorize(principalOf(identity), raw, 'manage');
    checkNotGeneral(room);
    // One statement deletes the room, after which its messages cannot be reached; these are purged later.
    await this.db.execute(sql`
      with gone as (delete from ${rooms} where id = ${room.id} returning id),
        people as (delete from ${memberships} where room_id in (select id from gone))
      insert into ${tombstones} select id from gone`);
    this.log.info({ roomId: room.id }, 'room deleted');
    this.bus.publish({ kind: 'room.deleted', room: { id: room.id, name: room.name } });
    this.#purge.start();
  }

  /** Returns when the present purge has ended. */
  async close(): Promise<void> {
    await this.#purge.close();
  }

  /** Undefined for a room that does not exist, or that the principal may not see. */
  async #authorize(
    principal: Principal,
    raw: string,
    permission: Permission,
    known?: Room,
  ): Promise<RoomAccess | undefined> {
    const name = parseRoomName(raw);
    checkRoom(principal.identity, name);
    const isKnown = known && isUnrestricted(known) && permission !== 'manage';
    const access = isKnown
      ? { room: known, membership: NO_MEMBERSHIP, isAssumed: true }
      : await this.#find(eq(rooms.name, name), principal);
    return access && permitted(access, principal, permission);
  }

  #describing() {
    return this.db
      .select(described)
      .from(rooms)
      .leftJoin(users, eq(users.id, rooms.ownerId))
      .$dynamic();
  }

  /** A private room of other users is not even read, so that the time of the reply tells next to nothing. */
  async #find(which: SQL, { identity, user }: Principal): Promise<RoomAccess | undefined> {
    const isTheirs = and(eq(memberships.roomId, rooms.id), eq(memberships.userId, user?.id ?? 0));
    const [found] = await this.db
      .select({ room: roomColumns, membership: memberships })
      .from(rooms)
      .leftJoin(memberships, isTheirs)
      .where(and(which, isVisible(identity, eq(memberships.isMember, true))));
    if (!found) return undefined;
    const { room, membership } = found;
    return { room, membership: { ...(membership ?? NO_MEMBERSHIP), version: room.version } };
  }
}

/** Undefined when the principal may not see the room. @throws {ChatError} when the principal lacks the permission */
function permitted(
  access: RoomAccess,
  principal: Principal,
  permission: Permission,
): RoomAccess | undefined {
  const refused = refusalIn(access.room, access.membership, principal, permission);
  if (refused?.code === 'not_found') return undefined;
  if (refused) throw refused;
  return access;
}

/** The condition on rooms that an identity may see; admins see all. */
function isVisible(identity: Identity, isMember: SQL): SQL | undefined {
  if (isAdmin(identity)) return undefined;
  const ownerId = identity.kind === 'user' ? identity.user.id : 0;
  return or(eq(rooms.isPrivate, false), eq(rooms.ownerId, ownerId), isMember);
}

/** The fields of a room that may be changed. */
export interface RoomFields {
  topic?: string | null;
  private?: boolean;
}

/** Whether a name of a room, in lower case, is reserved for direct rooms. */
export function isReserved(name: string): boolean {
  return name.startsWith(DIRECT);
}

function checkNotGeneral({ name }: Room): void {
  if (name === DEFAULT_ROOM)
    throw new ChatError(
      'conflict',
      `"${name}" is always public, and cannot be changed this way or deleted.`,
    );
}
