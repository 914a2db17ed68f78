import { rootMessage, toChatError } from '../db/failures.ts';
import { ChatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { ChatService } from '../services/chat.service.ts';
import type { RoomService } from '../services/room.service.ts';
import type { Person, UserService } from '../services/user.service.ts';
import { parseRoomName, parseUsername } from '../types/text.ts';
import {
  type ClientFrame,
  DEFAULT_ROOM,
  FrameError,
  MAX_PAGE_CHARACTERS,
  parseFrame,
  type ServerFrame,
} from '../types/websocket.ts';
import { basicMessage, encode, fullMessage, systemFrame, withMessages } from './frames.ts';
import type { Hub } from './hub.ts';
import { Inbox } from './inbox.ts';
import { type LiveRoom, type Page, topics } from './live-room.ts';
import type { Presence } from './presence.ts';

/** What a connection needs of its WebSocket. */
export interface Socket {
  /** Sends frames in order, in one write where it can. */
  send(frames: string[]): void;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
}

export interface ConnectionParts {
  chat: ChatService;
  users: UserService;
  rooms: RoomService;
  hub: Hub;
  presence: Presence;
  log: Logger;
}

/** Until its first `join` a connection is nobody; from then on it is one user who speaks one protocol. */
type State = { joined: false } | Joined;
interface Joined {
  joined: true;
  user: Person;
  protocol: 0 | 1;
  rooms: Map<string, LiveRoom>;
}

type FrameOf<T extends ClientFrame['type']> = Extract<ClientFrame, { type: T }>;

/** What a frame costs beside its text. */
const FRAME_COST = 200;
const MAX_LISTED_USERS = 100;

/** One client, and what its frames do. */
export class Connection {
  #state: State = { joined: false };
  #open = true;
  #outbox: string[] = [];
  readonly #inbox = new Inbox<string | Uint8Array | { closedAt: Date }>((item) =>
    typeof item === 'object' && 'closedAt' in item ? this.#drop(item.closedAt) : this.#handle(item),
  );

  constructor(
    private readonly socket: Socket,
    private readonly parts: ConnectionParts,
  ) {}

  /** The protocol that the client speaks, once it has joined. */
  get protocol(): 0 | 1 | undefined {
    return this.#state.joined ? this.#state.protocol : undefined;
  }

  /** A frame came. */
  receive(raw: string | Uint8Array): void {
    if (this.#inbox.push(raw, raw.length + FRAME_COST)) return;
    this.#refuse(
      new ChatError('overloaded', 'Too many frames at once; wait for replies.', 1),
      idOf(raw),
    );
  }

  /** The socket is gone. What came before still takes effect. */
  closed(): void {
    this.#open = false;
    this.#inbox.push({ closedAt: new Date() }, 0);
  }

  /** Sends a frame that is no reply. */
  notify(frame: ServerFrame): void {
    this.#send(encode(frame));
  }

  /**
   * Messages follow each other without waiting; whatever else reads or changes where the user is
   * waits for those before it, so that nobody is seen to leave before having spoken.
   *
   * @returns a promise when the next frame has to wait for this one; it never rejects
   */
  #handle(raw: string | Uint8Array): Promise<void> | undefined {
    let id: string | undefined;
    try {
      const frame = parseFrame(raw);
      id = frame.id;
      switch (frame.type) {
        case 'message':
          return this.#message(frame);
        case 'ping':
          return this.#ping(frame);
        default:
          return this.#inbox
            .settled()
            .then(() => this.#inOrder(frame))
            .catch((error) => this.#refuse(error, id));
      }
    } catch (error) {
      this.#refuse(error, id);
    }
  }

  async #inOrder(frame: FrameOf<'join' | 'leave' | 'history'>): Promise<void> {
    switch (frame.type) {
      case 'join':
        return this.#join(frame);
      case 'leave':
        return this.#leave(frame);
      case 'history':
        return this.#history(frame);
    }
  }

  async #join(frame: FrameOf<'join'>): Promise<void> {
    const protocol = frame.protocol ?? (this.#state.joined ? this.#state.protocol : 0);
    if (this.#state.joined) this.#checkSameAs(this.#state, frame.username, protocol);
    if (protocol === 0 && (frame.since !== undefined || frame.epoch !== undefined)) {
      throw new ChatError('invalid_frame', '"since" and "epoch" need "protocol": 1');
    }
    const { rooms, users, hub } = this.parts;
    const name = parseRoomName(frame.room ?? DEFAULT_ROOM);
    const user = this.#state.joined ? this.#state.user : await users.enter(frame.username);
    const live = await hub.open(hub.find(name) ?? (await rooms.findOrCreate(name)));
    let page: Page | undefined;
    let reset = false;
    try {
      reset =
        (frame.epoch !== undefined && frame.epoch !== live.epoch) ||
        (typeof frame.since === 'number' && frame.since > live.rev);
      if (typeof frame.since === 'number' && !reset) {
        const fetched = await live.fetch(frame.since);
        // From here to the subscription nothing may wait, or a change could slip through between.
        page = live.page(frame.since, fetched);
      }
    } catch (error) {
      hub.release(live);
      throw error;
    }
    page ??= {
      changes: frame.since === '$' && !reset ? [] : live.recent(),
      rev: live.rev,
      complete: true,
    };
    if (!this.#state.joined) this.#state = { joined: true, user, protocol, rooms: new Map() };
    if (page.complete) this.#enter(this.#state, live);
    else this.#stayOut(this.#state, live);
    if (protocol === 0) this.#welcome(user, live);
    else this.#send(this.#joined(frame, user, live, page, reset));
    this.#flush();
    if (this.#open && page.complete) this.socket.subscribe(this.#topic(protocol, live));
  }

  #enter({ rooms, user }: Joined, live: LiveRoom): void {
    if (rooms.has(live.name)) {
      this.parts.hub.release(live);
      return;
    }
    rooms.set(live.name, live);
    this.parts.presence.enter(live.name, user);
  }

  /** A page that is not the last one: the connection is not in the room, or no longer. */
  #stayOut(state: Joined, live: LiveRoom): void {
    this.parts.hub.release(live);
    if (state.rooms.has(live.name)) {
      this.#exit(state, live);
      this.parts.presence.drop(live.name, state.user, new Date());
    }
  }

  #welcome(user: Person, live: LiveRoom): void {
    const recent = live.recent().map(({ message }) => basicMessage(message));
    this.#send(systemFrame(live.name, `Welcome ${user.username}!`), ...recent);
  }

  #joined(
    { id }: { id?: string },
    user: Person,
    live: LiveRoom,
    page: Page,
    reset: boolean,
  ): string {
    const { presence } = this.parts;
    return withMessages(
      {
        type: 'joined',
        ...(id !== undefined && { id }),
        room: live.name,
        username: user.username,
        rev: page.rev,
        epoch: live.epoch,
        complete: page.complete,
        reset,
        users: presence.some(live.name, MAX_LISTED_USERS),
        userCount: presence.count(live.name),
      },
      page.changes,
    );
  }

  #message(frame: FrameOf<'message'>): undefined {
    const { user, protocol, live } = this.#speaker(frame);
    if (protocol === 0 && frame.data !== undefined) {
      throw new ChatError('invalid_frame', '"data" needs "protocol": 1');
    }
    const cost = frame.content.length + FRAME_COST;
    this.#inbox.begin(cost);
    this.parts.chat
      .post({ room: live.room, user, content: frame.content, clientId: frame.id, data: frame.data })
      .then(
        ({ message: { room, id: messageId, seq, createdAt: timestamp } }) => {
          if (frame.id === undefined) return;
          this.notify({ type: 'ack', id: frame.id, room, messageId, seq, timestamp });
        },
        (error) => this.#refuse(error, frame.id),
      )
      .then(() => this.#inbox.settle(cost));
  }

  #leave(frame: FrameOf<'leave'>): void {
    const state = this.#checkJoined(frame);
    const left =
      frame.room === undefined ? [...state.rooms.values()] : [this.#liveRoom(state, frame.room)];
    if (left.length === 0) throw notJoined();
    for (const live of left) {
      this.#exit(state, live);
      this.parts.presence.leave(live.name, state.user);
      if (state.protocol === 1) this.notify({ type: 'left', ...withId(frame), room: live.name });
    }
  }

  async #history(frame: FrameOf<'history'>): Promise<void> {
    const { live } = this.#speaker(frame);
    const { before, after, limit = 50 } = frame;
    // One more than asked for tells whether there are more.
    const found = await this.parts.chat.page(live.room, { before, after, limit: limit + 1 });
    // Those nearest to where the client is come first, and are the ones that fit.
    const nearest = after === undefined ? found.toReversed() : found;
    const texts: { text: string }[] = [];
    let characters = 0;
    for (const message of nearest.slice(0, limit)) {
      const text = fullMessage(message);
      characters += text.length;
      if (texts.length > 0 && characters > MAX_PAGE_CHARACTERS) break;
      texts.push({ text });
    }
    const more = texts.length < found.length;
    if (after === undefined) texts.reverse();
    this.#send(withMessages({ type: 'history', ...withId(frame), room: live.name, more }, texts));
  }

  #ping(frame: FrameOf<'ping'>): undefined {
    this.#checkFull(this.#checkJoined({}), 'ping');
    const sentAt = frame.sentAt === undefined ? {} : { sentAt: frame.sentAt };
    this.notify({ type: 'pong', ...withId(frame), ...sentAt, timestamp: new Date().toISOString() });
  }

  async #drop(at: Date): Promise<void> {
    await this.#inbox.settled();
    if (!this.#state.joined) return;
    for (const live of [...this.#state.rooms.values()]) {
      this.#exit(this.#state, live);
      this.parts.presence.drop(live.name, this.#state.user, at);
    }
  }

  #exit({ rooms, protocol }: Joined, live: LiveRoom): void {
    rooms.delete(live.name);
    if (this.#open) this.socket.unsubscribe(this.#topic(protocol, live));
    this.parts.hub.release(live);
  }

  #topic(protocol: 0 | 1, { name }: LiveRoom): string {
    return protocol === 0 ? topics.basic(name) : topics.full(name);
  }

  /** Who speaks and where, or the reason why not. */
  #speaker(frame: FrameOf<'message' | 'history'>) {
    const state = this.#checkJoined('username' in frame ? frame : { room: frame.room });
    if (frame.type === 'history') this.#checkFull(state, 'history');
    const [only] = state.rooms.size === 1 ? state.rooms.keys() : [];
    return { ...state, live: this.#liveRoom(state, frame.room ?? only ?? DEFAULT_ROOM) };
  }

  #checkJoined({
    username,
    room,
  }: {
    username?: string | undefined;
    room?: string | undefined;
  }): Joined {
    if (!this.#state.joined) throw notJoined(room);
    if (username !== undefined && !isSame(username, this.#state.user.username)) {
      throw new ChatError('forbidden', notYou(this.#state.user));
    }
    return this.#state;
  }

  #checkSameAs({ user, protocol }: Joined, username: string, asked: 0 | 1): void {
    if (!isSame(username, user.username)) throw new ChatError('conflict', notYou(user));
    if (asked !== protocol) {
      throw new ChatError(
        'conflict',
        `This connection speaks protocol ${protocol}; open another one`,
      );
    }
  }

  #checkFull({ protocol }: Joined, type: string): void {
    if (protocol === 0) {
      throw new ChatError(
        'unknown_type',
        `There is no "${type}" in protocol 0; join with "protocol": 1`,
      );
    }
  }

  #liveRoom({ rooms }: Joined, raw: string): LiveRoom {
    const live = rooms.get(parseRoomName(raw));
    if (!live) throw notJoined(raw);
    return live;
  }

  #refuse(error: unknown, id?: string): void {
    const { code, message, retryAfter } = toChatError(error);
    if (code === 'internal') this.parts.log.error({ reason: rootMessage(error) }, 'a frame failed');
    this.notify({
      type: 'error',
      code,
      content: message,
      ...withId({ id: id ?? (error instanceof FrameError ? error.id : undefined) }),
      ...(retryAfter !== undefined && { retryAfter }),
    });
  }

  /** Replies of one turn of the event loop, such as the acks of one batch, leave in one write. */
  #send(...frames: string[]): void {
    if (this.#outbox.length === 0) queueMicrotask(() => this.#flush());
    this.#outbox.push(...frames);
  }

  #flush(): void {
    if (this.#outbox.length === 0) return;
    const frames = this.#outbox;
    this.#outbox = [];
    if (this.#open) this.socket.send(frames);
  }
}

function withId({ id }: { id?: string | undefined }): { id?: string } {
  return id === undefined ? {} : { id };
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

function idOf(raw: string | Uint8Array): string | undefined {
  try {
    return parseFrame(raw).id;
  } catch (error) {
    return error instanceof FrameError ? error.id : undefined;
  }
}
