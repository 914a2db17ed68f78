import { ChatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { ChatService } from '../services/chat.service.ts';
import type { RoomService } from '../services/room.service.ts';
import type { Person, UserService } from '../services/user.service.ts';
import { parseRoomName, parseUsername } from '../types/text.ts';
import { type ClientFrame, DEFAULT_ROOM, type ServerFrame } from '../types/websocket.ts';
import { basicMessage, encode, systemFrame, withId, withMessages } from './frames.ts';
import type { Hub } from './hub.ts';
import { type LiveRoom, type Page, topics } from './live-room.ts';
import type { Presence } from './presence.ts';

export interface SessionParts {
  chat: ChatService;
  users: UserService;
  rooms: RoomService;
  hub: Hub;
  presence: Presence;
  log: Logger;
}

/** The way to the client. */
export interface Line {
  /** Sends frames, in order with all others; they may wait for the end of the turn, or for `flush`. */
  send(...frames: string[]): void;
  flush(): void;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
}

/** Until its first `join` a client is nobody; from then on it is one user who speaks one protocol. */
type State = { joined: false } | Joined;
interface Joined {
  joined: true;
  user: Person;
  protocol: 0 | 1;
  rooms: Map<string, LiveRoom>;
}

type FrameOf<T extends ClientFrame['type']> = Extract<ClientFrame, { type: T }>;

const MAX_LISTED_USERS = 100;

/** Who a client is, the rooms it is in, and what its frames do. Every method throws `ChatError`s. */
export class Session {
  #state: State = { joined: false };

  constructor(
    private readonly parts: SessionParts,
    private readonly line: Line,
  ) {}

  /** The protocol that the client speaks, once it has joined. */
  get protocol(): 0 | 1 | undefined {
    return this.#state.joined ? this.#state.protocol : undefined;
  }

  /** @returns when the message is committed and its ack is on its way */
  message(frame: FrameOf<'message'>): Promise<void> {
    const { user, protocol, live } = this.#speaker(frame);
    if (protocol === 0 && frame.data !== undefined) {
      throw new ChatError('invalid_frame', '"data" needs "protocol": 1');
    }
    const { content, data, id } = frame;
    return this.parts.chat
      .post({ room: live.room, user, content, clientId: id, data })
      .then(({ message: { room, id: messageId, seq, createdAt: timestamp } }) => {
        if (id !== undefined) this.#reply({ type: 'ack', id, room, messageId, seq, timestamp });
      });
  }

  ping(frame: FrameOf<'ping'>): void {
    checkFull(this.#checkJoined({}), 'ping');
    const sentAt = frame.sentAt === undefined ? {} : { sentAt: frame.sentAt };
    this.#reply({ type: 'pong', ...withId(frame), ...sentAt, timestamp: new Date().toISOString() });
  }

  /** The frames that take effect one after the other. */
  async handle(frame: FrameOf<'join' | 'leave' | 'history'>): Promise<void> {
    switch (frame.type) {
      case 'join':
        return this.#join(frame);
      case 'leave':
        return this.#leave(frame);
      case 'history':
        return this.#history(frame);
    }
  }

  /** The connection was lost at `at`. */
  drop(at: Date): void {
    if (!this.#state.joined) return;
    for (const live of [...this.#state.rooms.values()]) {
      this.#exit(this.#state, live);
      this.parts.presence.drop(live.name, this.#state.user, at);
    }
  }

  async #join(frame: FrameOf<'join'>): Promise<void> {
    const protocol = frame.protocol ?? this.protocol ?? 0;
    if (this.#state.joined) checkSameAs(this.#state, frame.username, protocol);
    if (protocol === 0 && (frame.since !== undefined || frame.epoch !== undefined)) {
      throw new ChatError('invalid_frame', '"since" and "epoch" need "protocol": 1');
    }
    const { rooms, users, hub } = this.parts;
    const name = parseRoomName(frame.room ?? DEFAULT_ROOM);
    const user = this.#state.joined ? this.#state.user : await users.enter(frame.username);
    const live = await hub.open(hub.find(name) ?? (await rooms.findOrCreate(name)));
    const fetched = await live.fetch(frame).catch((error) => {
      hub.release(live);
      throw error;
    });
    // From here to the subscription nothing may wait, or a change could slip through between.
    const page = live.page(frame, fetched);
    if (!this.#state.joined) this.#state = { joined: true, user, protocol, rooms: new Map() };
    if (page.complete) this.#enter(this.#state, live);
    else this.#stayOut(this.#state, live);
    if (protocol === 0) this.#welcome(user, live, page);
    else this.line.send(this.#joined(frame, user, live, page));
    this.line.flush();
    if (page.complete) this.line.subscribe(topicOf(this.#state, live));
  }

  #enter({ rooms, user }: Joined, live: LiveRoom): void {
    if (rooms.has(live.name)) {
      this.parts.hub.release(live);
      return;
    }
    rooms.set(live.name, live);
    this.parts.presence.enter(live.name, user);
  }

  /** A page that is not the last one: the client is not in the room, or no longer. */
  #stayOut(state: Joined, live: LiveRoom): void {
    this.parts.hub.release(live);
    if (state.rooms.has(live.name)) {
      this.#exit(state, live);
      this.parts.presence.drop(live.name, state.user, new Date());
    }
  }

  #welcome({ username }: Person, { name }: LiveRoom, { changes }: Page): void {
    const recent = changes.map(({ message }) => basicMessage(message));
    this.line.send(systemFrame(name, `Welcome ${username}!`), ...recent);
  }

  #joined(frame: { id?: string }, { username }: Person, live: LiveRoom, page: Page): string {
    const { presence } = this.parts;
    return withMessages(
      {
        type: 'joined',
        ...withId(frame),
        room: live.name,
        username,
        rev: page.rev,
        epoch: live.epoch,
        complete: page.complete,
        reset: page.reset,
        users: presence.some(live.name, MAX_LISTED_USERS),
        userCount: presence.count(live.name),
      },
      page.changes,
    );
  }

  #leave(frame: FrameOf<'leave'>): void {
    const state = this.#checkJoined(frame);
    const left =
      frame.room === undefined ? [...state.rooms.values()] : [liveRoom(state, frame.room)];
    if (left.length === 0) throw notJoined();
    for (const live of left) {
      this.#exit(state, live);
      this.parts.presence.leave(live.name, state.user);
      if (state.protocol === 1) this.#reply({ type: 'left', ...withId(frame), room: live.name });
    }
  }

  async #history(frame: FrameOf<'history'>): Promise<void> {
    const { live } = this.#speaker(frame);
    const { texts, more } = await live.history(frame);
    const reply = { type: 'history', ...withId(frame), room: live.name, more } as const;
    this.line.send(withMessages(reply, texts));
  }

  #exit(state: Joined, live: LiveRoom): void {
    state.rooms.delete(live.name);
    this.line.unsubscribe(topicOf(state, live));
    this.parts.hub.release(live);
  }

  /** Who speaks and where, or the reason why not. */
  #speaker(frame: FrameOf<'message' | 'history'>) {
    const state = this.#checkJoined(frame);
    if (frame.type === 'history') checkFull(state, 'history');
    const [only] = state.rooms.size === 1 ? state.rooms.keys() : [];
    return { ...state, live: liveRoom(state, frame.room ?? only ?? DEFAULT_ROOM) };
  }

  #checkJoined({ username, room }: { username?: string; room?: string }): Joined {
    if (!this.#state.joined) throw notJoined(room);
    if (username !== undefined && !isSame(username, this.#state.user.username)) {
      throw new ChatError('forbidden', notYou(this.#state.user));
    }
    return this.#state;
  }

  #reply(frame: ServerFrame): void {
    this.line.send(encode(frame));
  }
}

function topicOf({ protocol }: Joined, { name }: LiveRoom): string {
  return protocol === 0 ? topics.basic(name) : topics.full(name);
}

function liveRoom({ rooms }: Joined, raw: string): LiveRoom {
  const live = rooms.get(parseRoomName(raw));
  if (!live) throw notJoined(raw);
  return live;
}

function checkSameAs({ user, protocol }: Joined, username: string, asked: 0 | 1): void {
  if (!isSame(username, user.username)) throw new ChatError('conflict', notYou(user));
  if (asked !== protocol) {
    throw new ChatError('conflict', `This connection speaks protocol ${protocol}; open another`);
  }
}

function checkFull({ protocol }: Joined, type: string): void {
  if (protocol === 1) return;
  const remedy = 'join with "protocol": 1';
  throw new ChatError('unknown_type', `There is no "${type}" in protocol 0; ${remedy}`);
}

function isSame(username: string, other: string): boolean {
  return parseUsername(username).key === parseUsername(other).key;
}

function notYou({ username }: Person): string {
  return `This connection joined as "${username}"; open another one for another user`;
}

function notJoined(room?: string): ChatError {
  const where = room === undefined ? 'a room' : 'this room';
  return new ChatError('not_joined', `Join ${where} first: {"type":"join","username":"ana"}`);
}
