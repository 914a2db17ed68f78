import { sql } from 'drizzle-orm';
import { array } from '../db/array.ts';
import { type Database, rows } from '../db/index.ts';
import { memberships, rooms, users } from '../db/schema/index.ts';
import type { Person } from '../protocol/identity.ts';
import type { Room } from '../protocol/room.ts';
import { mentionsIn } from './words.ts';

/**
 * Finds the users whom each of some texts mentions and who may read the room of the text. One statement for all
 * texts, and none where no text has a mention.
 *
 * @returns for each text the users, in the order in which they are mentioned
 */
export async function findMentioned(
  db: Database,
  texts: { room: Room; content: string }[],
): Promise<Person[][]> {
  const candidates = texts.map(({ content }) => mentionsIn(content));
  const asked = texts.flatMap(({ room }, n) =>
    (candidates[n] ?? []).flat().map((key) => ({ room, key })),
  );
  if (asked.length === 0) return texts.map(() => []);
  const found = await rows<Person & { roomId: number; key: string }>(
    db,
    sql`
      select distinct r.id as "roomId", u.key, u.id, u.username
      from unnest(
          ${array(asked.map(({ room }) => room.id))}::int[],
          ${array(asked.map(({ key }) => key))}::text[]
        ) as asked (room_id, key)
        join ${rooms} r on r.id = asked.room_id
        join ${users} u on u.key = asked.key
        left join ${memberships} p on p.room_id = r.id and p.user_id = u.id
      where (not r.is_private or r.owner_id = u.id or p.is_member) and not coalesce(p.is_banned, false)`,
  );
  const byKey = new Map(found.map(({ roomId, key, ...person }) => [`${roomId} ${key}`, person]));
  return texts.map(({ room }, n) => {
    const named = (candidates[n] ?? []).flatMap((keys) => {
      const key = keys.find((each) => byKey.has(`${room.id} ${each}`));
      return byKey.get(`${room.id} ${key}`) ?? [];
    });
    return [...new Set(named)];
  });
}
