import type { Author } from '../chat/chat.service.ts';
import { ChatError, Disconnect } from '../errors.ts';
import { encode, withId } from '../live/encode.ts';
import type { Live } from '../live/live.ts';
import type { LiveRoom, Subscription } from '../live/room.ts';
import { isSameName, parseRoomName } from '../protocol/checks.ts';
import {
  type ClientFrame,
  DEFAULT_ROOM,
  type FrameOf,
  type ServerFrame,
  type ServerFrameOf,
} from '../protocol/frames.ts';
import { type Person, type Scope, scopeOf } from '../protocol/identity.ts';
import type { Membership, Room } from '../protocol/room.ts';
import type { RoomService } from '../rooms/room.service.ts';
import { Credentials, type CredentialsParts, type Handshake } from './credentials.ts';
import { JoinedRooms, type Outbound } from './joined-rooms.ts';

export interface SessionParts extends CredentialsParts {
  rooms: RoomService;
  live: Live;
}

/** The needs of a frame: nothing, a join, or a join in protocol 1. */
export type Needs = 'nothing' | 'join' | 'protocol 1';

/** A client has no user before its first `join`; after it, it is one user with one protocol. */
type State = { isJoined: false } | Joined;
interface Joined {
  isJoined: true;
  user: Person;
  protocol: 0 | 1;
  rooms: JoinedRooms;
  /** Stops the personal frames of the user. */
  stopListening(): void;
  /** The rooms to which personal frames are limited. */
  scope: Scope;
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
export class Session {
  #state: State = { isJoined: false };
  readonly #credentials: Credentials;

  constructor(private readonly parts: SessionParts & { outbound: Outbound; handshake: Handshake }) {
    const { outbound } = parts;
    this.#credentials = new Credentials({ ...parts, onEnd: (reason) => outbound.end(reason) });
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
    return this.#state.isJoined ? this.#state.protocol : undefined;
  }

  /** The user, with the identity of the latest token. @throws {ChatError} `not_joined` */
  get author(): Author {
    return this.principal(this.#joined.user);
  }

  /** @throws {ChatError} `not_joined`, `forbidden` for another's name, `unknown_type` in protocol 0 */
  check(frame: ClientFrame, needs: Needs): void {
    if (needs === 'nothing') return;
    if (!this.#state.isJoined) throw notJoined('room' in frame ? frame.room : undefined);
    const { user, protocol } = this.#state;
    if ('username' in frame && frame.username !== undefined) checkSameUser(user, frame.username);
    if (needs === 'protocol 1' && protocol === 0) {
      const remedy = 'join with "protocol": 1';
      throw new ChatError('unknown_type', `There is no "${frame.type}" in protocol 0; ${remedy}`);
    }
  }

  /** The room that a frame is for: the one it names, else the only one of the connection, else general. */
  roomName({ room }: { room?: string }): string {
    const { names } = this.#joined.rooms;
    const [only] = names.length === 1 ? names : [];
    return parseRoomName(room ?? only ?? DEFAULT_ROOM);
  }

  /** A room that the connection is in, by its name. */
  room(name: string): Room | undefined {
    return this.#joined.rooms.get(name)?.live.room;
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
    if (!this.parts.live.hub.isCurrent(live)) return this.#lookUpWritable(live);
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
    if (!this.#state.isJoined) return protocol;
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
    if (!this.#state.isJoined) return this.#credentials.authenticate(username, token);
    if (token !== undefined) await this.renew(token);
    await this.confirmUser();
    return this.#state.user;
  }

  /** A user of this connection, with the identity of the latest token. */
  principal(user: Person): Author {
    return { ...this.#credentials.principal(user), user };
  }

  /** @throws {ChatError} `overloaded` when the connection is in as many rooms as it may be */
  checkCount(room: string): void {
    if (this.#state.isJoined) this.#state.rooms.checkCount(room);
  }

  /** Lets the client into a room, and replies; a part of the synchronous step of {@link Hub.enter}. */
  enter({ live, membership, user, protocol, isComplete, isBatched, reply }: Entrance): void {
    this.#state = this.#state.isJoined ? this.#state : this.#begin(user, protocol);
    const { rooms } = this.#state;
    const known = rooms.get(live.name);
    if (isComplete) rooms.enter(live, membership);
    else if (known) rooms.drop(known, new Date(this.parts.clock.now()));
    this.parts.outbound.send(...reply());
    this.parts.outbound.flush();
    if (isComplete) rooms.listen(live, isBatched);
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
    const { rooms, user, protocol, scope } = joined;
    await this.#credentials.renew(token, rooms.names);
    // The token may be for other rooms.
    const now = scopeOf(this.author.identity);
    if (protocol === 1 && !Bun.deepEquals(scope, now)) {
      joined.stopListening();
      Object.assign(joined, { scope: now, stopListening: this.#listen(user) });
    }
    // The token may have another role.
    for (const subscription of rooms.all) subscription.check();
  }

  /** The connection was lost at `at`. */
  drop(at: Date): void {
    this.#credentials.close();
    if (!this.#state.isJoined) return;
    const { rooms, stopListening } = this.#state;
    stopListening();
    for (const subscription of rooms.all) rooms.drop(subscription, at);
  }

  send(frame: ServerFrame): void {
    this.parts.outbound.send(encode(frame));
  }

  /** Sends a frame that is encoded already. */
  sendText(frame: string): void {
    this.parts.outbound.send(frame);
  }

  /** Sends an `ack` for a frame with an id. */
  acknowledge({ id }: { id?: string }, fields: Omit<ServerFrameOf<'ack'>, 'type' | 'id'> = {}) {
    if (id !== undefined) this.send({ type: 'ack', id, ...fields });
  }

  get #joined(): Joined {
    if (!this.#state.isJoined) throw notJoined();
    return this.#state;
  }

  async #lookUpWritable({ name, room: { id } }: LiveRoom): Promise<Room> {
    const { author } = this;
    await this.confirmUser();
    const { room } = await this.parts.rooms.authorize(author, name, 'write');
    // Another room has this name now.
    if (room.id !== id) throw notJoined(name, author.user.username);
    return room;
  }

  #begin(user: Person, protocol: 0 | 1): Joined {
    let stopListening = () => {};
    if (protocol === 1) {
      stopListening = this.#listen(user, (frame) => this.parts.outbound.send(frame));
      this.#credentials.warnBy((seconds) => this.send({ type: 'expiring', seconds }));
    }
    const { outbound, live } = this.parts;
    const rooms = new JoinedRooms({
      protocol,
      outbound,
      presence: live.local,
      author: () => this.principal(user),
      onEvict: (reason) => {
        if (reason instanceof Disconnect) outbound.end(reason);
        else this.send({ type: 'error', code: reason.code, content: reason.message });
      },
    });
    const scope = scopeOf(this.principal(user).identity);
    return { isJoined: true, user, protocol, rooms, stopListening, scope };
  }

  /** Starts the personal frames of the user, within the scope of the token. */
  #listen(user: Person, greet = (_: string) => {}): () => void {
    const scope = scopeOf(this.principal(user).identity);
    return this.parts.live.listen({ id: user.id, scope }, this.parts.outbound, greet);
  }
}

/** @throws {ChatError} `forbidden` for the name of another user */
function checkSameUser(user: Person, username: string): void {
  if (!isSameName(username, user.username)) throw new ChatError('forbidden', otherUser(user));
}

function otherUser({ username }: Person): string {
  return `This connection joined as "${username}"; open another one for another user`;
}

/**
 * @param room the room of the frame, if it names one
 * @param username of the connection, so that the `join` that is proposed is one that it may send
 */
function notJoined(room?: string, username = 'ana'): ChatError {
  const join = JSON.stringify({ type: 'join', username, room: room?.slice(0, 64) });
  const which = room === undefined ? 'a' : 'this';
  return new ChatError('not_joined', `Join ${which} room first: ${join}`);
}
