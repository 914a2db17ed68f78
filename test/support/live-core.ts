import { MemoryBus } from '../../src/bus/memory.ts';
import type { ChatService } from '../../src/chat/chat.service.ts';
import { EphemeralEvents } from '../../src/chat/ephemeral-events.ts';
import type { ReadCursors } from '../../src/chat/read-cursors.ts';
import { Limits } from '../../src/limits/limits.ts';
import { Live } from '../../src/live/live.ts';
import { createLogger } from '../../src/log.ts';
import type { NotificationService } from '../../src/notifications/notification.service.ts';
import type { ClientFrame, ServerFrame } from '../../src/protocol/frames.ts';
import { banned, type Identity, type UserState } from '../../src/protocol/identity.ts';
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
import type { AuthService } from '../../src/users/auth/auth.service.ts';
import type { LastSeen } from '../../src/users/last-seen.ts';
import type { UserService } from '../../src/users/user.service.ts';
import { createCommands } from '../../src/ws/commands.ts';
import { Connection, type ConnectionParts } from '../../src/ws/connection.ts';
import { settle, TestClock } from './clock.ts';
import { MemoryDatabase } from './memory-database.ts';
import type { View } from './room-view.ts';
import { parseServerFrame } from './server-frame.ts';

/** A bus of several servers, whose news may be missing. */
class TestBus extends MemoryBus {
  hasAllNews = true;

  override get isInSync(): boolean {
    return this.hasAllNews;
  }
}

interface TestConnection {
  connection: Connection;
  topics: Set<string>;
  frames: ServerFrame[];
  taken: number;
  closed?: number;
}

/**
 * The live core of a server without its sockets: the hub, the feeds, presence and the sessions are the real
 * ones, driven by `(connection id, frame)` over a database in memory and a clock that the test turns.
 */
export class LiveCore {
  readonly clock = new TestClock();
  readonly database = new MemoryDatabase(this.clock);
  readonly bus = new TestBus();
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
    } as unknown as UserService;
    const lastSeen = {
      note: (id: number, at: Date) => this.seen.set(id, at),
    } as unknown as LastSeen;
    const notifications = { newest: async () => undefined } as unknown as NotificationService;
    const { messages, snapshots } = database;
    this.live = new Live(
      { messages, snapshots, notifications, lastSeen, bus, publish, clock, log },
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
      resolveUser: async (
        _: Identity,
        name: string,
        find: (name: string) => Promise<UserState>,
      ) => {
        const user = await find(name);
        if (user.isBanned) throw banned();
        return user;
      },
      watch: async () => ({ end() {} }),
    } as unknown as AuthService;
    const chat = {
      post: async ({ user }: { user: UserState }, { name }: Room, { content = '' }) => ({
        message: this.post(name, user.username, content),
        duplicate: false,
      }),
    } as unknown as ChatService;
    const unlimited = { messageRate: 0, messageBurst: 1, requestRate: 0, maxConnectionsPerIp: 0 };
    const limits = new Limits({ clock }, unlimited);
    const { live } = this;
    const events = new EphemeralEvents({ rooms, bus, limits, clock });
    const commands = createCommands({ chat, events, cursors, rooms, live, clock });
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
    const connection = new Connection(this.#parts, socket, handshake);
    const made: TestConnection = { connection, topics, frames, taken: 0 };
    this.#connections.set(id, made);
    return made;
  }
}
