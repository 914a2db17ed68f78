import type { MessageReader } from '../../src/chat/reader.ts';
import type { UserState } from '../../src/protocol/identity.ts';
import type { StoredMessage } from '../../src/protocol/message.ts';
import {
  isUnrestricted,
  type Membership,
  NO_MEMBERSHIP,
  type Room,
} from '../../src/protocol/room.ts';
import type { RoomSnapshots } from '../../src/rooms/snapshots.ts';
import type { TestClock } from './clock.ts';
import { ROOM } from './room.ts';

/** The queries that a test may hold up or fail. */
type Query = 'changes' | 'newest' | 'page' | 'authorize' | 'cursors' | 'snapshots';

interface StoredRoom {
  room: Room;
  rev: number;
  messages: Map<number, StoredMessage>;
  memberships: Map<number, Membership>;
}

/** A database in memory, whose answers a test holds up, and which it lets fail. */
export class MemoryDatabase {
  readonly rooms = new Map<string, StoredRoom>();
  /** Every query that was asked. */
  readonly asked: Query[] = [];
  readonly #users = new Map<string, UserState>();
  readonly #held = new Map<Query, { until: Promise<void>; left: number }>();
  readonly #failing = new Set<Query>();
  #ids = 0;

  constructor(private readonly clock: TestClock) {}

  /**
   * Further queries are looked up at once, and answered when the returned function is called.
   *
   * @param count how many queries are held up, all unless it is given
   */
  hold(query: Query, count = Number.POSITIVE_INFINITY): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    const held = { until: promise, left: count };
    this.#held.set(query, held);
    return () => {
      if (this.#held.get(query) === held) this.#held.delete(query);
      resolve();
    };
  }

  /** These queries fail until the returned function is called. */
  fail(query: Query): () => void {
    this.#failing.add(query);
    return () => this.#failing.delete(query);
  }

  async answer<Answer>(query: Query, look: () => Answer): Promise<Answer> {
    this.asked.push(query);
    if (this.#failing.has(query)) throw new Error('the database is away');
    const answer = look();
    const held = this.#held.get(query);
    if (!held || held.left === 0) return answer;
    held.left -= 1;
    await held.until;
    return answer;
  }

  user(username: string): UserState {
    const known = this.#users.get(username);
    if (known) return known;
    const user: UserState = {
      id: this.#users.size + 1,
      username,
      isAccount: false,
      hasPassword: false,
      isBanned: false,
      role: 'user',
      tokensEndedAt: 0,
      version: 0,
    };
    this.#users.set(username, user);
    return user;
  }

  /** The room of this name, made if there is none. */
  room(name: string): StoredRoom {
    const known = this.rooms.get(name);
    if (known) return known;
    this.#ids += 1;
    const room = { ...ROOM, id: this.#ids, name, epoch: `epoch-${this.#ids}` };
    const made = { room, rev: 0, messages: new Map(), memberships: new Map() };
    this.rooms.set(name, made);
    return made;
  }

  /** The direct room of two users, made if there is none. @returns its name */
  direct(...usernames: [string, string]): string {
    const name = `dm:${usernames.join(' ')}`;
    const stored = this.room(name);
    const direct = usernames.map((username) => ({ id: this.user(username).id, username }));
    stored.room = { ...stored.room, isPrivate: true, direct };
    return name;
  }

  /** Loses all changes of a room after a `rev`, as a restore does. */
  loseAfter(name: string, rev: number): void {
    const stored = this.room(name);
    stored.rev = rev;
    for (const message of stored.messages.values()) {
      if (message.rev > rev) stored.messages.delete(message.id);
    }
  }

  /** Commits a message, and publishes nothing. */
  post(name: string, username: string, content: string): StoredMessage {
    const stored = this.room(name);
    stored.rev += 1;
    this.#ids += 1;
    const message = {
      id: this.#ids,
      room: name,
      seq: stored.rev,
      rev: stored.rev,
      userId: this.user(username).id,
      username,
      content,
      createdAt: this.clock.timestamp(),
    };
    stored.messages.set(message.id, message);
    return message;
  }

  /** Commits a change to a message, and publishes nothing. */
  change(name: string, id: number, content: string | null): StoredMessage {
    const stored = this.room(name);
    stored.rev += 1;
    const timestamp = this.clock.timestamp();
    const changed: StoredMessage = {
      ...(stored.messages.get(id) as StoredMessage),
      rev: stored.rev,
      ...(content === null
        ? { content: '', deletedAt: timestamp }
        : { content, editedAt: timestamp }),
    };
    stored.messages.set(id, changed);
    return changed;
  }

  /** Commits a ban from the server, and publishes nothing. */
  banFromServer(username: string): void {
    this.#users.set(username, { ...this.user(username), isBanned: true });
  }

  /** Commits how a user stands in a room, and publishes nothing. */
  setMembership(name: string, username: string, change: Partial<Membership>): Membership {
    const stored = this.room(name);
    const { id } = this.user(username);
    const isModerated = stored.room.isModerated || Boolean(change.isBanned || change.isMuted);
    const { version } = this.#nextVersion(stored, { isModerated });
    const membership = { ...(stored.memberships.get(id) ?? NO_MEMBERSHIP), ...change, version };
    stored.memberships.set(id, membership);
    return membership;
  }

  /** Commits that a room is private, and publishes nothing. */
  makePrivate(name: string): Room {
    return this.#nextVersion(this.room(name), { isPrivate: true });
  }

  /** Commits a topic, and publishes nothing. */
  setTopic(name: string, topic: string): Room {
    return this.#nextVersion(this.room(name), { topic });
  }

  #nextVersion(stored: StoredRoom, change: Partial<Room>): Room {
    stored.room = { ...stored.room, ...change, version: stored.room.version + 1 };
    return stored.room;
  }

  /** The present membership of a user in a room. */
  membership({ room: { version }, memberships }: StoredRoom, userId: number): Membership {
    return { ...(memberships.get(userId) ?? NO_MEMBERSHIP), version };
  }

  /** The answers of the server's message reader. */
  readonly messages = {
    changes: (
      { id }: Room,
      { after, upTo = Infinity, limit }: Parameters<MessageReader['changes']>[1],
    ) =>
      this.answer('changes', () => {
        const all = this.#messagesOf(id)
          .filter(({ rev }) => rev > (after ?? 0) && rev <= upTo)
          .sort((a, b) => a.rev - b.rev);
        const messages = after === undefined ? all.slice(-limit) : all.slice(0, limit);
        return { messages, more: all.length > limit };
      }),
    newest: ({ id }: Room, limit: number) =>
      this.answer('newest', () =>
        this.#messagesOf(id)
          .filter(({ deletedAt }) => !deletedAt)
          .sort((a, b) => a.seq - b.seq)
          .slice(-limit),
      ),
    page: ({ id }: Room, { limit }: { limit: number }) =>
      this.answer('page', () => {
        const all = this.#messagesOf(id);
        return { messages: all.slice(-limit), more: all.length > limit };
      }),
  } as unknown as MessageReader;

  readonly snapshots = {
    load: (asked: Map<number, number[]>) =>
      this.answer('snapshots', () => {
        const found = [...this.rooms.values()].filter(({ room }) => asked.has(room.id));
        return new Map(
          found.map((stored) => {
            const { room, rev } = stored;
            const userIds = isUnrestricted(room) ? [] : (asked.get(room.id) ?? []);
            const of = (id: number): [number, Membership] => [id, this.membership(stored, id)];
            return [room.id, { room, rev, memberships: new Map(userIds.map(of)) }];
          }),
        );
      }),
    directRevs: (userIds: number[]) =>
      this.answer('snapshots', () => {
        const direct = [...this.rooms.values()].filter(({ room }) => room.direct);
        const of = (userId: number) =>
          direct.filter(({ room }) => room.direct?.some(({ id }) => id === userId));
        return new Map(
          userIds.map((id) => [id, new Map(of(id).map(({ room, rev }) => [room.id, rev]))]),
        );
      }),
    renewEpoch: async ({ id, epoch }: Room) => {
      const stored = [...this.rooms.values()].find(({ room }) => room.id === id);
      if (!stored || stored.room.epoch !== epoch) return stored?.room;
      return this.#nextVersion(stored, { epoch: `${epoch}, renewed` });
    },
  } as unknown as RoomSnapshots;

  #messagesOf(roomId: number): StoredMessage[] {
    const stored = [...this.rooms.values()].find(({ room }) => room.id === roomId);
    return [...(stored?.messages.values() ?? [])];
  }
}
