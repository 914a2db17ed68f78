import { and, asc, eq, gt, notLike, sql } from 'drizzle-orm';
import type { Bus } from '../bus/bus.ts';
import type { Database } from '../db/index.ts';
import type { LostAnswers } from '../db/lost-answers.ts';
import { memberships, readCursors, rooms, tombstones, users } from '../db/schema/index.ts';
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
import { noSuchRoom, type Principal, principalOf, type Room } from '../protocol/room.ts';
import { inScope, isVisible, nextVersion, roomColumns } from './columns.ts';
import { RoomPurge } from './purge.ts';
import { isReserved, type RoomService } from './room.service.ts';

const described = { ...roomColumns, owner: users.username, createdAt: rooms.createdAt };

/** A room as REST shows it; `owner` is a username. */
export type RoomDetails = Room & { owner: string | null; createdAt: Date };

/** The fields of a room that may be changed. */
export interface RoomFields {
  topic?: string | null;
  private?: boolean;
}

interface RoomManagerParts {
  db: Database;
  bus: Bus;
  rooms: RoomService;
  limits: Limits;
  answers: LostAnswers;
  clock: Clock;
  log: Logger;
}

/** Lists, creates, changes and deletes rooms. */
export class RoomManager {
  readonly #purge: RoomPurge;

  constructor(private readonly parts: RoomManagerParts) {
    this.#purge = new RoomPurge(parts);
    this.#purge.start();
  }

  /** Returns a room as REST shows it. @throws {ChatError} the errors of {@link RoomService.authorize} */
  async describe(identity: Identity, raw: string): Promise<RoomDetails> {
    const { room } = await this.parts.rooms.authorize(principalOf(identity), raw);
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
          isAdmin(identity) ? undefined : isVisible(userId, isMember),
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
    this.parts.limits.checkNewRoom(principal);
    const ownerId = identity.kind === 'user' ? identity.user.id : null;
    const [made] = await this.parts.db
      .insert(rooms)
      .values({ name, topic, isPrivate, ownerId })
      .onConflictDoNothing()
      .returning(roomColumns);
    if (!made) throw new ChatError('conflict', `The name "${name}" is taken; choose another one.`);
    if (ownerId !== null) {
      await this.parts.db
        .insert(readCursors)
        .values({ userId: ownerId, roomId: made.id, lastRead: 0 })
        .onConflictDoNothing();
    }
    this.parts.log.info({ roomId: made.id, ownerId }, 'room created');
    return this.describe(identity, name);
  }

  /**
   * Changes a room. When it becomes private, connections of users that are no members leave it at once.
   *
   * @throws {ChatError} the errors of {@link RoomService.authorize}, `conflict` for the general room, `invalid_frame`
   */
  async update(identity: Identity, raw: string, fields: RoomFields): Promise<RoomDetails> {
    const { room } = await this.parts.rooms.authorize(principalOf(identity), raw, 'manage');
    const { topic, private: isPrivate } = fields;
    if (topic != null) checkTopic(topic);
    if (isPrivate) checkNotGeneral(room);
    if (topic !== undefined || isPrivate !== undefined) {
      const statement = this.parts.db
        .update(rooms)
        .set({ topic, isPrivate, version: nextVersion })
        .where(eq(rooms.id, room.id))
        .returning(roomColumns);
      const [changed] = await this.parts.answers.watch(statement, () => this.#compare(room));
      if (!changed) throw noSuchRoom(room.name);
      this.parts.bus.publish({ kind: 'room.updated', room: changed });
    }
    return this.describe(identity, raw);
  }

  /**
   * Deletes a room and all of its messages. All connections leave it at once.
   *
   * @throws {ChatError} the errors of {@link RoomService.authorize}, `conflict` for the general room
   */
  async remove(identity: Identity, raw: string): Promise<void> {
    const { room } = await this.parts.rooms.authorize(principalOf(identity), raw, 'manage');
    checkNotGeneral(room);
    // One statement deletes the room, after which its messages cannot be reached; these are purged later.
    const statement = this.parts.db.execute(sql`
      with gone as (delete from ${rooms} where id = ${room.id} returning id),
        people as (delete from ${memberships} where room_id in (select id from gone))
      insert into ${tombstones} select id from gone`);
    await this.parts.answers.watch(statement, () => {
      this.#compare(room);
      this.#purge.start();
    });
    this.parts.log.info({ roomId: room.id }, 'room deleted');
    this.parts.bus.publish({ kind: 'room.deleted', room: { id: room.id, name: room.name } });
    this.#purge.start();
  }

  /** Returns when the present purge has ended. */
  async close(): Promise<void> {
    await this.#purge.close();
  }

  /** Has all servers compare a room with the database. */
  #compare({ id }: Room): void {
    this.parts.bus.publish({ kind: 'resync', roomIds: [id] });
  }

  #describing() {
    return this.parts.db
      .select(described)
      .from(rooms)
      .leftJoin(users, eq(users.id, rooms.ownerId))
      .$dynamic();
  }
}

function checkNotGeneral({ name }: Room): void {
  if (name === DEFAULT_ROOM)
    throw new ChatError(
      'conflict',
      `"${name}" is always public, and cannot be changed this way or deleted.`,
    );
}
