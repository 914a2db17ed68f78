import { inArray, type SQL, sql } from 'drizzle-orm';
import type { Bus, Notified } from '../bus/bus.ts';
import { type Database, rows } from '../db/index.ts';
import { notifications, rooms, users } from '../db/schema/index.ts';
import { ChatError } from '../errors.ts';
import { checkAdmin, type Identity, type Person, roles } from '../types/identity.ts';
import type { Notification } from '../types/rest.ts';
import { checkData, parseUsername } from '../types/text.ts';
import { array } from './arrays.ts';
import { Grouped } from './grouped.ts';
import type { MessageReader } from './message-reader.ts';
import { mayRead, roomColumns } from './room-columns.ts';

/** A notification of someone's, and how many there are in all, counted to {@link MOST_COUNTED}. */
export interface Notice {
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

/** From here on it is just many. */
const MOST_COUNTED = 1000;

/** What was missed beyond this is counted, and not shown by itself. */
const MOST_MISSED = 10_000;

/** Only what may be read still: of a room that is gone, or of which one was put out, nothing is told. */
const isVisible = sql`(n.room_id is null or exists (
  select from ${rooms} where ${rooms.id} = n.room_id and ${mayRead(sql`n.user_id`)}))`;

/** What waits for users until they have read it. */
export class NotificationService {
  readonly #newest = new Grouped((userIds: number[]) => this.#findNewest(userIds));

  constructor(
    private readonly db: Database,
    private readonly messages: MessageReader,
    private readonly bus: Bus,
  ) {}

  /**
   * Tells users something, and keeps it for each until it is read.
   *
   * @param to usernames; a role, as the tokens of users last said; or `*` for everyone
   * @throws {ChatError} `unauthorized` or `forbidden` for all but admins, `not_found` for a name that is
   *   nobody's, `invalid_frame`, `too_long`
   */
  async send(identity: Identity, to: string[] | string, data: unknown): Promise<void> {
    checkAdmin(identity);
    checkData(data);
    const whom = typeof to === 'string' ? byRole(to) : await this.#byNames(to);
    const [sent] = await rows<{ from: number | null; to: number }>(
      this.db,
      sql`
        with sent as (
          insert into ${notifications} (user_id, kind, data)
            select ${users.id}, 'notice', ${JSON.stringify(data)} from ${users} where ${whom}
            returning id
        )
        select min(id)::float8 as "from", max(id)::float8 as "to" from sent`,
    );
    if (!sent || sent.from === null) return;
    this.bus.publish({ kind: 'notified', notified: { ids: [sent.from, sent.to] } });
  }

  /** A page of what a user has not read, the newest first. @param page `before` is an id, exclusive */
  async list(
    { id }: Person,
    { before, limit }: { before?: number | undefined; limit: number },
  ): Promise<Notification[]> {
    const which = sql`n.user_id = ${id} and ${before === undefined ? sql`true` : sql`n.id < ${before}`}`;
    const found = await this.#find(which, sql`order by n.id desc limit ${limit}`);
    return found.map(({ notification }) => notification);
  }

  /** @throws {ChatError} `not_found` for what is not the user's, or was read already */
  async markRead(user: Person, id: number): Promise<void> {
    const deleted = await rows(
      this.db,
      sql`delete from ${notifications} where id = ${id} and user_id = ${user.id} returning id`,
    );
    if (deleted.length === 0) {
      throw new ChatError('not_found', `There is no notification ${id} that you have not read.`);
    }
  }

  /** The newest that a user has not read; undefined when there is none. */
  newest({ id }: Person): Promise<Notice | undefined> {
    return this.#newest.do(id);
  }

  /** Those of some users that were stored just now, in the order in which they were. */
  async pending(userIds: number[], { messageIds, ids }: Notified): Promise<Notice[]> {
    if (userIds.length === 0) return [];
    const which = messageIds
      ? sql`n.message_id = any(${array(messageIds)}::bigint[])`
      : sql`n.kind = 'notice' and n.id between ${ids?.[0] ?? 0} and ${ids?.[1] ?? 0}`;
    const isTheirs = sql`n.user_id = any(${array(userIds)}::int[])`;
    return this.#counted(await this.#find(sql`${isTheirs} and ${which}`, sql`order by n.id`));
  }

  /** Those of some users that are newer than what each has seen last, in the order in which they were stored. */
  async missed(users: { userId: number; seen: number }[]): Promise<Notice[]> {
    if (users.length === 0) return [];
    const isMissed = sql`n.id in (
      select m.id
      from unnest(
        ${array(users.map(({ userId }) => userId))}::int[],
        ${array(users.map(({ seen }) => seen))}::bigint[]
      ) as u (id, seen)
      join ${notifications} m on m.user_id = u.id and m.id > u.seen)`;
    return this.#counted(await this.#find(isMissed, sql`order by n.id limit ${MOST_MISSED}`));
  }

  async #findNewest(userIds: number[]): Promise<(Notice | undefined)[]> {
    const isNewest = sql`n.id in (
      select (
        select n.id from ${notifications} n
        where n.user_id = u.id and ${isVisible} order by n.id desc limit 1
      )
      from unnest(${array(userIds)}::int[]) as u (id))`;
    const found = await this.#counted(await this.#find(isNewest, sql``));
    const byUser = new Map(found.map((notice) => [notice.userId, notice]));
    return userIds.map((id) => byUser.get(id));
  }

  /** With each the number of all that its user has. */
  async #counted(found: Omit<Notice, 'unread'>[]): Promise<Notice[]> {
    if (found.length === 0) return [];
    const userIds = [...new Set(found.map(({ userId }) => userId))];
    const counts = await rows<{ userId: number; unread: number }>(
      this.db,
      sql`
        select u.id as "userId", (
          select count(*)::int from (
            select from ${notifications} n
            where n.user_id = u.id and ${isVisible} limit ${MOST_COUNTED}
          ) counted
        ) as unread
        from unnest(${array(userIds)}::int[]) as u (id)`,
    );
    const unreadOf = new Map(counts.map(({ userId, unread }) => [userId, unread]));
    return found.map((notice) => ({ ...notice, unread: unreadOf.get(notice.userId) ?? 0 }));
  }

  async #find(which: SQL, order: SQL): Promise<Omit<Notice, 'unread'>[]> {
    const found = await rows<Row>(
      this.db,
      sql`
        select n.id::float8 as id, n.user_id as "userId", n.kind, n.room_id as "roomId",
          n.message_id::float8 as "messageId", n.data,
          to_char(n.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "createdAt"
        from ${notifications} n where ${which} and ${isVisible} ${order}`,
    );
    const roomIds = [...new Set(found.flatMap(({ roomId }) => roomId ?? []))];
    const known = roomIds.length > 0 ? await this.#rooms(roomIds) : [];
    const byId = new Map(known.map((room) => [room.id, room]));
    const messages = await this.messages.byIds(
      byId,
      found.flatMap(({ messageId }) => messageId ?? []),
    );
    return found.map(({ id, userId, kind, createdAt, roomId, messageId, data }) => {
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
    return this.db.select(roomColumns).from(rooms).where(inArray(rooms.id, ids));
  }

  /** @throws {ChatError} `not_found` for a name that is nobody's, `invalid_frame` for what cannot be one */
  async #byNames(names: string[]): Promise<SQL> {
    const keys = [...new Set(names.map((name) => parseUsername(name).key))];
    const found = await this.db
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
    throw new ChatError('invalid_frame', `"to" must be a list of ${expected}`);
  }
  return sql`${users.role} = ${to}`;
}
