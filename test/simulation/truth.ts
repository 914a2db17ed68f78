import type { Postgres } from './postgres.ts';
import type { World } from './world.ts';

/** A message as the database has it. */
export interface Stored {
  id: number;
  room: string;
  seq: number;
  rev: number;
  content: string;
  isDeleted: boolean;
  clientId: string | null;
  at: number;
  username: string;
  /** The emoji with their users, as text. */
  reactions: string;
}

/** A stored message, to be compared with a client's. */
export function describeStored({ seq, rev, content, isDeleted, reactions }: Stored): string {
  return `${seq} ${rev} ${content} ${isDeleted} ${reactions}`;
}

/** Rule 9 of delivery: for so long a right that has ended may be used, in milliseconds. */
const CONVERGES_MS = 5000;
/** The time for a look-up and for the way of a frame. */
const SLACK_MS = 1500;
/** The same rule: for so long a right that has ended lets a user in, or write, and the way of the news. */
const ASKS_WITHIN_MS = 1000 + 300;

/** Statements that may change a right. */
export const CHANGES_RIGHTS =
  /"room_people"|"is_private" =|delete from "rooms"|"banned_at" =|insert into "rooms"/;

/** The state of the database, and the times since which users may not read or write. */
export class Truth {
  /** By user and room: the time since which the user may not read it; a missing one may. */
  #refusedSince = new Map<string, number>();
  /** The same for writing. */
  #mutedSince = new Map<string, number>();

  constructor(
    private readonly world: World,
    private readonly postgres: Postgres,
    private readonly people: string[],
    private readonly rooms: string[],
  ) {}

  /** A statement has found or written rows. */
  async look(text: string): Promise<void> {
    if (!CHANGES_RIGHTS.test(text) || /^\s*select/.test(text)) return;
    const [before, mutedBefore] = [this.#refusedSince, this.#mutedSince];
    this.#refusedSince = new Map();
    this.#mutedSince = new Map();
    for (const [key, rights] of await this.rights()) {
      if (!rights.write) this.#mutedSince.set(key, mutedBefore.get(key) ?? this.world.time);
      if (rights.read) continue;
      const since = before.get(key) ?? this.world.time;
      this.#refusedSince.set(key, since);
      if (!before.has(key)) this.world.story.tell('rights', `${key} may not be read any more`);
    }
    for (const key of before.keys()) {
      if (!this.#refusedSince.has(key)) this.world.story.tell('rights', `${key} may be read again`);
    }
  }

  /** Whether a user may be sent something of a room at this moment. @param since the rules hold since then */
  mayHear(person: string, room: string, since: number): boolean {
    const refusedSince = this.#refusedSince.get(`${person} ${room}`);
    if (refusedSince === undefined) return true;
    return this.world.time - Math.max(refusedSince, since) < CONVERGES_MS + SLACK_MS;
  }

  /** Whether a user may enter a room by a join of this time, or write in it. @param calmSince every server reaches the database since then */
  mayUse(right: 'read' | 'write', user: string, askedAt: number, calmSince: number): boolean {
    const since = (right === 'read' ? this.#refusedSince : this.#mutedSince).get(user);
    return since === undefined || askedAt - Math.max(since, calmSince) < ASKS_WITHIN_MS;
  }

  /** The present rights of everyone in every room, by user and room. */
  async rights(): Promise<Map<string, { read: boolean; write: boolean }>> {
    const found = await this.postgres.run<{
      person: string;
      room: string;
      read: boolean;
      write: boolean;
    }>(
      `select u.username as person, n.name as room,
        u.banned_at is null and r.id is not null and not coalesce(p.is_banned, false)
          and (not r.is_private or coalesce(p.is_member, false)) as read,
        u.banned_at is null and r.id is not null and not coalesce(p.is_banned, false)
          and (not r.is_private or coalesce(p.is_member, false))
          and not coalesce(p.is_muted, false) as write
      from unnest($1::text[]) as n (name) cross join users u
        left join rooms r on r.name = n.name
        left join room_people p on p.room_id = r.id and p.user_id = u.id
      where u.username = any($2::text[]) order by 1, 2`,
      [`{${this.rooms.join(',')}}`, `{${this.people.join(',')}}`],
    );
    return new Map(
      found.map(({ person, room, read, write }) => [`${person} ${room}`, { read, write }]),
    );
  }

  /** Every room with its `rev`. */
  async revs(): Promise<Map<string, { id: number; rev: number; epoch: string }>> {
    const found = await this.postgres.run<{ id: number; name: string; rev: number; epoch: string }>(
      'select id, name, rev::float8 as rev, epoch from rooms order by id',
    );
    return new Map(found.map(({ name, ...room }) => [name, room]));
  }

  /** All messages, by room. */
  async messages(): Promise<Map<string, Stored[]>> {
    const found = await this.postgres.run<Stored>(
      `select m.id::float8 as id, r.name as room, m.seq::float8 as seq, m.rev::float8 as rev,
        m.content, m.deleted_at is not null as "isDeleted", m.client_id as "clientId",
        (extract(epoch from m.created_at) * 1000)::float8 as at, u.username,
        coalesce((
          select string_agg(e.emoji || e.names, ' ' order by e.first) from (
            select x.emoji, min(x.id) as first, string_agg(y.username, ',' order by x.id) as names
            from reactions x join users y on y.id = x.user_id
            where x.message_id = m.id group by x.emoji
          ) e), '') as reactions
      from messages m join rooms r on r.id = m.room_id join users u on u.id = m.user_id
      order by m.room_id, m.seq`,
    );
    const byRoom = new Map<string, Stored[]>();
    for (const message of found) {
      const messages = byRoom.get(message.room) ?? [];
      messages.push(message);
      byRoom.set(message.room, messages);
    }
    return byRoom;
  }
}
