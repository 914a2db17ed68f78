import { and, eq, type SQL, sql } from 'drizzle-orm';
import type { Database } from '../db/index.ts';
import { memberships, messages, rooms } from '../db/schema/index.ts';
import type { Limits } from '../limits/limits.ts';
import { parseRoomName } from '../protocol/checks.ts';
import { DEFAULT_ROOM } from '../protocol/frames.ts';
import { checkRoom, DIRECT, isAdmin } from '../protocol/identity.ts';
import {
  isUnrestricted,
  type Membership,
  NO_MEMBERSHIP,
  noSuchRoom,
  type Permission,
  type Principal,
  type Room,
  refusalIn,
} from '../protocol/room.ts';
import { isVisible, roomColumns } from './columns.ts';

/** A room, and the membership of a principal in it. */
export interface RoomAccess {
  room: Room;
  membership: Membership;
  /** Whether the membership was not looked up, since all users have the same rights in the room. */
  isAssumed?: boolean;
}

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

/** The rooms that principals may enter, and their rights in them. */
export class RoomService {
  readonly #findByName: Finders;
  readonly #findByMessage: Finders;
  readonly #insert: ReturnType<typeof insert>;

  constructor(private readonly parts: { db: Database; limits: Limits }) {
    const { db } = parts;
    const ofMessage = sql`select m.room_id from ${messages} m where m.id = ${KEY}`;
    this.#findByName = finders(db, eq(rooms.name, KEY));
    this.#findByMessage = finders(db, sql`${rooms.id} = (${ofMessage})`);
    this.#insert = insert(db);
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
    this.parts.limits.checkNewRoom(principal);
    const [room] = await this.#insert.execute({ name });
    const membership = { ...NO_MEMBERSHIP, version: room?.version ?? 0 };
    const created = room && permitted({ room, membership }, principal, permission);
    // Otherwise it was created just now elsewhere; or it exists, and not for this principal.
    return created ?? this.authorize(principal, raw, permission);
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
    const found = await this.#find(this.#findByMessage, id, principal);
    const access = found && permitted(found, principal, permission);
    if (access) checkRoom(principal.identity, access.room.name);
    return access;
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
      : await this.#find(this.#findByName, name, principal);
    return access && permitted(access, principal, permission);
  }

  async #find(
    { all, visible }: Finders,
    key: string | number,
    { identity, user }: Principal,
  ): Promise<RoomAccess | undefined> {
    const ownerId = identity.kind === 'user' ? identity.user.id : 0;
    const statement = isAdmin(identity) ? all : visible;
    const [found] = await statement.execute({ key, userId: user?.id ?? 0, ownerId });
    if (!found) return undefined;
    const { room, membership } = found;
    return { room, membership: { ...(membership ?? NO_MEMBERSHIP), version: room.version } };
  }
}

const KEY = sql.placeholder('key');

type Finders = ReturnType<typeof finders>;

/**
 * The statements that find a room, and the membership of a user in it; their text is kept, since making it takes
 * longer than sending it. A private room of other users is not even read, so that the time of the reply tells next
 * to nothing.
 */
function finders(db: Database, which: SQL) {
  const isTheirs = and(
    eq(memberships.roomId, rooms.id),
    eq(memberships.userId, sql.placeholder('userId')),
  );
  const isMember = eq(memberships.isMember, true);
  const find = (isAllowed?: SQL) =>
    db
      .select({ room: roomColumns, membership: memberships })
      .from(rooms)
      .leftJoin(memberships, isTheirs)
      .where(and(which, isAllowed))
      .prepare('');
  return { all: find(), visible: find(isVisible(sql.placeholder('ownerId'), isMember)) };
}

function insert(db: Database) {
  const name = sql.placeholder('name');
  return db.insert(rooms).values({ name }).onConflictDoNothing().returning(roomColumns).prepare('');
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

/** Whether a name of a room, in lower case, is reserved for direct rooms. */
export function isReserved(name: string): boolean {
  return name.startsWith(DIRECT);
}
