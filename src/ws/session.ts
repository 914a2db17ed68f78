import type { Author } from '../chat/chat.service.ts';
import { ChatError, Disconnect } from '../errors.ts';
import { encode, withId } from '../live/encode.ts';
import type { Live } from '../live/live.ts';
import type { Listener } from '../live/publisher.ts';
import type { LiveRoom, Subscription } from '../live/room.ts';
import { isSameName, parseRoomName } from '../protocol/checks.ts';
import {
  type ClientFrame,
  DEFAULT_ROOM,
  type FrameOf,
  type ServerFrame,
  type ServerFrameOf,
} from '../protocol/frames.ts';
import { type Person, scopeOf } from '../protocol/identity.ts';
import type { Membership, Room } from '../protocol/room.ts';
import type { RoomService } from '../rooms/room.service.ts';
import {
  Credentials,
  type CredentialsParts,
  type Handshake,
  type TokenHolder,
} from './credentials.ts';
import { JoinedRooms, type Joiner, type Outbound } from './joined-rooms.ts';
import { checkSameUser, notJoined, otherUser } from './refusals.ts';

export interface SessionParts extends CredentialsParts {
  rooms: RoomService;
  live: Live;
}

/** The needs of a frame: nothing, a join, or a join in protocol 1. */
export type Needs = 'nothing' | 'join' | 'protocol 1';

/** A client has no user before its first `join`; after it, it is one user with one protocol. */
interface Joined {
  user: Person;
  protocol: 0 | 1;
  rooms: JoinedRooms;
  /** Gets the personal frames of the user; undefined in protocol 0. */
  listener: Listener | undefined;
}

/** A room that a client is let into, and the page that it begins with. */
export interface Entrance {
  live: LiveRoom;
  membership: Membership;
  user: Person;
  protocol: 0 | 1;
  /** Whether the page has all changes so far; without them the client is not, or no longer, in the room. */
  isComplete: boolean;
  /** Whether changes that were committed together come together. */
  isBatched: boolean;
  /** The frames of the reply, with the user in the room if the page is complete. */
  reply(): string[];
}

/** The user of a connection, and the rooms that it is in. Every method throws `ChatError`s. */
export class Session implements TokenHolder, Joiner {
  /** Undefined before the first join. */
  #state: Joined | undefined;
  readonly #credentials: Credentials;

  constructor(
    private readonly parts: SessionParts,
    private readonly outbound: Outbound,
    handshake: Handshake,
  ) {
    this.#credentials = new Credentials(parts, handshake, this);
  }

  /** To be called and awaited before any frame is handled; it never rejects. */
  open(): Promise<void> {
    return this.#credentials.open();
  }

  /** Whether its frames are not counted. */
  get isTrusted(): boolean {
    return this.#credentials.isTrusted;
  }

  /** The protocol that the client speaks, once it has joined. */
  get protocol(): 0 | 1 | undefined {
    return this.#state?.protocol;
  }

  /** The user, with the identity of the latest token. @throws {ChatError} `not_joined` */
  get author(): Author {
    return this.principal(this.#joined.user);
  }

  /** @throws {ChatError} `not_joined`, `forbidden` for another's name, `unknown_type` in protocol 0 */
  check(frame: ClientFrame, needs: Needs): void {
    if (needs === 'nothing') return;
    if (!this.#state) throw notJoined('room' in frame ? frame.room : undefined);
    const { user, protocol } = this.#state;
    if ('username' in frame && frame.username !== undefined) checkSameUser(user, frame.username);
    if (needs === 'protocol 1' && protocol === 0) {
      const remedy = 'join with "protocol": 1';
      throw new ChatError('unknown_type', `There is no "${frame.type}" in protocol 0; ${remedy}`);
    }
  }

  /** The room that a frame is for: the one it names, else the only one of the connection, else general. */
  roomName({ room }: { room?: string }): string {
    return parseRoomName(room ?? this.#joined.rooms.onlyName ?? DEFAULT_ROOM);
  }

  /** The subscription to a room that the connection is in, by its name. */
  find(name: string): Subscription | undefined {
    return this.#state?.rooms.get(name);
  }

  /** @throws {ChatError} `not_joined` */
  subscription(frame: { room?: string }): Subscription {
    const name = this.roomName(frame);
    const subscription = this.#joined.rooms.get(name);
    if (!subscription) throw notJoined(name, this.#joined.user.username);
    return subscription;
  }

  /**
   * The room of a frame, in which its sender may write: by the state that is known here or, while that may be
   * outdated, by the database.
   *
   * @throws {ChatError} `not_joined`, `muted`, and the errors of a look-up in the database
   */
  writableRoom(frame: { room?: string }): Room | Promise<Room> {
    const subscription = this.subscription(frame);
    const { live } = subscription;
    if (!this.parts.live.hub.isCurrent(live)) return this.#lookUpWritable(subscription);
    subscription.checkMayWrite();
    return live.room;
  }

  /**
   * Reads the user from the database if its state may be outdated here.
   *
   * @throws {Disconnect} when this connection may not act as the user any more
   */
  async confirmUser(): Promise<void> {
    if (this.parts.live.hub.isInSync) return;
    await this.#credentials.check(this.#joined.user);
  }

  /**
   * The protocol of a join.
   *
   * @throws {ChatError} `conflict` when a later join names another user or protocol
   */
  protocolOf({ username, protocol = this.protocol ?? 0 }: FrameOf<'join'>): 0 | 1 {
    if (!this.#state) return protocol;
    const { user, protocol: known } = this.#state;
    if (username !== undefined && !isSameName(username, user.username)) {
      throw new ChatError('conflict', otherUser(user));
    }
    if (protocol === known) return known;
    const remedy = 'open another one for another protocol';
    throw new ChatError('conflict', `This connection speaks protocol ${known}; ${remedy}`);
  }

  /** The user of a join. @throws the errors of {@link Credentials.authenticate}, {@link renew} and {@link confirmUser} */
  async authenticate({ username, token }: FrameOf<'join'>): Promise<Person> {
    if (!this.#state) return this.#credentials.authenticate(username, token);
    if (token !== undefined) await this.renew(token);
    await this.confirmUser();
    return this.#state.user;
  }

  /** A user of this connection, with the identity of the latest token. */
  principal(user: Person): Author {
    return this.#credentials.principal(user);
  }

  /** @throws {ChatError} `overloaded` when the connection is in as many rooms as it may be */
  checkCount(room: string): void {
    this.#state?.rooms.checkCount(room);
  }

  /** Lets the client into a room, and replies; a part of the synchronous step of {@link Hub.enter}. */
  enter({ live, membership, user, protocol, isComplete, isBatched, reply }: Entrance): void {
    this.#state ??= this.#begin(user, protocol);
    const { rooms } = this.#state;
    const known = rooms.get(live.name);
    if (isComplete) rooms.enter(live, membership);
    else if (known) rooms.drop(known, new Date(this.parts.clock.now()));
    this.outbound.send(...reply());
    this.outbound.flush();
    if (isComplete) rooms.listen(live, isBatched);
  }

  /**
   * Evicts the client from a room that the database does not let it read, if no event has done so yet.
   *
   * @param subscription of before the look-up
   */
  refused(subscription: Subscription | undefined, error: unknown): void {
    const isRefused = error instanceof ChatError && ['banned', 'not_found'].includes(error.code);
    const isThere = subscription && this.find(subscription.live.name) === subscription;
    if (isRefused && isThere) subscription.revoke(error);
  }

  leave(frame: FrameOf<'leave'>): void {
    const { rooms, protocol, user } = this.#joined;
    const left = frame.room === undefined ? rooms.all : [this.subscription(frame)];
    if (left.length === 0) throw notJoined(undefined, user.username);
    for (const subscription of left) {
      rooms.leave(subscription);
      if (protocol === 0) continue;
      this.send({ type: 'left', ...withId(frame), room: subscription.live.name });
    }
  }

  /** Accepts a fresh token of the same user. */
  async renew(token: string): Promise<void> {
    const joined = this.#joined;
    const { rooms, user, listener } = joined;
    await this.#credentials.renew(token, rooms.names);
    // The token may be for other rooms.
    if (listener && !Bun.deepEquals(listener.scope, scopeOf(this.author.identity))) {
      this.parts.live.unlisten(listener, this.outbound);
      joined.listener = this.#listen(user);
    }
    // The token may have another role.
    for (const subscription of rooms.all) subscription.check();
  }

  /** The connection was lost at `at`. */
  drop(at: Date): void {
    this.#credentials.close();
    if (!this.#state) return;
    const { rooms, listener } = this.#state;
    if (listener) this.parts.live.unlisten(listener, this.outbound);
    for (const subscription of rooms.all) rooms.drop(subscription, at);
  }

  /** The credentials have ended. */
  end(reason: Disconnect): void {
    this.outbound.end(reason);
  }

  warn(seconds: number): void {
    this.send({ type: 'expiring', seconds });
  }

  evicted(reason: ChatError): void {
    if (reason instanceof Disconnect) this.end(reason);
    else this.send({ type: 'error', code: reason.code, content: reason.message });
  }

  send(frame: ServerFrame): void {
    this.outbound.send(encode(frame));
  }

  /** Sends a frame that is encoded already. */
  sendText(frame: string): void {
    this.outbound.send(frame);
  }

  /** Sends an `ack` for a frame with an id. */
  acknowledge({ id }: { id?: string }, fields: Omit<ServerFrameOf<'ack'>, 'type' | 'id'> = {}) {
    if (id !== undefined) this.send({ type: 'ack', id, ...fields });
  }

  get #joined(): Joined {
    if (!this.#state) throw notJoined();
    return this.#state;
  }

  async #lookUpWritable(subscription: Subscription): Promise<Room> {
    const { name, room: known } = subscription.live;
    const { author } = this;
    await this.confirmUser();
    try {
      const { room } = await this.parts.rooms.authorize(author, name, 'write');
      // Another room has this name now.
      if (room.id !== known.id) throw notJoined(name, author.user.username);
      return room;
    } catch (error) {
      this.refused(subscription, error);
      throw error;
    }
  }

  #begin(user: Person, protocol: 0 | 1): Joined {
    const isPersonal = protocol === 1;
    const listener = isPersonal
      ? this.#listen(user, (frame) => this.outbound.send(frame))
      : undefined;
    if (isPersonal) this.#credentials.startWarning();
    const rooms = new JoinedRooms(this, this.outbound, this.parts.live.local);
    return { user, protocol, rooms, listener };
  }

  /** Starts the personal frames of the user, within the scope of the token. */
  #listen(user: Person, greet = (_: string) => {}): Listener {
    const scope = scopeOf(this.principal(user).identity);
    return this.parts.live.listen({ id: user.id, scope }, this.outbound, greet);
  }
}
