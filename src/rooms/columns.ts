import { eq, or, type Placeholder, type SQL, sql } from 'drizzle-orm';
import { memberships, rooms, users } from '../db/schema/index.ts';
import { DIRECT, type Person, type Scope } from '../protocol/identity.ts';

/** The columns of a `Room`. */
export const roomColumns = {
  id: rooms.id,
  name: rooms.name,
  epoch: rooms.epoch,
  version: rooms.version,
  topic: rooms.topic,
  isPrivate: rooms.isPrivate,
  ownerId: rooms.ownerId,
  isModerated: rooms.isModerated,
  direct: sql<Person[] | null>`case when ${rooms.directLow} is not null then (
    select json_agg(json_build_object('id', u.id, 'username', u.username) order by u.id)::text
    from ${users} u where u.id in (${rooms.directLow}, ${rooms.directHigh})) end`.mapWith(
    JSON.parse,
  ),
};

/** The next version of the room, for an `update`, which holds the lock on the row. */
export const nextVersion = sql`${rooms.version} + 1`;

/** `isInScope` as SQL: whether a room is among those to which a token is limited. */
export function inScope(scope: Scope): SQL {
  if (scope === undefined) return sql`true`;
  const likes = scope.map((pattern) => {
    const text = pattern.toLowerCase();
    const like = text.replace(/[\\%_]/g, '\\$&').replaceAll('*', '%');
    const isLike = sql`${rooms.name} like ${like}`;
    return text.startsWith(DIRECT) ? isLike : sql`(${isLike} and ${rooms.directLow} is null)`;
  });
  return likes.length === 0 ? sql`false` : sql`(${sql.join(likes, sql` or `)})`;
}

/** Whether a user may read a room as its owner, as a member, or because it is public. */
export function mayRead(userId: SQL | number): SQL {
  return sql`(not ${rooms.isPrivate} or ${rooms.ownerId} = ${userId} or exists (
      select from ${memberships} p
      where p.room_id = ${rooms.id} and p.user_id = ${userId} and p.is_member
    )) and not exists (
      select from ${memberships} p
      where p.room_id = ${rooms.id} and p.user_id = ${userId} and p.is_banned
    )`;
}

/**
 * The condition on rooms that a user other than an admin may see.
 *
 * @param ownerId the id of the user; 0 for a guest, who owns no room
 */
export function isVisible(ownerId: number | Placeholder, isMember: SQL): SQL | undefined {
  return or(eq(rooms.isPrivate, false), eq(rooms.ownerId, ownerId), isMember);
}
