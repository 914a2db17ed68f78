import { sql } from 'drizzle-orm';
import { memberships, rooms, users } from '../db/schema/index.ts';
import { array, type Database, rows } from '../db/statements.ts';
import type { Person } from '../protocol/identity.ts';
import type { Room } from '../protocol/room.ts';
import { SPACELESS } from './words.ts';

/** Characters before which a name may end without a space. */
const MAY_FOLLOW_A_NAME = new RegExp(`[${SPACELESS}_.-]`, 'u');
const MENTION = /(?<![\p{L}\p{M}\p{N}_.@-])@([\p{L}\p{Nd}][\p{L}\p{M}\p{Nd}_.-]*)/gu;
const MAX_NAME_LENGTH = 32;
/** Different names that one message may mention; further ones are just text. */
const MAX_MENTIONS = 50;

/**
 * Finds the users that each of some texts mentions and that may read the room of the text. One statement for all
 * texts, and none where no text has a mention.
 *
 * @returns for each text the users, in the order in which they are mentioned; empty when no text mentions any
 */
export async function findMentioned(
  db: Database,
  texts: { room: Room; content: string }[],
): Promise<Person[][]> {
  if (!texts.some(({ content }) => content.includes('@'))) return [];
  const candidates = texts.map(({ content }) => mentionsIn(content));
  const asked = texts.flatMap(({ room }, n) =>
    (candidates[n] ?? []).flat().map((key) => ({ room, key })),
  );
  if (asked.length === 0) return [];
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

/** The names of the mentioned users; undefined without any. */
export function namesOf(mentioned: Person[]): string[] | undefined {
  return mentioned.length === 0 ? undefined : mentioned.map(({ username }) => username);
}

/** The same as JSON, for the database. */
export function mentionsJson(mentioned: Person[]): string | undefined {
  return mentioned.length === 0 ? undefined : JSON.stringify(namesOf(mentioned));
}

/**
 * The candidates for a user's name after each `@` of a text: their keys, longest first, since only the list of
 * users tells where a name ends in `@ana.` or `@太郎さん`.
 */
function mentionsIn(content: string): string[][] {
  const found = new Map<string, string[]>();
  for (const [, raw = ''] of content.normalize('NFKC').matchAll(MENTION)) {
    const letters = [...raw];
    const whole = letters.slice(0, MAX_NAME_LENGTH);
    const candidates: string[] = [];
    for (let length = whole.length; length > 0; length--) {
      const next = letters[length];
      if (next !== undefined && !MAY_FOLLOW_A_NAME.test(next)) continue;
      candidates.push(whole.slice(0, length).join('').toLowerCase());
    }
    if (candidates.length > 0) found.set(raw, candidates);
    if (found.size === MAX_MENTIONS) break;
  }
  return [...found.values()];
}
