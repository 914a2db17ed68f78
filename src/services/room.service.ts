import { and, asc, eq, gt, notLike, or, type SQL, sql } from 'drizzle-orm';
import type { Bus } from '../bus/bus.ts';
import type { Database } from '../db/index.ts';
import {
  deletedRooms,
  messages,
  readPositions,
  roomPeople,
  rooms,
  users,
} from '../db/schema/index.ts';
import { ChatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { checkRoom, HOW_TO_SIGN_IN, type Identity, isAdmin } from '../types/identity.ts';
import {
  isForAll,
  NO_PLACE,
  noSuchRoom,
  type Place,
  type Room,
  refusalIn,
  type Visitor,
  visitorOf,
  type Wish,
} from '../types/room.ts';
import { checkTopic, parseRoomName } from '../types/text.ts';
import { DEFAULT_ROOM } from '../types/websocket.ts';
import type { Limits } from './limits.ts';
import { DIRECT, roomColumns } from './room-columns.ts';
import { RoomPurge } from './room-purge.ts';

const described = { ...roomColumns, owner: users.username, createdAt: rooms.createdAt };

/** A room and how a visitor stands there. */
export interface Visit {
  room: Room;
  place: Place;
}

/** What a room is described by; `owner` is a username. */
export type Described = Room & { owner: string | null; createdAt: Date };

/** Where people meet, and who may. */
export class RoomService {
  readonly #purge: RoomPurge;

  constructor(
    private readonly db: Database,
    private readonly bus: Bus,
    private readonly limits: Limits,
    private readonly log: Logger,
  ) {
    this.#purge = new RoomPurge(db, log);
    this.#purge.start();
  }

  /**
   * A room that someone would read, speak in or manage.
   *
   * @param known the room, when it is at hand; where it is for all, nothing is looked up then
   * @throws {ChatError} `not_found` for one that is not there, or not for this visitor; `forbidden` when
   *   the token is not for it or it is not the visitor's to manage; `banned`, `muted`, `unauthorized`,
   *   and `invalid_frame` for what cannot be a room's name
   */
  async visit(
    visitor: Visitor,
    raw = DEFAULT_ROOM,
    wish: Wish = 'read',
    known?: Room,
  ): Promise<Visit> {
    const visit = await this.#visit(visitor, raw, wish, known);
    if (!visit) throw noSuchRoom(parseRoomName(raw));
    return visit;
  }

  /**
   * The same for someone who enters: a room that is not there is made, for all.
   *
   * @throws {ChatError} what {@link visit} throws, `rate_limited` for too many new rooms
   */
  async enter(visitor: Visitor, raw = DEFAULT_ROOM, known?: Room): Promise<Visit> {
    const visit = await this.#visit(visitor, raw, 'read', known);
    if (visit) return visit;
    const name = parseRoomName(raw);
    if (isReserved(name)) throw noSuchRoom(name);
    this.limits.checkNewRoom(visitor);
    await this.db.insert(rooms).values({ name }).onConflictDoNothing();
    // It was made just now, by us or by someone else; or it is there, and not for this visitor.
    return this.visit(visitor, raw);
  }

  /**
   * The room of a message; undefined when the message is not there, or not for this visitor, which takes
   * the same time.
   *
   * @throws {ChatError} `forbidden` when the token is not for the room, `banned`, `muted`
   */
  async visitByMessage(visitor: Visitor, id: number, wish: Wish): Promise<Visit | undefined> {
    const isIts = sql`${rooms.id} = (select m.room_id from ${messages} m where m.id = ${id})`;
    const found = await this.#look(isIts, visitor);
    const visit = found && whereAllowed(found, visitor, wish);
    if (visit) checkRoom(visitor.identity, visit.room.name);
    return visit;
  }

  /** The room of this name as anyone may know it; made if there is none. */
  async findOrCreate(name = DEFAULT_ROOM): Promise<Room> {
    return (await this.enter({ identity: { kind: 'key' } }, name)).room;
  }

  /** What there is to say of a room. @throws {ChatError} what {@link visit} throws */
  async describe(identity: Identity, raw: string): Promise<Described> {
    const { room } = await this.visit(visitorOf(identity), raw);
    const [found] = await this.#describing().where(eq(rooms.id, room.id));
    if (!found) throw noSuchRoom(room.name);
    return found;
  }

  /**
   * A page of the rooms that someone may know of, in the order of their names.
   *
   * @param page `after` is the name of a room, whether it exists or not
   * @throws {ChatError} `invalid_frame` for what cannot be a room's name
   */
  async list(
    identity: Identity,
    page: { after?: string | undefined; limit: number },
  ): Promise<Described[]> {
    const after = page.after === undefined ? undefined : parseRoomName(page.after);
    const userId = identity.kind === 'user' ? identity.user.id : 0;
    const isMember = sql`exists (select from ${roomPeople} p
      where p.room_id = ${rooms.id} and p.user_id = ${userId} and p.is_member)`;
    return this.#describing()
      .where(
        and(
          after === undefined ? undefined : gt(rooms.name, after),
          // By name, since nothing but statistics, which the embedded database does not keep, would tell
          // Postgres that few rooms are left out, and that reading on in order is best.
          notLike(rooms.name, `${DIRECT}%`),
          isVisible(identity, isMember),
        ),
      )
      .orderBy(asc(rooms.name))
      .limit(page.limit);
  }

  /**
   * Makes a room that belongs to whoever asks; one that `API_KEY` makes belongs to nobody.
   *
   * @throws {ChatError} `unauthorized` for guests, `forbidden` when the token is not for it, `conflict`
   *   when the name is taken, `rate_limited`, `invalid_frame`
   */
  async create(
    visitor: Visitor,
    { name: raw, topic, private: isPrivate = false }: RoomFields & { name: string },
  ): Promise<Described> {
    const { identity } = visitor;
    if (identity.kind === 'guest') {
      throw new ChatError('unauthorized', `Only accounts own rooms; ${HOW_TO_SIGN_IN}.`);
    }
    const name = parseRoomName(raw);
    checkRoom(identity, name);
    if (topic != null) checkTopic(topic);
    if (isReserved(name)) {
      throw new ChatError('invalid_frame', '"room" must not begin with "dm:", which is reserved');
    }
    this.limits.checkNewRoom(visitor);
    const ownerId = identity.kind === 'user' ? identity.user.id : null;
    const [made] = await this.db
      .insert(rooms)
      .values({ name, topic, isPrivate, ownerId })
      .onConflictDoNothing()
      .returning(roomColumns);
    if (!made) throw new ChatError('conflict', `The name "${name}" is taken; choose another one.`);
    if (ownerId !== null) {
      await this.db
        .insert(readPositions)
        .values({ userId: ownerId, roomId: made.id, lastRead: 0 })
        .onConflictDoNothing();
    }
    this.log.info({ roomId: made.id, ownerId }, 'room created');
    return this.describe(identity, name);
  }

  /**
   * Changes a room. Who is in one that becomes private, and is no member, is put out.
   *
   * @throws {ChatError} what {@link visit} throws, `conflict` for the general room, `invalid_frame`
   */
  async change(identity: Identity, raw: string, fields: RoomFields): Promise<Described> {
    const { room } = await this.visit(visitorOf(identity), raw, 'manage');
    const { topic, private: isPrivate } = fields;
    if (topic != null) checkTopic(topic);
    if (isPrivate) checkNotGeneral(room);
    if (topic !== undefined || isPrivate !== undefined) {
      const [changed] = await this.db
        .update(rooms)
        .set({ topic, isPrivate })
        .where(eq(rooms.id, room.id))
        .returning(roomColumns);
      if (!changed) throw noSuchRoom(room.name);
      this.bus.publish({ kind: 'room', room: changed, members: await this.#members(changed) });
    }
    return this.describe(identity, raw);
  }

  /**
   * Deletes a room and all that was said in it. Who is in it is put out.
   *
   * @throws {ChatError} what {@link visit} throws, `conflict` for the general room
   */
  async remove(identity: Identity, raw: string): Promise<void> {
    const { room } = await this.visit(visitorOf(identity), raw, 'manage');
    checkNotGeneral(room);
    // In one statement the room is gone and its messages are out of reach; they are deleted after it.
    await this.db.execute(sql`
      with gone as (delete from ${rooms} where id = ${room.id} returning id),
        people as (delete from ${roomPeople} where room_id in (select id from gone))
      insert into ${deletedRooms} select id from gone`);
    this.log.info({ roomId: room.id }, 'room deleted');
    this.bus.publish({ kind: 'gone', room });
    this.#purge.start();
  }

  /** Returns when nothing is under way any more. */
  async close(): Promise<void> {
    await this.#purge.close();
  }

  /** Undefined for a room that is not there, or not for this visitor. */
  async #visit(
    visitor: Visitor,
    raw: string,
    wish: Wish,
    known?: Room,
  ): Promise<Visit | undefined> {
    const name = parseRoomName(raw);
    checkRoom(visitor.identity, name);
    const isKnown = known && isForAll(known) && wish !== 'manage';
    const visit = isKnown
      ? { room: known, place: NO_PLACE }
      : await this.#look(eq(rooms.name, name), visitor);
    return visit && whereAllowed(visit, visitor, wish);
  }

  #describing() {
    return this.db
      .select(described)
      .from(rooms)
      .leftJoin(users, eq(users.id, rooms.ownerId))
      .$dynamic();
  }

  /** A private room of others is not even read, so that the time it takes tells next to nothing. */
  async #look(which: SQL, { identity, user }: Visitor): Promise<Visit | undefined> {
    const isTheirs = and(eq(roomPeople.roomId, rooms.id), eq(roomPeople.userId, user?.id ?? 0));
    const [found] = await this.db
      .select({ room: roomColumns, place: roomPeople })
      .from(rooms)
      .leftJoin(roomPeople, isTheirs)
      .where(and(which, isVisible(identity, eq(roomPeople.isMember, true))));
    return found && { room: found.room, place: found.place ?? NO_PLACE };
  }

  /** Those who may be in a private room. */
  async #members({ id, isPrivate, ownerId }: Room): Promise<number[]> {
    if (!isPrivate) return [];
    const found = await this.db
      .select({ userId: roomPeople.userId })
      .from(roomPeople)
      .where(and(eq(roomPeople.roomId, id), eq(roomPeople.isMember, true)));
    return [...found.map(({ userId }) => userId), ...(ownerId === null ? [] : [ownerId])];
  }
}

/** Undefined when the room is not there for this visitor. @throws {ChatError} when it is, but not for this wish */
function whereAllowed(visit: Visit, visitor: Visitor, wish: Wish): Visit | undefined {
  const refused = refusalIn(visit.room, visit.place, visitor, wish);
  if (refused?.code === 'not_found') return undefined;
  if (refused) throw refused;
  return visit;
}

/** The rooms that someone may know of; for admins that is all. */
function isVisible(identity: Identity, isMember: SQL): SQL | undefined {
  if (isAdmin(identity)) return undefined;
  const ownerId = identity.kind === 'user' ? identity.user.id : 0;
  return or(eq(rooms.isPrivate, false), eq(rooms.ownerId, ownerId), isMember);
}

/** What may be changed of a room. */
export interface RoomFields {
  topic?: string | null;
  private?: boolean;
}

function isReserved(name: string): boolean {
  return name.startsWith(DIRECT);
}

function checkNotGeneral({ name }: Room): void {
  if (name === DEFAULT_ROOM) throw new ChatError('conflict', `"${name}" is always there, for all.`);
}
