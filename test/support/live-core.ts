import { MemoryBus } from '../../src/bus/memory.ts';
import type { ChatService } from '../../src/chat/chat.service.ts';
import type { ReadCursors } from '../../src/chat/read-cursors.ts';
import type { MessageReader } from '../../src/chat/reader.ts';
import { Limits } from '../../src/limits/limits.ts';
import { Live } from '../../src/live/live.ts';
import { createLogger } from '../../src/log.ts';
import type { NotificationService } from '../../src/notifications/notification.service.ts';
import type { ChangeFrame, ClientFrame, ServerFrame } from '../../src/protocol/frames.ts';
import type { Identity, UserState } from '../../src/protocol/identity.ts';
import type { StoredMessage } from '../../src/protocol/message.ts';
import {
  isUnrestricted,
  type Membership,
  NO_MEMBERSHIP,
  type Permission,
  type Principal,
  type Room,
  refusalIn,
} from '../../src/protocol/room.ts';
import type { RoomService } from '../../src/rooms/room.service.ts';
import type { RoomSnapshots } from '../../src/rooms/snapshots.ts';
import type { AuthService } from '../../src/users/auth/auth.service.ts';
import type { UserService } from '../../src/users/user.service.ts';
import { createCommands } from '../../src/ws/commands.ts';
import { Connection, type ConnectionParts } from '../../src/ws/connection.ts';
import { settle, TestClock } from './clock.ts';
import { ROOM } from './room.ts';
import { parseServerFrame } from './server-frame.ts';

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

  /** How a user stands in a room now. */
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

interface TestConnection {
  connection: Connection;
  topics: Set<string>;
  frames: ServerFrame[];
  taken: number;
  closed?: number;
}

/** The view that a client of protocol 1 has of a room, and every breach of the guarantees. */
export class View {
  rev = 0;
  epoch: string | undefined;
  readonly messages = new Map<number, ChangeFrame>();
  readonly breaches: string[] = [];

  /** @param gaps whether a change may be left out live, since a later one that is known has replaced it */
  constructor(private readonly gaps: 'allowed' | 'forbidden' = 'forbidden') {}

  /** Applies the frames that a connection was sent. */
  take(frames: ServerFrame[]): void {
    for (const frame of frames) {
      if (frame.type === 'joined') this.#join(frame);
      else if ((frame.type === 'message' || frame.type === 'update') && 'rev' in frame) {
        const isNext = this.gaps === 'allowed' ? frame.rev > this.rev : frame.rev === this.rev + 1;
        if (!isNext) this.breaches.push(`${frame.rev} came after ${this.rev}`);
        this.#apply(frame);
      }
    }
  }

  /** The contents of the messages that are not deleted, by `seq`. */
  get contents(): string[] {
    const shown = [...this.messages.values()].filter(({ deletedAt }) => !deletedAt);
    return shown.sort((a, b) => a.seq - b.seq).map(({ content }) => content);
  }

  #join({ rev, epoch, messages, reset }: Extract<ServerFrame, { type: 'joined' }>): void {
    if (reset) {
      this.messages.clear();
      this.rev = 0;
    }
    const isNew = this.rev === 0;
    if (new Set(messages.map(({ id }) => id)).size < messages.length) {
      this.breaches.push('a page holds a message twice');
    }
    for (const message of messages) {
      // Newcomers and clients after a reset get the newest messages by `seq`; all others the changes, by `rev`.
      if (!isNew && message.rev <= this.rev) {
        this.breaches.push(`a page brings ${message.rev} after ${this.rev}`);
      }
      this.#apply(message);
    }
    this.rev = rev;
    this.epoch = epoch;
  }

  #apply(message: ChangeFrame): void {
    if ((message.type === 'message') !== (message.rev === message.seq)) {
      this.breaches.push(`${message.rev} came as ${message.type}`);
    }
    this.rev = Math.max(this.rev, message.rev);
    this.messages.set(message.id, message);
  }
}

/**
 * The live core of a server without its sockets: the hub, the feeds, presence and the sessions are the real
 * ones, driven by `(connection id, frame)` over a database in memory and a clock that the test turns.
 */
export class LiveCore {
  readonly clock = new TestClock();
  readonly database = new MemoryDatabase(this.clock);
  readonly bus = new MemoryBus();
  readonly live: Live;
  isDatabaseAnswering = true;
  /** The stored last-seen time of each user. */
  readonly seen = new Map<number, Date>();
  readonly #connections = new Map<string, TestConnection>();
  readonly #parts: ConnectionParts;

  /** @param presenceGrace seconds that a dropped user stays present */
  constructor({ presenceGrace = 5 } = {}) {
    const { bus, clock, database } = this;
    const log = createLogger('silent');
    const publish = (topic: string, render: () => string) => {
      const subscribers = [...this.#connections.values()].filter(({ topics }) => topics.has(topic));
      if (subscribers.length === 0) return;
      const frame = parseServerFrame(render());
      for (const { frames } of subscribers) frames.push(frame);
    };
    const users = {
      ensure: async (username: string) => database.user(username),
      state: async (username: string) => database.user(username),
      seen: (id: number, at: Date) => this.seen.set(id, at),
    } as unknown as UserService;
    const notifications = { newest: async () => undefined } as unknown as NotificationService;
    const { messages, snapshots } = database;
    this.live = new Live(
      { messages, snapshots, notifications, users, bus, publish, clock, log },
      { presenceGrace },
    );
    const authorize = async (
      principal: Principal,
      name: string,
      permission: Permission,
      known?: Room,
    ) => {
      if (known && isUnrestricted(known)) {
        return { room: known, membership: NO_MEMBERSHIP, isAssumed: true };
      }
      return database.answer('authorize', () => {
        const stored = database.room(name);
        const { room } = stored;
        const membership = database.membership(stored, principal.user?.id ?? 0);
        const refused = refusalIn(room, membership, principal, permission);
        if (refused) throw refused;
        return { room, membership };
      });
    };
    const rooms = { authorize, authorizeOrCreate: authorize } as unknown as RoomService;
    const cursors = {
      getOrCreate: () => database.answer('cursors', () => ({ lastRead: 0, unread: 0 })),
    } as unknown as ReadCursors;
    const auth = {
      isOpen: true,
      resolveUser: (_: Identity, name: string, find: (name: string) => Promise<UserState>) =>
        find(name),
      watch: async () => () => {},
    } as unknown as AuthService;
    const chat = {
      post: async ({ user }: { user: UserState }, { name }: Room, { content = '' }) => ({
        message: this.post(name, user.username, content),
        duplicate: false,
      }),
      typing: ({ id, username }: UserState, room: Room) => {
        const frame = { type: 'typing' as const, room: room.name, username };
        bus.publish({ kind: 'ephemeral', room, frame, except: id });
      },
    } as unknown as ChatService;
    const unlimited = { messageRate: 0, messageBurst: 1, requestRate: 0, maxConnectionsPerIp: 0 };
    const limits = new Limits({ clock }, unlimited);
    const { live } = this;
    const commands = createCommands({ chat, cursors, rooms, live, clock });
    this.#parts = {
      auth,
      users,
      clock,
      rooms,
      live,
      commands,
      limits,
      log,
      tokenWithin: 30_000,
      onAck() {},
      isAnswering: () => this.isDatabaseAnswering,
    };
  }

  /** Handles a frame of a connection, which its first frame opens, and lets it take effect. */
  async send(id: string, frame: ClientFrame): Promise<void> {
    this.#connection(id).connection.receive(JSON.stringify(frame));
    await settle();
  }

  /** Joins with protocol 1, as a newcomer. */
  join(id: string, username: string, room = 'general'): Promise<void> {
    return this.send(id, { type: 'join', username, room, protocol: 1, id: 'join' });
  }

  /** Joins with protocol 1 from where a view is, until the page is complete. */
  async resume(id: string, username: string, view: View, room = 'general'): Promise<void> {
    for (;;) {
      const { rev, epoch } = view;
      const cursor = epoch === undefined ? { since: rev } : { since: rev, epoch };
      await this.send(id, { type: 'join', username, room, protocol: 1, ...cursor });
      let frames = this.take(id);
      for (; frames.length === 0; frames = this.take(id)) await settle();
      view.take(frames);
      if (frames.some((frame) => frame.type !== 'joined' || frame.complete)) return;
    }
  }

  /** The connection is lost. */
  async drop(id: string): Promise<void> {
    const { connection, topics } = this.#connection(id);
    topics.clear();
    connection.closed();
    this.#connections.delete(id);
    await settle();
  }

  /** The frames that a connection was sent and the test has not read yet. */
  take(id: string): ServerFrame[] {
    const connection = this.#connection(id);
    const frames = connection.frames.slice(connection.taken);
    connection.taken = connection.frames.length;
    return frames;
  }

  /** The same, but only the contents of the messages and edits. */
  takeContents(id: string): string[] {
    return this.take(id).flatMap((frame) =>
      frame.type === 'message' || frame.type === 'update' ? frame.content : [],
    );
  }

  /** The code with which a connection was closed. */
  closeCode(id: string): number | undefined {
    return this.#connection(id).closed;
  }

  /** Commits a message and brings it over the bus. */
  post(room: string, username: string, content: string): StoredMessage {
    const message = this.database.post(room, username, content);
    this.bring(message);
    return message;
  }

  /** Commits an edit, or a deletion, and brings it over the bus. */
  change(room: string, id: number, content: string | null): StoredMessage {
    const message = this.database.change(room, id, content);
    this.bring(message);
    return message;
  }

  /** Brings committed messages over the bus, in whatever order. */
  bring(...messages: StoredMessage[]): void {
    for (const message of messages) {
      const { room } = this.database.room(message.room);
      this.bus.publish({ kind: 'messages', room, messages: [message] });
    }
  }

  /** Commits how a user stands in a room, and brings it over the bus. */
  setMembership(name: string, username: string, change: Partial<Membership>): void {
    const { id: userId } = this.database.user(username);
    const membership = this.database.setMembership(name, username, change);
    const { room } = this.database.room(name);
    this.bus.publish({ kind: 'membership.updated', room, userId, membership });
  }

  /** Commits that a room is private, and brings it over the bus. */
  makePrivate(name: string): void {
    this.bus.publish({ kind: 'room.updated', room: this.database.makePrivate(name) });
  }

  /** Commits a topic, and brings it over the bus. */
  setTopic(name: string, topic: string): void {
    this.bus.publish({ kind: 'room.updated', room: this.database.setTopic(name, topic) });
  }

  /** Deletes a room, and brings it over the bus. */
  deleteRoom(name: string): void {
    const { room } = this.database.room(name);
    this.database.rooms.delete(name);
    this.bus.publish({ kind: 'room.deleted', room });
  }

  close(): void {
    this.live.close();
  }

  #connection(id: string): TestConnection {
    const known = this.#connections.get(id);
    if (known) return known;
    const topics = new Set<string>();
    const frames: ServerFrame[] = [];
    const socket = {
      send: (texts: string[]) => void frames.push(...texts.map(parseServerFrame)),
      subscribe: (topic: string) => void topics.add(topic),
      unsubscribe: (topic: string) => void topics.delete(topic),
      close: (code: number) => {
        made.closed = code;
      },
    };
    const handshake = { identity: { kind: 'guest' as const }, address: '127.0.0.1' };
    const connection = new Connection({ ...this.#parts, socket, handshake });
    const made: TestConnection = { connection, topics, frames, taken: 0 };
    this.#connections.set(id, made);
    return made;
  }
}
