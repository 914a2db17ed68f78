import { type SQL, sql } from 'drizzle-orm';
import { roomPeople, rooms, users } from '../db/schema/index.ts';
import type { Person } from '../types/identity.ts';

/** What the names of direct rooms begin with, and no other's. */
export const DIRECT = 'dm:';

/** What makes a `Room` of a row. */
export const roomColumns = {
  id: rooms.id,
  name: rooms.name,
  epoch: rooms.epoch,
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

/** Whether a user may read in a room as what the room holds of the user: its owner, a member, anyone. */
export function mayRead(userId: SQL | number): SQL {
  return sql`(not ${rooms.isPrivate} or ${rooms.ownerId} = ${userId} or exists (
      select from ${roomPeople} p
      where p.room_id = ${rooms.id} and p.user_id = ${userId} and p.is_member
    )) and not exists (
      select from ${roomPeople} p
      where p.room_id = ${rooms.id} and p.user_id = ${userId} and p.is_banned
    )`;
}
