import { inArray, type SQL, sql } from 'drizzle-orm';
import type { Bus, Notified } from '../bus/bus.ts';
import type { MessageReader } from '../chat/reader.ts';
import { notifications, rooms, users } from '../db/schema/index.ts';
import { array, type Database, rows } from '../db/statements.ts';
import { ChatError, invalidField } from '../errors.ts';
import { Batcher } from '../lib/batcher.ts';
import type { Clock } from '../lib/clock.ts';
import type { Keys } from '../lib/fair-queue.ts';
import { checkData, parseUsername } from '../protocol/checks.ts';
import { MAX_PAGE_BYTES } from '../protocol/frames.ts';
import {
  checkAdmin,
  checkUnlimited,
  type Identity,
  type Person,
  roles,
  type Scope,
} from '../protocol/identity.ts';
import type { Notification } from '../protocol/rest.ts';
import { inScope, mayRead, roomColumns } from '../rooms/columns.ts';

/** An unread notification of a user, with the number of all, counted to {@link MOST_COUNTED}. */
export interface PendingNotification {
  userId: number;
  unread: number;
  notification: Notification;
}

interface Row {
  id: number;
  userId: number;
  kind: Notification['kind'];
  createdAt: string;
  roomId: number | null;
  messageId: number | null;
  data: string | null;
}

/** The highest count; it means this many or more. */
const MOST_COUNTED = 1000;

/** The most missed notifications that are shown; further ones are only counted. */
const MOST_MISSED = 10_000;

/** The most bytes of messages that are read for notifications at once; a batch of the writer has less. */
const MOST_BYTES = 8 * 1024 * 1024;
/** Users whose newest notification is looked up by one statement. */
const USERS_AT_ONCE = 100;

/** Leaves out notifications of rooms that were deleted, or that the user may no longer read. */
const isVisible = (scope: Scope) => sql`(n.room_id is null or exists (
  select from ${rooms}
  where ${rooms.id} = n.room_id and ${mayRead(sql`n.user_id`)} and ${inScope(scope)}))`;

/** Notices belong to no room. */
const isOfScope = (scope: Scope) => sql`(n.room_id is null or exists (
  select from ${rooms} where ${rooms.id} = n.room_id and ${inScope(scope)}))`;

/** The notifications of users, stored until they are read. */
export class NotificationService {
  readonly #newest: Batcher<number, PendingNotification | undefined>;

  constructor(
    private readonly parts: { db: Database; messages: MessageReader; bus: Bus; clock: Clock },
  ) {
    this.#newest = new Batcher({
      run: (userIds) => this.#findNewest(userIds),
      clock: parts.clock,
      most: USERS_AT_ONCE,
    });
  }

  /**
   * Sends a notice to users, and stores it for each until it is read.
   *
   * @param to usernames; a role, by the last token of each user; or `*` for everyone
   * @throws {ChatError} `unauthorized` or `forbidden` for all but admins, `not_found` for an
   *   unknown name, `invalid_frame`, `too_long`
   */
  async send(identity: Identity, to: string[] | string, data: unknown): Promise<void> {
    checkAdmin(identity);
    checkUnlimited(identity);
    checkData(data);
    const isRecipient = typeof to === 'string' ? byRole(to) : await this.#byNames(to);
    const [sent] = await rows<{ from: number | null; to: number }>(
      this.parts.db,
      sql`
        with sent as (
          insert into ${notifications} (user_id, kind, data)
            select ${users.id}, 'notice', ${JSON.stringify(data)} from ${users} where ${isRecipient}
            returning id
        )
        select min(id)::float8 as "from", max(id)::float8 as "to" from sent`,
    );
    if (!sent || sent.from === null) return;
    this.parts.bus.publish({ kind: 'notified', notified: { ids: [sent.from, sent.to] } });
  }

  /**
   * A page of a user's unread notifications, newest first.
   *
   * @param page `before` is an id, exclusive
   * @param reader of {@link readerOf}; concurrent reads take turns by it
   * @returns at most `limit`, and about {@link MAX_PAGE_BYTES} of messages and as much of data
   * @throws {ChatError} `overloaded`
   */
  async list(
    { id }: Person,
    { before, limit }: { before?: number | undefined; limit: number },
    scope: Scope,
    reader: Keys,
  ): Promise<{ page: Notification[]; more: boolean }> {
    const isOlder = before === undefined ? sql`true` : sql`n.id < ${before}`;
    return this.parts.messages.turns.run(reader, async () => {
      // Postgres knows the lengths without reading the texts.
      const there = await rows<{ id: number; bytes: number }>(
        this.parts.db,
        sql`
          select n.id::float8 as id, coalesce(octet_length(n.data), 0)::float8 as bytes
          from ${notifications} n where n.user_id = ${id} and ${isOlder} and ${isVisible(scope)}
          order by n.id desc limit ${limit + 1}`,
      );
      let bytes = 0;
      const fitting = there.slice(0, limit).filter((each, n) => {
        bytes += each.bytes;
        return n === 0 || bytes <= MAX_PAGE_BYTES;
      });
      const which = sql`n.id = any(${array(fitting.map((each) => each.id))}::bigint[])`;
      const found = await this.#find(which, sql`order by n.id desc`, scope, MAX_PAGE_BYTES);
      const page = found.map(({ notification }) => notification);
      return { page, more: page.length < there.length };
    });
  }

  /** @throws {ChatError} `not_found` for a notification of another user, or one that was read already */
  async markRead(user: Person, id: number, scope: Scope): Promise<void> {
    const deleted = await rows(
      this.parts.db,
      sql`
        delete from ${notifications} where user_id = ${user.id} and id in (
          select n.id from ${notifications} n where n.id = ${id} and ${isOfScope(scope)}
        ) returning id`,
    );
    if (deleted.length === 0) {
      throw new ChatError('not_found', `You have no unread notification ${id}.`);
    }
  }

  /** The newest unread notification of a user; undefined when there is none. */
  async newest({
    id,
    scope,
  }: {
    id: number;
    scope: Scope;
  }): Promise<PendingNotification | undefined> {
    if (scope === undefined) return this.#newest.add(id);
    return (await this.#findNewest([id], scope))[0];
  }

  /** The notifications of some users that were stored just now, in their order. */
  async pending(
    userIds: number[],
    { messageIds, ids }: Notified,
    scope: Scope,
  ): Promise<PendingNotification[]> {
    if (userIds.length === 0) return [];
    const which = messageIds
      ? sql`n.message_id = any(${array(messageIds)}::bigint[])`
      : sql`n.kind = 'notice' and n.id between ${ids?.[0] ?? 0} and ${ids?.[1] ?? 0}`;
    const isTheirs = sql`n.user_id = any(${array(userIds)}::int[])`;
    const found = await this.#find(sql`${isTheirs} and ${which}`, sql`order by n.id`, scope);
    return this.#counted(found, scope);
  }

  /** The notifications of some users that are newer than the last seen one of each, in their order. */
  async missed(
    users: { userId: number; seen: number }[],
    scope: Scope,
  ): Promise<PendingNotification[]> {
    if (users.length === 0) return [];
    const isMissed = sql`n.id in (
      select m.id
      from unnest(
        ${array(users.map(({ userId }) => userId))}::int[],
        ${array(users.map(({ seen }) => seen))}::bigint[]
      ) as u (id, seen)
      join ${notifications} m on m.user_id = u.id and m.id > u.seen)`;
    const found = await this.#find(isMissed, sql`order by n.id limit ${MOST_MISSED}`, scope);
    return this.#counted(found, scope);
  }

  async #findNewest(
    userIds: number[],
    scope?: Scope,
  ): Promise<(PendingNotification | undefined)[]> {
    const isNewest = sql`n.id in (
      select (
        select n.id from ${notifications} n
        where n.user_id = u.id and ${isVisible(scope)} order by n.id desc limit 1
      )
      from unnest(${array(userIds)}::int[]) as u (id))`;
    const found = await this.#counted(await this.#find(isNewest, sql``, scope), scope);
    const byUser = new Map(found.map((notice) => [notice.userId, notice]));
    return userIds.map((id) => byUser.get(id));
  }

  /** Adds to each notification the number of all unread ones of its user. */
  async #counted(
    found: Omit<PendingNotification, 'unread'>[],
    scope: Scope,
  ): Promise<PendingNotification[]> {
    if (found.length === 0) return [];
    const userIds = [...new Set(found.map(({ userId }) => userId))];
    const counts = await rows<{ userId: number; unread: number }>(
      this.parts.db,
      sql`
        select u.id as "userId", (
          select count(*)::int from (
            select from ${notifications} n
            where n.user_id = u.id and ${isVisible(scope)} limit ${MOST_COUNTED}
          ) counted
        ) as unread
        from unnest(${array(userIds)}::int[]) as u (id)`,
    );
    const unreadOf = new Map(counts.map(({ userId, unread }) => [userId, unread]));
    return found.map((notice) => ({ ...notice, unread: unreadOf.get(notice.userId) ?? 0 }));
  }

  /** @returns the first notifications whose messages fit into a number of bytes */
  async #find(
    which: SQL,
    order: SQL,
    scope: Scope,
    mostBytes = MOST_BYTES,
  ): Promise<Omit<PendingNotification, 'unread'>[]> {
    const found = await rows<Row>(
      this.parts.db,
      sql`
        select n.id::float8 as id, n.user_id as "userId", n.kind, n.room_id as "roomId",
          n.message_id::float8 as "messageId", n.data,
          to_char(n.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "createdAt"
        from ${notifications} n where ${which} and ${isVisible(scope)} ${order}`,
    );
    const roomIds = [...new Set(found.flatMap(({ roomId }) => roomId ?? []))];
    const known = roomIds.length > 0 ? await this.#rooms(roomIds) : [];
    const byId = new Map(known.map((room) => [room.id, room]));
    const ids = [...new Set(found.flatMap(({ messageId }) => messageId ?? []))];
    const { messages, covered } = await this.parts.messages.firstByIds(byId, ids, mostBytes);
    const end = found.findIndex(
      ({ messageId }) => messageId !== null && messageId === ids[covered],
    );
    return found
      .slice(0, end === -1 ? undefined : end)
      .map(({ id, userId, kind, createdAt, roomId, messageId, data }) => {
        const room = byId.get(roomId ?? 0)?.name;
        const message = messages.get(messageId ?? 0);
        const notification = {
          id,
          kind,
          createdAt,
          ...(room && { room }),
          ...(message && { message }),
          ...(data !== null && { data: JSON.parse(data) }),
        };
        return { userId, notification };
      });
  }

  #rooms(ids: number[]) {
    return this.parts.db.select(roomColumns).from(rooms).where(inArray(rooms.id, ids));
  }

  /** @throws {ChatError} `not_found` for an unknown name, `invalid_frame` for an invalid one */
  async #byNames(names: string[]): Promise<SQL> {
    const keys = [...new Set(names.map((name) => parseUsername(name).key))];
    const found = await this.parts.db
      .select({ key: users.key })
      .from(users)
      .where(inArray(users.key, keys));
    const known = new Set(found.map(({ key }) => key));
    const unknown = names.find((name) => !known.has(parseUsername(name).key));
    if (unknown !== undefined) throw new ChatError('not_found', `There is no user "${unknown}"`);
    return inArray(users.key, keys);
  }
}

function byRole(to: string): SQL {
  if (to === '*') return sql`true`;
  if (!roles.some((role) => role === to)) {
    const expected = `usernames, a role (${roles.join(' or ')}), or "*"`;
    throw invalidField('to', `must be a list of ${expected}`);
  }
  return sql`${users.role} = ${to}`;
}
